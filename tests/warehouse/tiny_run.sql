-- A run on the three accounts, of four draws; run-0 is older, run-9 failed.
insert into attribution.runs
    (run_id, status, started_at, finished_at, published_at, data_until, settings)
values
    ('run-0', 'published', '2026-12-01Z', '2026-12-01Z', '2026-12-01Z', '2026-12-01Z', '{}'),
    ('run-1', 'published', '2027-01-11Z', '2027-01-11Z', '2027-01-11Z', '2027-01-11Z',
     '{"lookback_days": 90}'),
    ('run-9', 'failed', '2027-01-12Z', '2027-01-12Z', null, '2027-01-12Z', '{}');
insert into attribution.conversions
    (run_id, conversion_id, account_id, occurred_at, day_only, kind, iacv, currency)
select 'run-1', event_id, account_id, occurred_at, day_only, kind, iacv, currency
from stream.revenue
where iacv > 0;
insert into attribution.credit
    (run_id, model, conversion_id, touch_id, channel, campaign_id, touched_at, share)
values
    ('run-0', 'bayesian', 'r1', 't1', 'email', 'welcome', '2026-01-01Z', 1),
    ('run-1', 'bayesian', 'r1', 't1', 'email', 'welcome', '2026-01-01Z', 0.25),
    ('run-1', 'bayesian', 'r1', 't2', 'ads', 'spring', '2026-01-06Z', 0.5),
    ('run-1', 'bayesian', 'r1', null, '(baseline)', '(baseline)', null, 0.25),
    ('run-1', 'bayesian', 'r2', 't3', 'ads', '(none)', '2026-01-10Z', 0.5),
    ('run-1', 'bayesian', 'r2', 't4', 'email', 'welcome', '2026-02-01Z', 0.25),
    ('run-1', 'bayesian', 'r2', null, '(baseline)', '(baseline)', null, 0.25),
    ('run-1', 'bayesian', 'r3', 't2', 'ads', 'spring', '2026-01-06Z', 0.5),
    ('run-1', 'bayesian', 'r3', null, '(baseline)', '(baseline)', null, 0.5),
    ('run-1', 'linear', 'r1', 't1', 'email', 'welcome', '2026-01-01Z', 0.5),
    ('run-1', 'linear', 'r1', 't2', 'ads', 'spring', '2026-01-06Z', 0.5),
    ('run-1', 'linear', 'r2', 't3', 'ads', '(none)', '2026-01-10Z', 0.5),
    ('run-1', 'linear', 'r2', 't4', 'email', 'welcome', '2026-02-01Z', 0.5),
    ('run-1', 'linear', 'r3', 't2', 'ads', 'spring', '2026-01-06Z', 1);
insert into attribution.credit_draws (run_id, conversion_id, channel, campaign_id, shares) values
    ('run-1', 'r1', 'email', 'welcome', '{0.2, 0.3, 0.2, 0.3}'),
    ('run-1', 'r1', 'ads', 'spring', '{0.4, 0.6, 0.4, 0.6}'),
    ('run-1', 'r1', '(baseline)', '(baseline)', '{0.4, 0.1, 0.4, 0.1}'),
    ('run-1', 'r2', 'ads', '(none)', '{0.6, 0.4, 0.6, 0.4}'),
    ('run-1', 'r2', 'email', 'welcome', '{0.25, 0.25, 0.25, 0.25}'),
    ('run-1', 'r2', '(baseline)', '(baseline)', '{0.15, 0.35, 0.15, 0.35}'),
    ('run-1', 'r3', 'ads', 'spring', '{0.5, 0.5, 0.5, 0.5}'),
    ('run-1', 'r3', '(baseline)', '(baseline)', '{0.5, 0.5, 0.5, 0.5}');
insert into attribution.incremental_draws (run_id, touched_on, channel, campaign_id, conversions)
values
    ('run-1', '2026-01-01', 'email', 'welcome', '{1, 1, 2, 2}'),
    ('run-1', '2026-01-06', 'ads', 'spring', '{2, 2, 2, 2}'),
    ('run-1', '2026-01-10', 'ads', '(none)', '{1, 3, 1, 3}');
insert into attribution.lead_credit
    (run_id, model, lead_id, became_lead_at, channel, campaign_id, share)
values
    ('run-1', 'bayesian', 'L1', '2026-01-01Z', 'email', 'welcome', 1),
    ('run-1', 'bayesian', 'L2', '2026-01-10Z', 'ads', '(none)', 0.8),
    ('run-1', 'bayesian', 'L2', '2026-01-10Z', '(baseline)', '(baseline)', 0.2),
    ('run-1', 'linear', 'L1', '2026-01-01Z', 'email', 'welcome', 1),
    ('run-1', 'linear', 'L2', '2026-01-10Z', 'ads', '(none)', 1);
insert into attribution.credit_totals
select run_id, model, 'channel', channel, '', 'USD', sum(share), 0, 9, 0, 0, 0
from attribution.credit
where run_id = 'run-1'
group by 1, 2, 4;
