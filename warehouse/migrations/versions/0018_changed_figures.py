"""What changed by campaign as well as by period, and sums of draws that deals are added to.

A day's events touch a few campaigns of most periods and most campaigns of a few, so that a list of
periods makes nearly all figures anew.

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UPGRADE = """
create or replace view stream.stored_touches with (security_barrier) as
select event_id, occurred_at, identifier_id, stored_in, channel, campaign_id from stream.touches;

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
drop table warehouse.draw_sums;
alter table warehouse.changed_touches
    drop column occurred_on, drop column channel, drop column campaign_id,
    drop column lead_id;
drop table warehouse.changed_figures;
create table warehouse.changed_periods (
    period        text not null,
    period_start  date not null,
    primary key (period, period_start)
);
drop view stream.stored_touches;
create view stream.stored_touches with (security_barrier) as
select event_id, occurred_at, identifier_id, stored_in from stream.touches;
update warehouse.transforms set is_built = false;
""")
