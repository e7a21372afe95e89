-- one row per currency and span of days: what a unit of it is worth in the reporting currency
with rates as (
    select * from {{ ref('stg_exchange_rates') }}
),

both_ways as (
    select currency, to_currency, valid_from, rate, 1 as preference from rates
    union all
    select to_currency, currency, valid_from, 1 / rate, 2 from rates
),

-- a rate that was given stands before one that is turned around
pairs as (
    select distinct on (currency, to_currency, valid_from)
        currency,
        to_currency,
        valid_from,
        rate
    from both_ways
    order by currency, to_currency, valid_from, preference
),

spans as (
    select
        currency,
        to_currency,
        rate,
        valid_from,
        coalesce(
            lead(valid_from) over (partition by currency, to_currency order by valid_from),
            'infinity'::date
        ) as valid_until
    from pairs
),

direct as (
    select * from spans
    where to_currency = '{{ var("reporting_currency") }}'
),

-- by way of the first currency in the alphabet that has rates with both
through as (
    select
        spans.currency,
        min(spans.to_currency) as pivot
    from spans
    inner join direct on direct.currency = spans.to_currency
    where
        spans.currency <> '{{ var("reporting_currency") }}'
        and spans.currency not in (select currency from direct)
    group by spans.currency
),

crossed as (
    select
        spans.currency,
        direct.to_currency,
        spans.rate * direct.rate as rate,
        greatest(spans.valid_from, direct.valid_from) as valid_from,
        least(spans.valid_until, direct.valid_until) as valid_until
    from through
    inner join spans on spans.currency = through.currency and spans.to_currency = through.pivot
    inner join direct on direct.currency = through.pivot
    where
        spans.valid_from < direct.valid_until
        and direct.valid_from < spans.valid_until
),

final as (
    select currency, to_currency, rate, valid_from, valid_until from direct
    union all
    select currency, to_currency, rate, valid_from, valid_until from crossed
)

select * from final
