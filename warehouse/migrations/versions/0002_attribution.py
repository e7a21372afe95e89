"""Runs of the model, the conversions they explain, and the credit they give.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UPGRADE = """
create schema attribution;

create table attribution.runs (
    run_id        text primary key,
    status        text not null check (status in ('running', 'published', 'failed')),
    started_at    timestamptz not null,
    finished_at   timestamptz,
    data_until    timestamptz,
    settings      jsonb not null,
    data          jsonb,
    diagnostics   jsonb,
    timings       jsonb,
    artifact      text,
    error         text
);
comment on table attribution.runs is 'one row per fit, whether it was published or failed';

create table attribution.conversions (
    run_id        text not null references attribution.runs on delete cascade,
    conversion_id text not null,
    account_id    text not null,
    occurred_at   timestamptz not null,
    day_only      boolean not null,
    kind          text not null,
    iacv          numeric not null,
    currency      text not null,
    primary key (run_id, conversion_id)
);
comment on table attribution.conversions is
    'one row per run and revenue event with IACV above zero: what credit is given for';

create table attribution.credit (
    run_id        text not null references attribution.runs on delete cascade,
    model         text not null,
    conversion_id text not null,
    touch_id      text,
    channel       text not null,
    campaign_id   text not null,
    touched_at    timestamptz,
    share         double precision not null
);
comment on table attribution.credit is
    'one row per run, model, conversion and credited touch, or baseline (touch_id null, channel '
    'and campaign_id "(baseline)"); shares of a conversion sum to one in each model';
create index credit_by_conversion on attribution.credit (run_id, model, conversion_id);

create table attribution.credit_draws (
    run_id        text not null references attribution.runs on delete cascade,
    conversion_id text not null,
    channel       text not null,
    campaign_id   text not null,
    shares        real[] not null,
    primary key (run_id, conversion_id, channel, campaign_id)
);
comment on table attribution.credit_draws is
    'posterior draws of the Bayesian share of a conversion that goes to a campaign or to '
    '"(baseline)"; the n-th draw is the same draw in every row, so sums have honest intervals';

create table attribution.incremental_draws (
    run_id        text not null references attribution.runs on delete cascade,
    touched_on    date not null,
    channel       text not null,
    campaign_id   text not null,
    conversions   real[] not null,
    primary key (run_id, touched_on, channel, campaign_id)
);
comment on table attribution.incremental_draws is
    'posterior draws of the conversions that a day''s touches of a campaign add in expectation, '
    'from the touch to the end of the data';

create table attribution.lead_credit (
    run_id        text not null references attribution.runs on delete cascade,
    model         text not null,
    lead_id       text not null,
    became_lead_at timestamptz not null,
    channel       text not null,
    campaign_id   text not null,
    share         double precision not null,
    primary key (run_id, model, lead_id, channel, campaign_id)
);
comment on table attribution.lead_credit is
    'share of a lead that goes to a campaign, by its touches up to the first event that names it';

create table attribution.credit_summary (
    run_id        text not null references attribution.runs on delete cascade,
    model         text not null,
    dimension     text not null check (dimension in ('channel', 'campaign')),
    channel       text not null,
    campaign_id   text not null,
    period        text not null check (period in ('day', 'week', 'month', 'quarter', 'all')),
    period_start  date,
    currency      text not null,
    conversions_mean double precision not null,
    conversions_low  double precision not null,
    conversions_high double precision not null,
    iacv_mean     double precision not null,
    iacv_low      double precision not null,
    iacv_high     double precision not null
);
comment on table attribution.credit_summary is
    'credited conversions and IACV by campaign or channel and period of the conversion, with 90 % '
    'intervals; campaign_id is "" for a channel, period_start null for all time';
create unique index credit_summary_key on attribution.credit_summary
    (run_id, model, dimension, channel, campaign_id, period, period_start, currency)
    nulls not distinct;

create view attribution.published_run as
select * from attribution.runs
where status = 'published'
order by finished_at desc, run_id desc
limit 1;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop schema attribution cascade")
