-- one row per metric, period and currency: how long cash lasts, and what growth costs
with calendar as (
    select
        *,
        -- the last month that is over by then
        ({{ period_start('month', '(as_of_on + 1)') }} - interval '1 month')::date as last_month
    from {{ ref('int_calendar') }}
),

months as (
    select * from {{ ref('int_ledger_months') }}
),

cash as (
    select * from {{ ref('int_metric_balances') }}
    where metric = 'cash_balance'
),

rolling as (
    select
        currency,
        month,
        count(*) over so_far as months,
        sum(expense - revenue) over last_3 / 3 as burn,
        sum(revenue) over last_12 as revenue,
        sum(expense) over last_12 as expense,
        sum(revenue) over before_12 as revenue_before
    from months
    window
        so_far as (partition by currency order by month),
        last_3 as (partition by currency order by month rows between 2 preceding and current row),
        last_12 as (partition by currency order by month rows between 11 preceding and current row),
        before_12 as (
            partition by currency order by month rows between 23 preceding and 12 preceding
        )
),

quarters as (
    select
        calendar.period_start,
        months.currency,
        sum(months.revenue) as revenue,
        sum(months.sales_and_marketing) as sales_and_marketing
    from calendar
    inner join months
        on months.month >= calendar.period_start
        and months.month <= calendar.ends_on
    where calendar.period = 'quarter' and calendar.as_of_on = calendar.ends_on
    group by 1, 2
    having count(*) = 3
),

beside_the_last as (
    select
        period_start,
        currency,
        (revenue - lag(revenue) over series) * 4 as annual_growth,
        lag(sales_and_marketing) over series as cost_before
    from quarters
    window series as (partition by currency order by period_start)
),

final as (
    select
        'runway_months' as metric,
        '' as breakdown,
        cash.period,
        cash.period_start,
        cash.currency,
        case when rolling.burn > 0 then cash.numerator / rolling.burn::double precision end
            as value,
        cash.numerator,
        rolling.burn::double precision as denominator
    from cash
    inner join calendar using (period, period_start)
    inner join rolling
        on rolling.currency = cash.currency
        and rolling.month = calendar.last_month
    where rolling.months >= 3
    union all
    select
        'rule_of_40',
        '',
        calendar.period,
        calendar.period_start,
        rolling.currency,
        (
            rolling.revenue / nullif(rolling.revenue_before, 0) - 1
            + (rolling.revenue - rolling.expense) / nullif(rolling.revenue, 0)
        )::double precision,
        null,
        null
    from calendar
    inner join rolling on rolling.month = calendar.last_month
    where rolling.months >= 24
    union all
    select
        'magic_number',
        '',
        'quarter',
        period_start,
        currency,
        annual_growth::double precision / nullif(cost_before, 0),
        annual_growth::double precision,
        cost_before::double precision
    from beside_the_last
    where cost_before is not null
)

select * from final
