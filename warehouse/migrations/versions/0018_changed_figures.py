"""What changed by campaign as well as by period, and sums of draws that deals are added to.

A day's events touch a few campaigns of most periods and most campaigns of a few, so that a list of
periods makes nearly all figures anew. Who is who is worked out once for all marts: touches and
changes of status come as they are, under their identifiers.

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UPGRADE = """
-- it leaves out columns, not rows: a barrier would keep it from being read by its indexes
create or replace view stream.stored_touches with (security_barrier = false) as
select event_id, occurred_at, identifier_id, stored_in, received_at, day_only, channel, campaign_id,
    account_id, lead_id, touch_type, collateral_id
from stream.touches;
comment on view stream.stored_touches is
    'one row per touch as it came: when it was stored and under which identifier, and of whom it '
    'was nothing but what the account or the lead is called';

create view stream.stored_lead_statuses as
select event_id, occurred_at, identifier_id, account_id, lead_id, status from stream.lead_statuses;
comment on view stream.stored_lead_statuses is
    'one row per change of a lead''s status as it came';

alter table warehouse.identifiers add column own_lead_id text;
comment on table warehouse.identifiers is
    'one row per identifier of a person: whose it was when the marts were made last. lead_id is '
    'that of the person, the first of several, own_lead_id what a lead''s identifier itself is';

drop table warehouse.changed_periods;
create table warehouse.changed_figures (
    dimension     text not null,
    period        text not null,
    period_start  date not null,
    channel       text not null,
    campaign_id   text not null,
    of_credit     boolean not null,
    primary key (dimension, period, period_start, channel, campaign_id)
);
comment on table warehouse.changed_figures is
    'one row per dimension (campaign, or channel with campaign_id ""), period, channel and '
    'campaign of which a figure may be another than when the marts were made last; of_credit is '
    'true where credit may be';

alter table warehouse.changed_touches
    add column occurred_on date,
    add column channel text,
    add column campaign_id text,
    add column lead_id text;
comment on table warehouse.changed_touches is
    'one row per touch that is new, or another''s, since the marts were made last, with what it '
    'was then; null of what is new';

create table warehouse.spend (
    event_id      text primary key,
    date          date not null,
    channel       text not null,
    campaign_id   text not null,
    amount        numeric not null,
    currency      text not null
);
comment on table warehouse.spend is
    'one row per spend event, as it was when the marts were made last: what was corrected since '
    'was another''s cost then';

create view warehouse.revenue as
select event_id, account_id, occurred_at, received_at, day_only, kind, iacv, tcv, currency, product
from stream.revenue
where not stream.is_new(stored_in, (select seen from warehouse.transforms));
comment on view warehouse.revenue is
    'one row per revenue event that the marts are made of: not what came while they were made';

create table warehouse.draw_sums (
    dimension     text not null,
    channel       text not null,
    campaign_id   text not null,
    collateral_id text not null,
    currency      text not null,
    shares        double precision[] not null,
    iacv          double precision[] not null,
    kept          double precision[] not null,
    earned        double precision[] not null,
    primary key (dimension, channel, campaign_id, collateral_id, currency)
);
comment on table warehouse.draw_sums is
    'sums over all conversions of the draws of what the Bayesian model credits, which the next '
    'deal is added to; NaN where it is not known what is left of one';

-- whoever transforms next makes all anew, so that there is what is added to
update warehouse.transforms set is_built = false;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop schema if exists staging cascade;  -- views on what goes, which are made anew
drop view warehouse.revenue;
drop table warehouse.draw_sums, warehouse.spend;
alter table warehouse.changed_touches
    drop column occurred_on, drop column channel, drop column campaign_id,
    drop column lead_id;
drop table warehouse.changed_figures;
create table warehouse.changed_periods (
    period        text not null,
    period_start  date not null,
    primary key (period, period_start)
);
alter table warehouse.identifiers drop column own_lead_id;
drop view stream.stored_lead_statuses;
drop view stream.stored_touches;
create view stream.stored_touches with (security_barrier) as
select event_id, occurred_at, identifier_id, stored_in from stream.touches;
update warehouse.transforms set is_built = false;
""")
