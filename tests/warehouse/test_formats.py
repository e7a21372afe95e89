import csv
import io
import json

import pytest

from bizops.database import opened
from warehouse.formats import COMPARED, as_csv, as_json, as_table
from warehouse.question import KEYS, Question
from warehouse.report import Report, report

from .conftest import execute

FIGURES = [
    "period_start",
    "touches",
    "leads",
    "attributed_leads",
    "spend",
    "cost_per_lead",
    "attributed_conversions",
    "incremental_conversions",
    "incremental_iacv",
    "attributed_iacv",
    "median_conversion_days",
    "iacv_at_median_conversion_time",
    "estimated_iacv",
    "cac",
    "cac_low",
    "cac_high",
    "ltv",
    "ltv_low",
    "ltv_high",
    "roi",
    "roi_low",
    "roi_high",
    "roi_above_one",
    "roi_above_one_unknown",
    "bound",
    "currency",
    "run_id",
]


def ask(database_url: str, **question) -> Report:
    with opened(database_url) as connection:
        return report(connection, Question(**question))


@pytest.mark.parametrize("by", list(KEYS))
def test_json_is_an_array_of_rows(tiny_database, by):
    rows = json.loads(as_json(ask(tiny_database, by=by, period="month")))
    figures = [*FIGURES[:-2], *COMPARED.get(by, ()), *FIGURES[-2:]]
    assert all(list(row) == [*KEYS[by], *figures] for row in rows)
    assert {row["run_id"] for row in rows} == {"run-1"}
    first = rows[0]
    assert first["period_start"] == "2026-01-01"
    assert list(first["attributed_iacv"]) == ["mean", "low", "high", "low_50", "high_50"]
    assert rows[-1][KEYS[by][0]] == "(baseline)"
    assert rows[-1]["touches"] is None


def test_csv_has_a_column_for_each_end_of_an_interval(tiny_database):
    rows = list(csv.DictReader(io.StringIO(as_csv(ask(tiny_database, by="campaign")))))
    spring = next(row for row in rows if row["campaign_id"] == "spring")
    assert float(spring["attributed_iacv_mean"]) == pytest.approx(600)
    assert float(spring["attributed_iacv_low"]) == pytest.approx(500)
    assert float(spring["attributed_iacv_high"]) == pytest.approx(700)
    assert (spring["ltv"], spring["currency"]) == ("", "USD")


def test_csv_holds_nothing_a_spreadsheet_would_run(tiny_database):
    execute(tiny_database, "update stream.touches set channel = '=1+1' where event_id = 't5'")
    assert "\n'=1+1," in as_csv(ask(tiny_database))
    assert '"channel": "=1+1"' in as_json(ask(tiny_database))


@pytest.mark.parametrize("by", list(KEYS))
@pytest.mark.parametrize("period", ["week", "all"])
@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_its_width(tiny_database, by, period, width):
    found = ask(tiny_database, by=by, period=period, margin=0.8)
    lines = as_table(found, width=width).splitlines()
    table = lines[: lines.index("")]
    assert max(map(len, table)) <= width
    assert len(table) == 1 + len(found.rows)
    assert "…" not in "".join(table)


def test_a_table_reads_well(tiny_database):
    text = as_table(ask(tiny_database, margin=0.8), width=120)
    assert "850 (800–900)" in text
    assert "-75 (-175–25)" in text
    assert "IACV of these rows: 1,150.00 USD" in text
    assert "run run-1; published 2027-01-11 00:00 UTC" in text
    assert "LTV" not in as_table(ask(tiny_database), width=120)  # no margin: no column


def test_what_would_steer_a_terminal_is_not_printed(tiny_database):
    name = r"update stream.touches set channel = e'\x1b[2J[bold]x' where event_id = 't5'"
    execute(tiny_database, name)
    text = as_table(ask(tiny_database), width=120)
    assert "\x1b" not in text
    assert "�[2J[bold]x" in text


def test_credit_that_is_an_upper_bound_says_so(tiny_database):
    """Only by the model, and only where rows are of a channel."""
    before = {row.group.key: row for row in ask(tiny_database).rows}
    execute(
        tiny_database,
        "update attribution.runs set diagnostics = "
        """'{"placebo": [{"channel": "ads", "bound": "upper"}, {"channel": "web"}]}'""",
    )
    found = ask(tiny_database)
    rows = {row.group.key: row for row in found.rows}
    ads = rows["ads"]
    assert (ads.bound, ads.roi_above_one, rows["web"].bound) == ("upper", None, None)
    assert ads.roi_above_one_unknown is not None
    for name in ("attributed_conversions", "attributed_iacv"):
        was, now = getattr(before["ads"], name), getattr(ads, name)
        assert (now.low, now.low_50) == (0.0, 0.0)
        assert (now.mean, now.high) == (was.mean, was.high)
    assert "ads: at most so much" in as_table(found, width=120)
    campaigns = [row for row in ask(tiny_database, by="campaign").rows if row.group.key == "ads"]
    assert {row.bound for row in campaigns} == {"upper"}
    assert all(row.bound is None for row in ask(tiny_database, model="linear").rows)
    assert all(row.bound is None for row in ask(tiny_database, by="account").rows)
    assert json.loads(as_json(found))[0]["bound"] in ("upper", None)
