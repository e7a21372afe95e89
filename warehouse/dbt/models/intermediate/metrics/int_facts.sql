-- one row per fact that a metric is made of: a deal won, a day of spend, a lead's first status
with {{ available_facts([
    'int_revenue_facts', 'int_deal_facts', 'int_marketing_facts', 'int_finance_facts',
    'int_people_facts', 'int_engineering_facts', 'int_product_facts',
]) }}

select * from available_facts
