"""A database of three accounts, small enough to work out every figure by hand."""

from pathlib import Path

import pytest

from bizops.database import opened

FOLDER = Path(__file__).parent

CREDITED_SINCE = """
insert into attribution.conversions (run_id, conversion_id, account_id, occurred_at, day_only, kind,
    iacv, currency, provisional, seen)
select 'run-1', event_id, account_id, occurred_at, day_only, kind, iacv, currency, true,
    pg_current_snapshot()
from stream.revenue where event_id = 'r7';
insert into attribution.credit
values
    ('run-1', 'bayesian', 'r7', 't2', 'ads', 'spring', '2026-01-06Z', 1),
    ('run-1', 'linear', 'r7', 't2', 'ads', 'spring', '2026-01-06Z', 1);
insert into attribution.credit_draws
values ('run-1', 'r7', 'ads', 'spring', '{1, 1, 1, 1}');
"""
"""Revenue r7, credited as it was won."""


@pytest.fixture
def unattributed_database(database_url: str) -> str:
    """The three accounts, before any run."""
    execute(database_url, (FOLDER / "tiny.sql").read_text())
    return database_url


@pytest.fixture
def tiny_database(unattributed_database: str) -> str:
    """The three accounts and a published run."""
    execute(unattributed_database, (FOLDER / "tiny_run.sql").read_text())
    return unattributed_database


def execute(database_url: str, statement: str) -> list[tuple]:
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
