-- one row per model that the run gave credit by
select distinct totals.model
from {{ source('attribution', 'credit_totals') }} as totals
inner join {{ ref('stg_transform') }} as transform using (run_id)
