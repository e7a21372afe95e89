-- one row per day, feature, account and person (null: not known)
select
    occurred_on,
    feature,
    account_id,
    person_id,
    sum(times) as times
from {{ ref('stg_usage') }}
group by 1, 2, 3, 4
