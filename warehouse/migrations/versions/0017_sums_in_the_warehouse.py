"""What the warehouse sums up itself: credit by whatever it is asked by, in one currency.

Runs published sums by every period besides their credit; those are made here now, from the same
draws, where what a conversion comes to in years is known too. Of a run stay its sums in all.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UPGRADE = """
create table attribution.credit_totals (
    run_id        text not null references attribution.runs on delete cascade,
    model         text not null,
    dimension     text not null check (dimension in ('channel', 'campaign')),
    channel       text not null,
    campaign_id   text not null,
    currency      text not null,
    conversions_mean double precision not null,
    conversions_low  double precision not null,
    conversions_high double precision not null,
    iacv_mean     double precision not null,
    iacv_low      double precision not null,
    iacv_high     double precision not null,
    primary key (run_id, model, dimension, channel, campaign_id, currency)
);
comment on table attribution.credit_totals is
    'credited conversions and IACV of a run in all, by campaign or channel (campaign_id ""), with '
    '90 % intervals; what is credited as it is won comes in with the next restatement';
insert into attribution.credit_totals
select run_id, model, dimension, channel, campaign_id, currency,
    conversions_mean, conversions_low, conversions_high, iacv_mean, iacv_low, iacv_high
from attribution.credit_summary
where period = 'all';
drop table attribution.credit_summary;
alter table attribution.conversions drop column in_sums;

create schema warehouse;

create view stream.stored_touches with (security_barrier) as
select event_id, occurred_at, identifier_id, stored_in from stream.touches;
comment on view stream.stored_touches is
    'one row per touch: when it was stored and under which identifier, nothing else of anyone';

create table warehouse.transforms (
    is_only        boolean primary key default true check (is_only),
    began_at       timestamptz not null,
    as_of          date not null,
    run_id         text,
    retention_years double precision,
    retention_low  double precision,
    retention_high double precision,
    seen           pg_snapshot not null,
    made_of        jsonb not null,
    credited_by    text,
    is_built       boolean not null
);
comment on table warehouse.transforms is
    'one row: what the marts are made of. retention_years is estimated, of whole terms, with a '
    '90 % interval; null where nobody was lost in one yet. seen is what it saw of the stream, '
    'made_of what all figures depend on, credited_by the run and when it was restated last, '
    'is_built whether dbt has built all marts of it';

create table warehouse.identifiers (
    identifier_id uuid primary key,
    account_id    text,
    person_id     uuid,
    lead_id       text
);
comment on table warehouse.identifiers is
    'one row per identifier of a person: whose it was when the marts were made last';

create table warehouse.changed_touches (
    event_id      text primary key
);
create table warehouse.changed_periods (
    period        text not null,
    period_start  date not null,
    primary key (period, period_start)
);
comment on table warehouse.changed_touches is
    'one row per touch that is new, or another''s, since the marts were made last';
comment on table warehouse.changed_periods is
    'one row per period in which a figure may be another than when the marts were made last';

create table warehouse.conversions (
    conversion_id text primary key,
    account_id    text not null,
    occurred_at   timestamptz not null,
    day_only      boolean not null,
    occurred_on   date not null,
    iacv          numeric not null,
    currency      text not null,
    kept          double precision,
    earned        double precision,
    provisional   boolean not null
);
comment on table warehouse.conversions is
    'one row per conversion of the run that the marts are made of, in the reporting currency '
    'where it has a rate. What is left of its IACV each year is earned, and where it is known how '
    'long its product is kept, it is kept instead: times the years. Null where its margin is not '
    'known';

create table warehouse.bounded_channels (
    channel       text primary key
);
comment on table warehouse.bounded_channels is
    'one row per channel whose Bayesian credit is the most it can be: the placebo found that '
    'people who buy go there on their own';

create table warehouse.credit_intervals (
    dimension     text not null,
    channel       text not null,
    campaign_id   text not null,
    account_id    text not null,
    lead_id       text not null,
    collateral_id text not null,
    period        text not null,
    period_start  date not null,
    currency      text not null,
    conversions_low  double precision not null,
    conversions_high double precision not null,
    iacv_low      double precision not null,
    iacv_high     double precision not null,
    value_low     double precision,
    value_high    double precision,
    ltv_low       double precision,
    ltv_high      double precision,
    primary key (
        dimension, channel, campaign_id, account_id, lead_id, collateral_id, period, period_start,
        currency
    )
);
comment on table warehouse.credit_intervals is
    '90 % intervals of what the Bayesian model credits by dimension and period of the conversion, '
    'from sums of draws; value is what is left over the years of retention. What the dimension is '
    'not by is ""; all time starts at -infinity';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop schema warehouse cascade;
drop view stream.stored_touches;
drop table attribution.credit_totals;
alter table attribution.conversions add column in_sums boolean not null default true;
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
""")
