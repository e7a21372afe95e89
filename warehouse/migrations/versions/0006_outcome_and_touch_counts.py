"""Opportunities with one outcome, and touches counted as they are stored.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COUNTED = """
    channel       text not null,
    touches       bigint not null,
    first_at      timestamptz not null,
    last_at       timestamptz not null"""

UPGRADE = f"""
alter table stream.opportunities add column outcome text;
update stream.opportunities set outcome =
    case
        when is_won and not coalesce(is_closed, true) then null  -- a contradiction, now refused
        when is_won then 'won'
        when is_closed and not is_won then 'lost'
        when not is_closed then 'open'
    end;
alter table stream.opportunities drop column is_closed, drop column is_won;

create table stream.identifier_touches (
    identifier_id uuid not null,{COUNTED},
    primary key (identifier_id, channel)
) with (fillfactor = 70);
comment on table stream.identifier_touches is
    'touches that name no account, by the identifier they stand under; kept as they are stored';

create table stream.account_touches (
    account_id    text not null,{COUNTED},
    primary key (account_id, channel)
) with (fillfactor = 70);
comment on table stream.account_touches is
    'touches that name their account themselves; kept as they are stored';

insert into stream.identifier_touches
select identifier_id, channel, count(*), min(occurred_at), max(occurred_at)
from stream.touches where account_id is null
group by identifier_id, channel;
insert into stream.account_touches
select account_id, channel, count(*), min(occurred_at), max(occurred_at)
from stream.touches where account_id is not null
group by account_id, channel;

create view stream.account_channels as
select account_id, channel, sum(touches)::bigint as touches,
       min(first_at) as first_at, max(last_at) as last_at
from (
    select account_id, channel, touches, first_at, last_at
    from stream.account_touches
    union all
    select r.account_id, c.channel, c.touches, c.first_at, c.last_at
    from stream.identifier_touches c
    join stream.identifier_accounts r using (identifier_id)
    where r.account_id is not null
) counted
group by account_id, channel;
comment on view stream.account_channels is
    'one row per account and channel, by who belongs to the account as all is known now';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop view stream.account_channels;
drop table stream.account_touches, stream.identifier_touches;
alter table stream.opportunities add column is_closed boolean, add column is_won boolean;
update stream.opportunities set is_closed = outcome <> 'open', is_won = outcome = 'won';
alter table stream.opportunities drop column outcome;
""")
