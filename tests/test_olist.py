"""A real B2B funnel through the whole pipeline: 8,000 leads, 842 deals, known counts."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from bizops.settings import Settings

MAPPINGS = Path(__file__).parent / "data" / "olist"


@pytest.fixture(scope="module")
def command() -> str:
    return str(Path(sys.executable).with_name("bizops"))


def run(command: str, settings: Settings, *arguments: str) -> str:
    """Run one command as a person would, in the test's own installation."""
    environment = os.environ | {
        "BIZOPS_HOME": str(settings.home),
        "BIZOPS_KAFKA": settings.kafka or "",
        "BIZOPS_DATABASE_URL": settings.database_url or "",
        "BIZOPS_TOPIC_PREFIX": settings.topic_prefix,
        "BIZOPS_GROUP": settings.group,
    }
    done = subprocess.run(
        [command, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())
    finally:
        connection.close()


def report(command: str, settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    text = run(command, settings, "report", "--by", "channel", "--format", "json", *arguments)
    return list(json.loads(text))


def conversions(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(
        {row["channel"]: round(row["attributed_conversions"]["mean"], 6) for row in found}
    )


@pytest.mark.slow
def test_leads_and_deals_come_out_right(
    settings: Settings, shared_data: Path, command: str
) -> None:
    olist = shared_data / "olist"
    for _ in range(2):  # sent twice, nothing changes
        for mapping, name in (("leads", "marketing_qualified_leads"), ("deals", "closed_deals")):
            file = olist / f"olist_{name}_dataset.csv"
            run(command, settings, "produce", "csv", "--mapping",
                str(MAPPINGS / f"{mapping}.yaml"), str(file))  # fmt: skip
        run(command, settings, "stream", "--until-caught-up")
        assert rows(settings, "select count(*) from stream.touches") == [(8000,)]
        assert rows(settings, "select count(*), sum(iacv) from stream.revenue") == [
            (842, 842 * 1200)
        ]
        assert rows(settings, "select count(*) from stream.dead_letters") == [(0,)]

    run(command, settings, "attribute")

    last = ("--model", "last_touch", "--lookback")
    unlimited = conversions(report(command, settings, *last, "100000"))
    assert unlimited.total() - unlimited["(baseline)"] == 841
    assert unlimited["(baseline)"] == 1
    expected = {"paid search": 195, "organic search": 270, "social": 75}
    assert {name: unlimited[name] for name in expected} == expected
    ninety = conversions(report(command, settings, *last, "90"))
    assert ninety.total() - ninety["(baseline)"] == 691
    expected = {"paid search": 150, "organic search": 217, "social": 59}
    assert {name: ninety[name] for name in expected} == expected

    bayesian = report(command, settings)
    assert conversions(bayesian).total() == pytest.approx(842, abs=1e-3)
    iacv = sum(row["attributed_iacv"]["mean"] for row in bayesian)
    assert iacv == pytest.approx(842 * 1200, rel=1e-6)
    ((diagnostics,),) = rows(settings, "select diagnostics from attribution.published_run")
    assert diagnostics["divergences"] == 0
    assert diagnostics["r_hat_max"] <= 1.01
    assert min(diagnostics["ess_bulk_min"], diagnostics["ess_tail_min"]) >= 400

    run(command, settings, "transform")
    funnel = """
        select metric, breakdown, round(value::numeric, 2)::float8, numerator
        from marts.marketing_metrics where period = 'all'
    """
    found = {row[:2]: row[2:] for row in rows(settings, funnel)}
    for origin, leads, won, days in (
        ("", 8000, 842, 14.65),
        ("paid search", 1586, 195, 15.67),
        ("social", 1350, 75, 30.56),
        ("email", 493, 15, 21.13),
    ):
        assert found["leads_by_origin", origin][0] == leads
        assert found["lead_to_customer", origin][1] == won
        assert found["days_to_customer", origin][0] == days
