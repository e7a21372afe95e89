-- one row per revenue event, with what the account was worth before, and had bought last
with revenue as (
    select * from {{ ref('stg_revenue') }}
),

converted as (
    select
        revenue.event_id,
        revenue.account_id,
        revenue.occurred_at,
        revenue.occurred_on,
        revenue.day_only,
        revenue.kind,
        revenue.product,
        {{ amount(reporting_amount('revenue.iacv')) }} as iacv,
        {{ amount(reporting_amount('revenue.tcv')) }} as tcv,
        {{ reporting_currency('revenue.currency') }} as currency
    from revenue
    {{ rate_join('revenue', 'occurred_on') }}
),

numbered as (
    select
        *,
        sum(iacv) over (
            partition by account_id, currency order by occurred_at, event_id
            rows between unbounded preceding and 1 preceding
        ) as iacv_before,
        -- counts up with each event that names a product, so that those after it share its number
        count(product) over (partition by account_id order by occurred_at, event_id) as products
    from converted
),

named as (
    select
        *,
        max(product) over (partition by account_id, products) as newest_product
    from numbered
),

final as (
    select
        event_id,
        account_id,
        occurred_at,
        occurred_on,
        day_only,
        kind,
        product,
        lag(newest_product) over (partition by account_id order by occurred_at, event_id)
            as previous_product,
        iacv,
        {{ amount('coalesce(iacv_before, 0)') }} as iacv_before,
        tcv,
        currency
    from named
)

select * from final
