"""How long customers stayed, in one place, and how much of that they could be lost in.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

UPGRADE = """
create function stream.customer_years(data_until timestamptz)
returns table (account_id text, lost bigint, term_years double precision, years double precision)
language sql stable as $$
    with counted as (
        select
            r.*,
            count(*) filter (where r.kind = 'churn') over (
                partition by r.account_id order by r.occurred_at, r.event_id
                rows between unbounded preceding and 1 preceding
            ) as times_lost
        from (
            select account_id, event_id, occurred_at, kind, term_months
            from stream.revenue
            where occurred_at <= data_until
        ) r
    ),
    spells as (
        select
            c.account_id,
            min(c.occurred_at) filter (where c.kind <> 'churn') as since,
            max(c.occurred_at) filter (where c.kind = 'churn') as lost_at,
            (
                array_agg(c.term_months order by c.occurred_at desc, c.event_id desc)
                filter (where c.term_months is not null)
            )[1] as term_months
        from counted c
        group by c.account_id, c.times_lost
    ),
    stays as (
        select
            s.account_id,
            s.lost_at is not null as is_lost,
            extract(epoch from coalesce(s.lost_at, data_until) - s.since)::float8 / 86400 as days,
            extract(epoch from data_until - s.since)::float8 / 86400 as days_known,
            coalesce(s.term_months, 12) * 365.25::float8 / 12 as term_days
        from spells s
        where s.since is not null
    ),
    terms as (
        select
            s.*,
            least(30, s.term_days / 2) as late_days,
            s.term_days * greatest(
                0, floor((s.days_known - least(30, s.term_days / 2)) / s.term_days)
            ) as whole_days
        from stays s
    )
    select
        t.account_id,
        count(*) filter (
            where t.is_lost and t.whole_days > 0 and t.days <= t.whole_days + t.late_days
        ),
        sum(greatest(0, least(t.days, t.whole_days))) / 365.25,
        sum(greatest(0, t.days)) / 365.25
    from terms t
    group by t.account_id
$$;
comment on function stream.customer_years(timestamptz) is
    'years of being a customer, by account: from the first revenue that is no loss to the churn or '
    'to the end of the data; who comes back is a customer anew. lost and term_years are of whole '
    'terms alone, those whose end the data has seen, and thirty days (half of a shorter term) in '
    'which a loss may still be told: nobody can be lost in a term that runs. A term that is not '
    'told is a year';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop function stream.customer_years(timestamptz)")
