-- name: run
-- The run whose credit is reported.
select run_id, published_at, data_until, settings, diagnostics
from attribution.runs
where run_id = (select run_id from attribution.published_run)

-- name: currencies
-- Currencies of all amounts that a report would add up.
select currency from stream.revenue
where (occurred_at at time zone 'UTC')::date between %(first_day)s and %(last_day)s and iacv <> 0
union
select currency from stream.spend
where date between %(first_day)s and %(last_day)s and amount <> 0
    and %(by)s not in ('account', 'lead', 'collateral')
order by currency

-- name: touches
-- Touches and distinct leads of each group; who is known as a lead now counts as one ever since.
with leads as (
    {leads}
),
touched as (
    select
        case %(by)s
            when 'account' then t.account_id
            when 'lead' then coalesce(t.lead_id, l.lead_id, '(unknown)')
            when 'collateral' then coalesce(t.collateral_id, '(none)')
            else t.channel
        end as key,
        case when %(by)s in ('campaign', 'creative') then t.campaign_id else '' end as campaign_id,
        case %(by)s when 'creative' then coalesce(t.creative_id, '(none)') else '' end as item,
        (t.occurred_at at time zone 'UTC')::date as day,
        coalesce(t.lead_id, l.lead_id) as lead_id
    from stream.resolved_touches t
    left join leads l using (person_id)
)
select
    key,
    campaign_id,
    stream.period_start(%(period)s, day, %(week_start)s, %(fiscal_year_start)s) as start,
    item,
    count(*),
    count(distinct lead_id)
from touched
where day between %(first_day)s and %(last_day)s and key is not null
group by 1, 2, 3, 4

-- name: leads
-- Which lead each person is, the first of several.
select person_id, min(lead_id) as lead_id
from stream.known_leads
group by person_id

-- name: spend
-- What was spent on each group; none without a record.
select
    channel as key,
    case when %(by)s in ('campaign', 'creative') then campaign_id else '' end,
    stream.period_start(%(period)s, date, %(week_start)s, %(fiscal_year_start)s) as start,
    case %(by)s when 'creative' then coalesce(creative_id, '(none)') else '' end,
    sum(stream.in_currency(amount, currency, %(currency)s, date))::float8 as spend
from stream.spend
where date between %(first_day)s and %(last_day)s
    and %(by)s not in ('account', 'lead', 'collateral')
group by 1, 2, 3, 4
having sum(stream.in_currency(amount, currency, %(currency)s, date)) is not null

-- name: attributed_leads
-- Leads won, by share of credit; those of the baseline have the key "(baseline)".
with credited as (
    select
        case
            when c.channel = '(baseline)' or %(by)s not in ('account', 'lead') then c.channel
            when %(by)s = 'lead' then c.lead_id
            else a.account_id
        end as key,
        case %(by)s when 'campaign' then c.campaign_id else '' end as campaign_id,
        (c.became_lead_at at time zone 'UTC')::date as day,
        c.share
    from attribution.lead_credit c
    left join stream.known_leads l on %(by)s = 'account' and l.lead_id = c.lead_id
    left join stream.identifier_accounts a using (identifier_id)
    where c.run_id = %(run_id)s and c.model = %(model)s
        and %(by)s not in ('creative', 'collateral')
)
select
    key,
    case when key = '(baseline)' then '' else campaign_id end,
    stream.period_start(%(period)s, day, %(week_start)s, %(fiscal_year_start)s) as start,
    '',
    sum(share)
from credited
where day between %(first_day)s and %(last_day)s and key is not null
group by 1, 2, 3

-- name: credited_models
-- The models that the run gave credit by.
select distinct model from attribution.credit_totals where run_id = %(run_id)s

-- name: has_credit
-- Whether the run gave credit by the model; one without any conversion had none to give.
select exists (
    select from attribution.credit where run_id = %(run_id)s and model = %(model)s
) or not exists (select from attribution.conversions where run_id = %(run_id)s)

-- name: has_lead_credit
-- Whether the run says which leads the model credits to whom; to what touches carried, none does.
select %(by)s not in ('creative', 'collateral') and exists (
    select from attribution.lead_credit where run_id = %(run_id)s and model = %(model)s
)

-- name: totals
-- Conversions of the run, their IACV, and all IACV there is, by period.
with amounts as (
    select occurred_at, currency, 1 as conversions, iacv as explained, 0 as iacv
    from attribution.conversions
    where run_id = %(run_id)s
    union all
    select occurred_at, currency, 0, 0, iacv
    from stream.revenue
),
dated as (
    select *, (occurred_at at time zone 'UTC')::date as day from amounts
)
select
    stream.period_start(%(period)s, day, %(week_start)s, %(fiscal_year_start)s) as start,
    sum(conversions),
    coalesce(sum(stream.in_currency(explained, currency, %(currency)s, day)), 0)::float8,
    coalesce(sum(stream.in_currency(iacv, currency, %(currency)s, day)), 0)::float8
from dated
where day between %(first_day)s and %(last_day)s
    and stream.in_currency(1, currency, %(currency)s, day) is not null
group by 1

-- name: waiting
-- Revenue with IACV that the run does not explain, such as what came after it, and conversions
-- that came after it and are credited all the same.
select
    (
        select count(*)
        from stream.revenue r
        where r.iacv > 0
            and not exists (
                select from attribution.conversions c
                where c.run_id = %(run_id)s and c.conversion_id = r.event_id
            )
    ),
    (select count(*) from attribution.conversions where run_id = %(run_id)s and provisional)

