{# Fails where an interval is upside down, or known in part only. Of a table that is brought up to date,
   only what was made anew is looked at: see `made_anew` for what it is `of`. #}
{% test low_mean_high(model, figures, of=none) %}
select *
from {{ model }}
where
    (
        {%- for figure in figures %}
        {{ 'or ' if not loop.first }}{{ figure }}_low > {{ figure }}_high
        or ({{ figure }}_low is null) <> ({{ figure }}_mean is null)
        or ({{ figure }}_high is null) <> ({{ figure }}_mean is null)
        {%- endfor %}
    )
    {%- if of and not flags.FULL_REFRESH %}
    and {{ made_anew(of) }}
    {%- endif %}
{% endtest %}
