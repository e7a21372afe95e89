"""When accounts became known, and what a run's Markov chains say of campaigns.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UPGRADE = """
-- the barrier: or a condition of a reader's own could look at leads of other accounts
create view attribution.known_accounts with (security_barrier) as
with named as (
    select lead_id, occurred_at, day_only, event_id, account_id
    from stream.touches
    where lead_id is not null
    union all
    select lead_id, occurred_at, day_only, event_id, account_id
    from stream.identities
    where lead_id is not null
),
first as (
    select distinct on (lead_id) *
    from named
    order by lead_id, occurred_at, day_only, event_id
),
theirs as (
    select coalesce(r.account_id, first.account_id) as account_id, first.occurred_at,
        first.day_only
    from first
    left join stream.identifiers i on i.kind = 'lead_id' and i.value = first.lead_id
    left join stream.identifier_accounts r on r.identifier_id = i.id
)
select distinct on (account_id)
    account_id,
    occurred_at as known_at,
    occurred_at + case
        when day_only then interval '1 day - 1 microsecond' else interval '0'
    end as known_until
from theirs
where account_id is not null
order by account_id, occurred_at, day_only;
comment on view attribution.known_accounts is
    'one row per account that has a lead: when the first event that names one of its leads was, '
    'and the end of that day where only the day is known';

alter table attribution.conversions add column known_until timestamptz;
comment on column attribution.conversions.known_until is
    'as in known_accounts when it was credited; null where no lead came before the conversion';

create table attribution.removal_effects (
    run_id        text not null references attribution.runs on delete cascade,
    model         text not null,
    channel       text not null,
    campaign_id   text not null,
    effect        double precision not null,
    primary key (run_id, model, channel, campaign_id)
);
comment on table attribution.removal_effects is
    'share of conversions that a run''s Markov chain loses without a campaign; one row per '
    'campaign of the run and Markov model';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop table attribution.removal_effects;
alter table attribution.conversions drop column known_until;
drop view attribution.known_accounts;
""")