-- name: credit
-- Conversions and IACV credited to each group by a model's mean shares, with the credit-weighted
-- median of the days from touch to conversion and the IACV credited within it; and what is left of
-- that IACV each year, of products that are known to be kept for so long, times that, and of others.
with conversions as (
    {conversions}
),
leads as (
    {leads}
),
credited as (
    select
        case %(by)s
            when 'account' then v.account_id
            when 'lead' then coalesce(t.lead_id, l.lead_id, '(unknown)')
            when 'collateral' then coalesce(t.collateral_id, '(none)')
            else c.channel
        end as key,
        case when %(by)s in ('campaign', 'creative') then c.campaign_id else '' end as campaign_id,
        case %(by)s when 'creative' then coalesce(t.creative_id, '(none)') else '' end as item,
        v.day,
        -- a conversion of which only the day is known is that many whole days after the touch
        greatest(
            0,
            case
                when v.day_only
                    then v.day - (c.touched_at at time zone 'UTC')::date
                else extract(epoch from v.occurred_at - c.touched_at) / 86400
            end
        )::float8 as age_days,
        c.share,
        c.share * v.iacv as iacv,
        c.share * v.kept as kept,
        c.share * v.earned as earned
    from {credit} c
    join conversions v using (conversion_id)
    left join stream.resolved_touches t
        on %(by)s in ('creative', 'collateral', 'lead') and t.event_id = c.touch_id
    left join leads l on %(by)s = 'lead' and l.person_id = t.person_id
    where c.run_id = %(run_id)s and c.model = %(model)s and c.channel <> '(baseline)'
        and c.share > 0
),
dated as (
    select
        key,
        campaign_id,
        stream.period_start(%(period)s, day, %(week_start)s, %(fiscal_year_start)s) as start,
        item,
        age_days,
        sum(share) as share,
        sum(iacv) as iacv,
        sum(coalesce(kept, 'NaN')) as kept,
        sum(coalesce(earned, 'NaN')) as earned
    from credited
    where day between %(first_day)s and %(last_day)s
    group by 1, 2, 3, 4, 5
),
ranked as (
    select
        *,
        sum(share) over (same_group order by age_days) as share_so_far,
        sum(share) over same_group / 2 as half
    from dated
    window same_group as (partition by key, campaign_id, start, item)
),
-- where exactly half the credit lies on each side, the middle of the two, as in any median
centred as (
    select
        *,
        (
            min(age_days) filter (where share_so_far >= half * (1 - 1e-9)) over same_group
            + min(age_days) filter (where share_so_far > half * (1 + 1e-9)) over same_group
        ) / 2 as median_days
    from ranked
    window same_group as (partition by key, campaign_id, start, item)
)
select
    key,
    campaign_id,
    start,
    item,
    sum(share),
    sum(iacv),
    median_days,
    sum(iacv) filter (where age_days <= median_days),
    sum(kept),
    sum(earned)
from centred
group by key, campaign_id, start, item, median_days

-- name: conversions
-- Conversions of the run in the currency that is asked for, and what is left of them each year: where
-- it is known how long their product is kept, times that (kept), else as it is (earned). Of one whose
-- margin is not known both are null.
select
    conversion_id,
    account_id,
    occurred_at,
    day_only,
    day,
    iacv,
    margin * iacv * coalesce(retention_years, 0) as kept,
    margin * iacv * (retention_years is null)::integer as earned
from (
    select
        v.conversion_id,
        v.account_id,
        v.occurred_at,
        v.day_only,
        d.day,
        stream.in_currency(v.iacv, v.currency, %(currency)s, d.day)::float8 as iacv,
        coalesce(stream.margin(r.product, d.day), %(margin)s::float8) as margin,
        stream.retention_years(r.product, d.day) as retention_years
    from attribution.conversions v
    cross join lateral (select (v.occurred_at at time zone 'UTC')::date as day) d
    left join stream.revenue r on r.event_id = v.conversion_id
    where v.run_id = %(run_id)s
) valued
where iacv is not null

-- name: credit_draws
-- Draws of the share of each conversion, in PostgreSQL's binary form of an array.
with conversions as (
    {conversions}
)
select
    case %(by)s when 'account' then v.account_id else c.channel end as key,
    case %(by)s when 'campaign' then c.campaign_id else '' end as campaign_id,
    stream.period_start(%(period)s, v.day, %(week_start)s, %(fiscal_year_start)s) as start,
    '',
    v.iacv,
    v.kept,
    v.earned,
    1.0::float8,
    array_send(c.shares)
from attribution.credit_draws c
join conversions v using (conversion_id)
where c.run_id = %(run_id)s and c.channel <> '(baseline)'
    and v.day between %(first_day)s and %(last_day)s

-- name: without_rate
-- Amounts that can't be told in the currency that is asked for, by theirs, and the last such day.
select currency, count(*), max(day)
from (
    select currency, (occurred_at at time zone 'UTC')::date as day
    from stream.revenue
    where iacv <> 0
    union all
    select currency, date
    from stream.spend
    where amount <> 0 and %(by)s not in ('account', 'lead', 'collateral')
) amounts
where day between %(first_day)s and %(last_day)s
    and stream.in_currency(1, currency, %(currency)s, day) is null
group by currency
order by currency

-- name: retention
-- Customers lost, and the years of whole terms in which they could be.
select coalesce(sum(lost), 0)::float8, coalesce(sum(term_years), 0)::float8
from stream.customer_years(%(data_until)s::timestamptz)

-- name: account_names
-- The newest name of each account that was given one.
select distinct on (account_id) account_id, name
from stream.accounts
where name is not null
order by account_id, occurred_at desc, event_id desc

-- name: make_credit_rows
-- A place for credit that was worked out for this report alone.
create temporary table report_credit (like attribution.credit) on commit drop

-- name: copy_credit_rows
-- Its rows, as CSV.
copy report_credit (run_id, model, conversion_id, touch_id, channel, campaign_id, touched_at, share)
from stdin with (format csv)
