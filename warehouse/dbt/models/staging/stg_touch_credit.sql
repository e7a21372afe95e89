-- one row per conversion and touch that the published run's Bayesian model credits
select
    credit.conversion_id,
    credit.touch_id,
    credit.share
from {{ source('attribution', 'credit') }} as credit
inner join {{ source('attribution', 'published_run') }} as run using (run_id)
where credit.model = 'bayesian' and credit.touch_id is not null
