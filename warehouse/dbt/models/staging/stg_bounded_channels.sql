-- one row per channel whose Bayesian credit is an upper bound
select channel
from {{ source('warehouse', 'bounded_channels') }}
