-- one row per account that became a customer: the day of its first new contract
select
    account_id,
    min(occurred_on) as became_on
from {{ ref('stg_revenue') }}
where kind = 'new'
group by account_id
