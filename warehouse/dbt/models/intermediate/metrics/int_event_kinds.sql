-- one row per kind of event that a metric may need, as `type` or `type:kind`: is there any?
{%- set kinds = {
    'revenue': ('stg_revenue', none),
    'revenue:new': ('stg_revenue', "kind = 'new'"),
    'revenue:renewed': ('stg_revenue', "kind in ('renewal', 'churn')"),
    'revenue:tcv': ('stg_revenue', 'tcv is not null'),
    'revenue:product': ('stg_revenue', 'product is not null'),
    'opportunity': ('stg_opportunities', none),
    'opportunity:closed': ('stg_opportunities', "outcome in ('won', 'lost')"),
    'opportunity:won': ('stg_opportunities', "outcome = 'won'"),
    'opportunity:amount': ('stg_opportunities', 'amount is not null'),
    'target:iacv': ('stg_targets', "metric = 'iacv'"),
    'spend': ('stg_spend', none),
    'touch:lead': ('int_touches', 'lead_id is not null'),
    'touch:visit': ('int_touch_subjects', "touch_type in ('visit', 'page_view')"),
    'touch:download': ('int_touch_subjects', "touch_type = 'download'"),
    'touch:share': ('int_touch_subjects', "touch_type = 'share'"),
    'lead_status': ('stg_lead_statuses', none),
    'lead_status:mql': ('stg_lead_statuses', "status = 'mql'"),
    'lead_status:sql': ('stg_lead_statuses', "status = 'sql'"),
    'invoice': ('stg_invoices', none),
    'payment': ('stg_payments', none),
    'ledger_entry:revenue': ('stg_ledger', "entry = 'revenue'"),
    'ledger_entry:sales_expense': ('stg_ledger', "entry = 'sales_expense'"),
    'ledger_entry:marketing_expense': ('stg_ledger', "entry = 'marketing_expense'"),
    'ledger_entry:other_expense': ('stg_ledger', "entry = 'other_expense'"),
    'ledger_entry:cash_balance': ('stg_ledger', "entry = 'cash_balance'"),
    'application:applied': ('stg_applications', "step = 'applied'"),
    'application:interviewed': ('stg_applications', "step = 'interviewed'"),
    'application:scored': ('stg_applications', "step = 'scored'"),
    'application:accepted': ('stg_applications', "step = 'accepted'"),
    'application:declined': ('stg_applications', "step = 'declined'"),
    'application:hired': ('stg_applications', "step = 'hired'"),
    'survey:employee': ('stg_surveys', "audience = 'employee'"),
    'survey:declined_applicant': ('stg_surveys', "audience = 'declined_applicant'"),
    'employee:improvement_plan': ('stg_employees', "status = 'improvement_plan'"),
    'employee:terminated': ('stg_employees', "status = 'terminated'"),
    'merge_request:opened': ('stg_merge_requests', "state = 'opened'"),
    'merge_request:reviewed': ('stg_merge_requests', "state = 'reviewed'"),
    'merge_request:merged': ('stg_merge_requests', "state = 'merged'"),
    'merge_request:picked': ('stg_merge_requests', "state = 'picked'"),
    'usage': ('stg_usage', none),
    'experiment': ('stg_experiments', none),
} %}

{%- for kind, (model, condition) in kinds.items() %}
select
    '{{ kind }}' as event_kind,
    exists (
        select 1 from {{ ref(model) }}
        {%- if condition %} where {{ condition }}{% endif %}
    ) as is_there
{{ 'union all' if not loop.last }}
{%- endfor %}
