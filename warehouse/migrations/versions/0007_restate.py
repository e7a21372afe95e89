"""What a run keeps so that credit can be restated: the snapshot it read, and the model's draws.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UPGRADE = """
alter table attribution.runs add column seen pg_snapshot, add column seen_at timestamptz;
comment on column attribution.runs.seen is
    'what was there for the run to read, moved on when its credit is restated; see stream.is_new';

alter table attribution.conversions
    add column segment text,
    add column provisional boolean not null default false;
comment on column attribution.conversions.segment is
    'segment of the account when it was credited';
comment on column attribution.conversions.provisional is
    'came after the fit: credited by its model, without having had a say in it';
create index conversions_by_account on attribution.conversions (run_id, account_id);

-- one model has every touch that counts, so an index of its rows finds what a touch is credited
create index touches_by_lead on stream.touches (lead_id) where lead_id is not null;
create index identities_by_lead on stream.identities (lead_id) where lead_id is not null;

create index credit_by_touch on attribution.credit (touch_id)
    where touch_id is not null and model in ('bayesian', 'linear');

create table attribution.posterior_draws (
    run_id        text not null references attribution.runs on delete cascade,
    parameter     text not null,
    name          text not null,
    item          text not null,
    draws         double precision[] not null,
    primary key (run_id, parameter, name, item)
);
comment on table attribution.posterior_draws is
    'posterior draws of the parameters that credit is computed from, the same draws as in '
    'credit_draws; name and item say of what: channel and campaign, segment and state, …';

create table attribution.restatements (
    run_id        text not null references attribution.runs on delete cascade,
    restated_at   timestamptz not null default clock_timestamp(),
    conversions   integer not null,
    leads         integer not null,
    reasons       jsonb not null,
    new_campaigns jsonb not null,
    primary key (run_id, restated_at)
);
comment on table attribution.restatements is
    'one row each time that credit of a published run was brought up to date without a fit; '
    'reasons counts conversions, new_campaigns are those the fit did not know';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop table attribution.restatements, attribution.posterior_draws;
drop index attribution.credit_by_touch, attribution.conversions_by_account,
    stream.touches_by_lead, stream.identities_by_lead;
alter table attribution.conversions drop column segment, drop column provisional;
alter table attribution.runs drop column seen, drop column seen_at;
""")
