"""How busy a run found each account, so that one account can be asked about without all others.

Revision ID: 0013
Revises: 0011
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UPGRADE = """
create table attribution.account_activity (
    run_id        text not null references attribution.runs on delete cascade,
    account_id    text not null,
    bin           smallint not null,
    z             double precision not null,
    primary key (run_id, account_id)
);
comment on table attribution.account_activity is
    'what a run''s model knew of each account''s activity at the end of its data; none of accounts '
    'that were not at risk, or where accounts do not differ';
comment on column attribution.account_activity.bin is
    'which of the posterior draws named activity are the account''s';
comment on column attribution.account_activity.z is
    'log of its touches beside those of its segment''s accounts, shrunk to the mean';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop table attribution.account_activity")
