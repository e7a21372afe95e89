-- the IACV of a model's rows in a period is all the IACV there is in it
{{ iacv_adds_up(ref('campaign_performance'), large=true) }}
