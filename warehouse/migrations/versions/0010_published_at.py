"""When a run was last published, so that an older one can be published again.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

VIEW = """
create or replace view attribution.published_run as
select run_id, status, started_at, finished_at, data_until, settings, data, diagnostics, timings,
    artifact, error
from attribution.runs
where status = 'published'
order by {latest} desc nulls last, run_id desc
limit 1;
"""
STATUS = """
alter table attribution.runs drop constraint runs_status_check;
alter table attribution.runs add constraint runs_status_check check (status in ({}));
"""


def upgrade() -> None:
    op.execute("""
alter table attribution.runs add column published_at timestamptz;
comment on column attribution.runs.published_at is
    'when it was last published; a run that another took the place of keeps status published, and '
    'the latest of them is what everything reads';
update attribution.runs set published_at = finished_at where status = 'published';
""")
    op.execute(STATUS.format("'running', 'published', 'withdrawn', 'failed'"))
    op.execute(VIEW.format(latest="published_at"))


def downgrade() -> None:
    op.execute("""
update attribution.runs set status = 'failed', error = 'withdrawn' where status = 'withdrawn';
-- before this revision what finished last was the published one
update attribution.runs set finished_at = published_at where status = 'published';
""")
    op.execute(VIEW.format(latest="finished_at"))
    op.execute(STATUS.format("'running', 'published', 'failed'"))
    op.execute("alter table attribution.runs drop column published_at")
