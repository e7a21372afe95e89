-- one row per currency and month between the first and the last that something is booked in
with entries as (
    select
        *,
        {{ period_start('month', 'occurred_on') }} as month
    from {{ ref('int_ledger') }}
    where entry <> 'cash_balance'
),

months as (
    select period_start as month from {{ ref('int_calendar') }}
    where
        period = 'month'
        and period_start >= (select min(month) from entries)
        and period_start <= (select max(month) from entries)
),

sums as (
    select
        currency,
        month,
        sum(case when entry = 'revenue' then amount else 0 end) as revenue,
        sum(case when entry <> 'revenue' then amount else 0 end) as expense,
        sum(case when entry in ('sales_expense', 'marketing_expense') then amount else 0 end)
            as sales_and_marketing
    from entries
    group by 1, 2
),

final as (
    select
        currencies.currency,
        months.month,
        {{ amount('coalesce(sums.revenue, 0)') }} as revenue,
        {{ amount('coalesce(sums.expense, 0)') }} as expense,
        {{ amount('coalesce(sums.sales_and_marketing, 0)') }} as sales_and_marketing
    from months
    cross join (select distinct currency from entries) as currencies
    left join sums using (currency, month)
)

select * from final
