"""What touches add in IACV, which creative and collateral adds it, and how creatives compare.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UPGRADE = """
create table attribution.incremental_iacv_draws (
    run_id        text not null references attribution.runs on delete cascade,
    touched_on    date not null,
    channel       text not null,
    campaign_id   text not null,
    currency      text not null,
    iacv          real[] not null,
    primary key (run_id, touched_on, channel, campaign_id, currency)
);
comment on table attribution.incremental_iacv_draws is
    'posterior draws of the IACV in a currency that a day''s touches of a campaign add in '
    'expectation: of incremental_draws, each conversion of the size that the run expects';

create table attribution.incremental_parts (
    run_id        text not null references attribution.runs on delete cascade,
    touched_on    date not null,
    channel       text not null,
    campaign_id   text not null,
    creative_id   text not null,
    collateral_id text not null,
    of_conversions real not null,
    of_iacv       real not null,
    primary key (run_id, touched_on, channel, campaign_id, creative_id, collateral_id)
);
comment on table attribution.incremental_parts is
    'which part of what a day''s touches of a campaign add is added by those of a creative and '
    'collateral ("(none)" where a touch names none), were all of the campaign''s alike; a day '
    'without rows has touches that name neither';

create table attribution.relative_draws (
    run_id        text not null references attribution.runs on delete cascade,
    dimension     text not null check (dimension in ('creative', 'collateral')),
    channel       text not null,
    campaign_id   text not null,
    item_id       text not null,
    effect        real[] not null,
    primary key (run_id, dimension, channel, campaign_id, item_id)
);
comment on table attribution.relative_draws is
    'posterior draws of the effect of a touch of a creative or collateral, relative to the mean '
    'of its campaign''s touches; those of campaigns that have only one are not here: theirs is 1';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop table attribution.incremental_iacv_draws, attribution.incremental_parts,
    attribution.relative_draws
""")
