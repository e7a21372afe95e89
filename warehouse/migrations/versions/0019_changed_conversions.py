"""Which conversions changed, and whose touches were, so that credit and visits are added to.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UPGRADE = """
create table warehouse.changed_conversions (
    account_id    text not null,
    conversion_id text not null,
    primary key (account_id, conversion_id)
);
comment on table warehouse.changed_conversions is
    'one row per conversion, with each account it is or was of, of which credit may be another '
    'than when the marts were made last';

alter table warehouse.changed_touches
    add column touch_type text,
    add column collateral_id text,
    add column person_id uuid,
    add column account_id text;

-- whoever transforms next makes all anew, so that there is what is added to
update warehouse.transforms set is_built = false;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
alter table warehouse.changed_touches
    drop column touch_type, drop column collateral_id, drop column person_id,
    drop column account_id;
drop table warehouse.changed_conversions;
update warehouse.transforms set is_built = false;
""")
