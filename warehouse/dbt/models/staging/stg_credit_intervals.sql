-- one row per dimension, what it is by, period and currency: 90 % intervals of the Bayesian model
select
    dimension,
    channel,
    campaign_id,
    account_id,
    lead_id,
    collateral_id,
    period,
    period_start,
    currency,
    conversions_low,
    conversions_high,
    iacv_low,
    iacv_high,
    value_low,
    value_high,
    ltv_low,
    ltv_high
from {{ source('warehouse', 'credit_intervals') }}
