"""Periods by a calendar of one's own, amounts in one currency, and what a product leaves.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UPGRADE = """
create function stream.period_start(
    period text, day date, week_start integer, fiscal_year_start integer
) returns date
    language sql immutable parallel safe
    return case period
        when 'day' then day
        when 'week' then day - (extract(isodow from day)::integer - week_start + 7) % 7
        when 'month' then date_trunc('month', day::timestamp)::date
        when 'quarter' then (
            date_trunc(
                'quarter',
                date_trunc('month', day::timestamp)
                - make_interval(months => (fiscal_year_start - 1) % 3)
            ) + make_interval(months => (fiscal_year_start - 1) % 3)
        )::date
    end;
comment on function stream.period_start(text, date, integer, integer) is
    'first day of the period that holds a day, null for all time; weeks begin on week_start (1 '
    'Monday to 7 Sunday), quarters with the month of the fiscal year';

create function stream.last_rate(given text, wanted text, day date) returns numeric
    language sql stable parallel safe
    return (
        select rate
        from (
            select date, received_at, kafka_offset, rate, 1 as preference
            from stream.exchange_rates
            where currency = given and to_currency = wanted and date <= day
            union all
            select date, received_at, kafka_offset, 1 / rate, 2
            from stream.exchange_rates
            where currency = wanted and to_currency = given and date <= day
        ) either_way
        order by date desc, preference, received_at desc, kafka_offset desc
        limit 1
    );
comment on function stream.last_rate(text, text, date) is
    'what a unit of one currency is worth in another by the newest rate up to a day, either way';

create function stream.rate(given text, wanted text, day date) returns numeric
    language sql stable parallel safe
    return coalesce(
        stream.last_rate(given, wanted, day),
        (
            select stream.last_rate(given, between_them.pivot, day)
                * stream.last_rate(between_them.pivot, wanted, day)
            from (
                select case wanted when currency then to_currency else currency end as pivot
                from stream.exchange_rates
                where wanted in (currency, to_currency)
            ) between_them
            where not exists (
                select from stream.exchange_rates
                where (currency, to_currency) in ((given, wanted), (wanted, given))
            )
                and exists (
                    select from stream.exchange_rates
                    where (currency, to_currency)
                        in ((given, between_them.pivot), (between_them.pivot, given))
                )
            order by between_them.pivot
            limit 1
        )
    );
comment on function stream.rate(text, text, date) is
    'the same by way of a third currency (the first in the alphabet) where the two have no rate';

-- apart, so that it is inlined: most amounts are in the currency that is wanted
create function stream.in_currency(amount numeric, given text, wanted text, day date)
returns numeric
    language sql stable parallel safe
    return case
        when given = wanted then amount
        when wanted is not null then amount * stream.rate(given, wanted, day)
    end;
comment on function stream.in_currency(numeric, text, text, date) is
    'an amount in another currency, by the rate of its day; null where there was none yet';
create index exchange_rates_by_pair on stream.exchange_rates (currency, to_currency, date);

create function stream.margin(sold text, day date) returns double precision
    language sql stable parallel safe
    return (
        select margin
        from stream.products
        where (product = sold or product is null) and date <= day and margin is not null
        order by product is null, date desc, received_at desc, kafka_offset desc
        limit 1
    );
comment on function stream.margin(text, date) is
    'share of IACV that is left of a product, as of a day; null where nobody said';

create function stream.retention_years(sold text, day date) returns double precision
    language sql stable parallel safe
    return (
        select retention_years
        from stream.products
        where (product = sold or product is null) and date <= day and retention_years is not null
        order by product is null, date desc, received_at desc, kafka_offset desc
        limit 1
    );
comment on function stream.retention_years(text, date) is
    'how long a product is kept, as of a day; null where nobody said';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop function stream.retention_years(text, date);
drop function stream.margin(text, date);
drop index stream.exchange_rates_by_pair;
drop function stream.in_currency(numeric, text, text, date);
drop function stream.rate(text, text, date);
drop function stream.last_rate(text, text, date);
drop function stream.period_start(text, date, integer, integer);
""")
