-- one row per variant of an A/B test and day: what it had come to, as told last
select distinct on (experiment_id, variant, date)
    experiment_id,
    variant,
    date as occurred_on,
    is_control,
    subjects,
    successes
from {{ source('stream', 'experiments') }}
order by experiment_id, variant, date, received_at desc, kafka_offset desc
