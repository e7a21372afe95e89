"""A database of three accounts, small enough to work out every figure by hand."""

from collections import defaultdict
from pathlib import Path

import psycopg2
import pytest

from bizops.database import opened

FOLDER = Path(__file__).parent

CREDITED_SINCE = """
insert into attribution.conversions (run_id, conversion_id, account_id, occurred_at, day_only, kind,
    iacv, currency, provisional, seen, in_sums)
select 'run-1', event_id, account_id, occurred_at, day_only, kind, iacv, currency, true,
    pg_current_snapshot(), false
from stream.revenue where event_id = 'r7';
insert into attribution.credit
values ('run-1', 'bayesian', 'r7', 't2', 'ads', 'spring', '2026-01-06Z', 1);
insert into attribution.credit_draws
values ('run-1', 'r7', 'ads', 'spring', '{1, 1, 1, 1}');
"""
"""Revenue r7, credited as it was won: sums do not hold it yet."""


@pytest.fixture
def unattributed_database(database_url: str) -> str:
    """The three accounts, before any run."""
    execute(database_url, (FOLDER / "tiny.sql").read_text())
    return database_url


@pytest.fixture
def tiny_database(unattributed_database: str) -> str:
    """The three accounts and a published run."""
    with opened(unattributed_database) as connection, connection.cursor() as cursor:
        cursor.execute((FOLDER / "tiny_run.sql").read_text())
        summarize(cursor)
    return unattributed_database


def execute(database_url: str, statement: str) -> list[tuple]:
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def of_four(draws: list[float], *, zero_below: float = 0.0) -> tuple[float, float, float]:
    """90 % of four draws is all four: mean, least and most, by the rule for low ends."""
    low, high = min(draws), max(draws)
    if low < zero_below or low < 0.05 * high:
        low = 0.0
    return sum(draws) / 4, low, high


def summarize(cursor: "psycopg2.extensions.cursor") -> None:
    """Fill attribution.credit_summary as attribution does, in plain loops."""
    cursor.execute(
        """
        select 'bayesian', channel, campaign_id, occurred_at::date, iacv::float8, shares
        from attribution.credit_draws join attribution.conversions using (run_id, conversion_id)
        union all
        select model, channel, campaign_id, occurred_at::date, iacv::float8,
            array[share, share, share, share]
        from attribution.credit join attribution.conversions using (run_id, conversion_id)
        where model <> 'bayesian' and run_id = 'run-1'
        """
    )
    sums: dict[tuple, list[list[float]]] = defaultdict(lambda: [[0.0] * 4, [0.0] * 4])
    for model, channel, campaign_id, day, iacv, shares in cursor.fetchall():
        starts = {
            "day": day,
            "week": day.fromordinal(day.toordinal() - day.weekday()),
            "month": day.replace(day=1),
            "quarter": day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1),
            "all": None,
        }
        for period, start in starts.items():
            for dimension, campaign in (("campaign", campaign_id), ("channel", "")):
                counts, amounts = sums[model, dimension, channel, campaign, period, start]
                for n, share in enumerate(shares):
                    counts[n] += share
                    amounts[n] += share * iacv
    for (model, dimension, channel, campaign, period, start), draws in sums.items():
        bayesian = model == "bayesian"
        ends = (
            (*of_four(draws[0], zero_below=1.0), *of_four(draws[1]))
            if bayesian
            else (*[draws[0][0]] * 3, *[draws[1][0]] * 3)
        )
        key = ("run-1", model, dimension, channel, campaign, period, start, "USD")
        cursor.execute(
            "insert into attribution.credit_summary values (" + ", ".join(["%s"] * 14) + ")",
            (*key, *ends),
        )
