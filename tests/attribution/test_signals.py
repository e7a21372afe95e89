"""Which touches go with revenue: against a walk through time, known truth, and the command."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from attribution.journeys import US_PER_DAY, build_journeys
from attribution.ratios import build_strata, find_ratios
from attribution.recency import LEVELS, WINDOWS_DAYS, known_time, last_touches, stretches
from bizops.cli import app
from bizops.errors import UsageError

from .conftest import Story, query
from .worlds import make_world

START_US = 1_735_689_600_000_000  # 2025-01-01
STEPS_A_DAY = 4


def test_time_and_conversions_are_at_the_level_of_the_last_touch():
    """Against a walk through every hour of every account."""
    rng = np.random.default_rng(5)
    story = Story()
    for account in "abcdef":
        story.account(account, "2025-01-01T00:00")
        for hour in rng.choice(24 * 200, rng.integers(0, 12), replace=False).tolist():
            story.touch(account, at_hour(hour), rng.choice(["ads", "mail"]))
        for kind in ("new", "expansion"):
            hours = rng.choice(24 * 200, 1 if kind == "new" else 2, replace=False)
            for hour in hours.tolist():
                story.sale(account, at_hour(hour + 0.5), kind)
    story.touch("z", at_hour(24 * 200))
    journeys = story.journeys()
    recency = known_time(journeys)
    ads = journeys.units.index(("ads", "a"))
    touch = np.flatnonzero(journeys.touches.unit == ads)
    hours = {
        account: journeys.touches.time_us[touch][journeys.touches.account[touch] == account]
        for account in range(len(journeys.account_ids))
    }

    def level_at(account, time_us):
        before = hours[account][hours[account] <= time_us]
        if not len(before):
            return 0
        age = (time_us - before[-1]) / US_PER_DAY
        return (int(np.searchsorted(WINDOWS_DAYS, age)) + 1) % LEVELS

    walked = np.zeros((len(recency.start), LEVELS))
    for spell, (start, end) in enumerate(zip(recency.start, recency.end, strict=True)):
        account = recency.spells.account[spell]
        for half in range(round(start * 48), round(end * 48)):  # half hours
            moment = (recency.first_day * 48 + half + 0.5) / 48 * US_PER_DAY
            walked[spell, level_at(account, moment)] += 1 / 48
    found = np.zeros_like(walked)
    for part in stretches(recency, touch):
        np.add.at(found, (part.spell, part.level), part.end - part.start)
    np.testing.assert_allclose(found[:, 1:], walked[:, 1:], atol=1e-6)
    strata = build_strata(recency)
    np.testing.assert_allclose(
        find_ratios(strata, touch).account_days, walked.sum(axis=0), atol=1e-6
    )
    events = recency.events
    expected = [level_at(a, t) for a, t in zip(events.account, events.time_us, strict=True)]
    assert last_touches(recency, touch).tolist() == expected
    assert recency.left_out == len(journeys.conversions) - len(events)


def at_hour(hour: float) -> str:
    minutes = np.timedelta64(round(hour * 60), "m")
    return str(np.datetime64("2025-01-01T00:00") + minutes)


def test_a_day_that_hides_its_hour_counts_for_the_day_itself(story):
    story.account("a", "2025-01-01").touch("a", "2025-01-10T18:00").sale("a", "2025-01-10")
    story.account("b", "2025-01-01").touch("b", "2025-01-10T18:00").sale("b", "2025-01-10T09:00")
    story.account("c", "2025-01-01").touch("c", "2025-01-03").sale("c", "2025-01-10T09:00")
    story.account("d", "2025-01-01").touch("d", "2025-01-02T09:00").sale("d", "2025-01-10T09:00")
    recency = known_time(story.journeys())
    assert last_touches(recency, np.arange(4)).tolist() == [1, 0, 1, 2]


def simulate(rng, *, ratios, accounts=1_500, days=360, spread=0.0, base=0.0006):
    """Accounts that buy once; touches stop at the sale; both go with what each account is like.

    What an account is like (its log has the standard deviation ``spread``) multiplies its touches
    and its rate of buying alike.
    """
    nature = np.exp(rng.normal(0, spread, accounts))
    last = np.full(accounts, -np.inf)
    sold = np.full(accounts, np.nan)
    touched = []
    effect = np.array([1.0, *ratios])
    for step in range(days * STEPS_A_DAY):
        now = (step + 0.5) / STEPS_A_DAY
        level = (np.searchsorted(WINDOWS_DAYS, now - last) + 1) % LEVELS
        rate = base * nature * effect[level]
        buys = np.isnan(sold) & (rng.random(accounts) < rate / STEPS_A_DAY)
        sold[buys] = now
        hit = np.isnan(sold) & (rng.random(accounts) < 0.012 * nature / STEPS_A_DAY)
        last[hit] = now
        touched += [(account, now) for account in np.flatnonzero(hit).tolist()]
    sales = [(int(a), float(sold[a])) for a in np.flatnonzero(~np.isnan(sold))]
    return journeys_of(accounts, days, touched, sales)


def journeys_of(accounts, days, touched, sales):
    """Journeys of one channel without the way through texts."""
    names = [f"a{number:05}" for number in range(accounts)]

    def table(events, **columns):
        times = [START_US + round(at * US_PER_DAY) for _, at in events]
        head = {
            "event_id": pa.array([""] * len(events), pa.string()),
            "account_id": pa.array([names[a] for a, _ in events], pa.string()),
            "time_us": pa.array(times, pa.int64()),
            "day_only": pa.array([0] * len(events), pa.int8()),
        }
        texts = {name: pa.array([value] * len(events)) for name, value in columns.items()}
        return pa.table(head | texts)

    stated = [(account, 0.0) for account in range(accounts)]
    touched = [*touched, (0, float(days))]
    return build_journeys(
        table(touched, channel="ads", campaign_id="a"),
        table(sales, kind="new", iacv="100", currency="USD"),
        table(stated, segment="smb"),
    )


def ratios_of(journeys):
    strata = build_strata(known_time(journeys))
    return find_ratios(strata, np.arange(len(journeys.touches)))


def test_ratios_are_found_where_touches_know_nothing_of_accounts():
    truth = (5.0, 2.0, 1.0)
    found = ratios_of(simulate(np.random.default_rng(1), ratios=truth))
    for between, within, ratio in zip(found.between, found.within, truth, strict=True):
        for of in (between, within):
            assert of.low_90 < ratio < of.high_90
            assert of.low_90 < of.low_50 < of.value < of.high_50 < of.high_90
        assert between.high_90 / between.low_90 < 3


def test_what_accounts_are_like_goes_with_touches_but_not_within_accounts():
    """Nothing works here: the ratio between accounts is not one, the one within accounts is."""
    rng = np.random.default_rng(2)
    found = ratios_of(simulate(rng, ratios=(1, 1, 1), spread=1.0, base=0.0004, accounts=2_500))
    assert found.between[0].low_90 > 1.3
    assert 0.7 < found.within[0].value < 1.3
    assert found.within[0].low_90 < 1 < found.within[0].high_90


def test_accounts_that_buy_again_and_again_do_not_count_as_many(story):
    """The interval is of accounts: twice the conversions of each tell little more."""
    rng = np.random.default_rng(4)
    stories = (Story(), Story())
    for number in range(60):
        account = f"a{number:02}"
        for told in stories:
            told.account(account, "2025-01-01T00:00").sale(account, "2025-01-02T00:00", "renewal")
        hours = np.sort(rng.uniform(48, 24 * 360, 3))
        for told in stories:
            told.touch(account, at_hour(hours[0]))
        for hour in hours:
            stories[0].sale(account, at_hour(hour), "expansion")
            for more in range(8):
                stories[1].sale(account, at_hour(hour + more / 60), "expansion")
    once, often = (ratios_of(told.journeys()).between[0] for told in stories)
    width = [np.log(of.high_90 / of.low_90) for of in (once, often)]
    assert often.value == pytest.approx(once.value, rel=0.05)
    assert width[1] == pytest.approx(width[0], rel=0.1)


def test_few_accounts_give_no_ratio(story):
    story.touch("z", "2025-01-01")
    for number in range(30):
        account = f"a{number:02}"
        story.account(account, "2025-01-01").touch(account, "2025-03-01")
        if number < 9:
            story.sale(account, "2025-03-03")
        elif number < 25:
            story.sale(account, "2025-02-01")
    found = ratios_of(story.journeys())
    assert found.conversions.tolist() == [16, 9, 0, 0]
    assert found.between == found.within == (None, None, None)


@pytest.fixture
def command(settings, monkeypatch):
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)

    def run(*arguments):
        done = CliRunner().invoke(app, ["signals", *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        return done

    return run


def test_the_command_without_a_run(command, settings):
    make_world(seed=1, accounts=200, customers=True).store(settings.database_url)
    query(
        settings.database_url,
        "update stream.touches set touch_type = case when right(event_id, 1) > '4' then 'login'"
        " else 'feature_used' end where channel = 'event'",
    )
    data = json.loads(command("--format", "json").stdout)
    assert "Going together is not cause" in data["note"]
    assert data["run_id"] is None
    kinds = {(row["channel"], row["touch_type"]): row for row in data["signals"]}
    assert {*kinds} == {
        ("event", None), ("event", "feature_used"), ("event", "login"), ("mail", None),
        ("search", None),
    }  # fmt: skip
    assert all(row["model"] is None for row in data["signals"])
    whole, *parts = (kinds["event", kind] for kind in (None, "feature_used", "login"))
    assert whole["touches"] == sum(part["touches"] for part in parts)
    strengths = [
        max((w["ratio"]["low_90"] for w in row["windows"] if w["ratio"]), default=0)
        for row in data["signals"]
    ]
    assert strengths == sorted(strengths, reverse=True)
    for row in kinds.values():
        windows = row["windows"]
        assert [(w["from_days"], w["to_days"]) for w in windows] == [(0, 7), (7, 30), (30, 90)]
        total = row["without_conversions"] + sum(w["conversions"] for w in windows)
        assert total == data["conversions"]
        for window in windows:
            assert (window["ratio"] is None) == (window["note"] == "too few")

    rows = list(csv.DictReader(io.StringIO(command("--format", "csv").stdout)))
    assert len(rows) == 3 * len(kinds)
    first = data["signals"][0]
    assert rows[0]["channel"] == first["channel"]
    ratio = first["windows"][0]["ratio"]
    assert float(rows[0]["ratio_high_50"]) == pytest.approx(ratio["high_50"])
    assert rows[0]["credited_mean"] == rows[0]["run_id"] == ""

    shown = command().output
    assert "Going together is not cause" in shown
    assert "no model is published" in shown
    assert f"× {ratio['value']:.2f}" in shown


def test_beside_what_the_published_model_holds(command, settings):
    url = settings.database_url
    Story().touch("acme", "2026-01-01").touch("acme", "2026-01-02").sale(
        "acme", "2026-01-05"
    ).touch("acme", "2026-01-09", "mail").touch("bolt", "2026-02-01").store(url)
    query(
        url,
        "insert into attribution.runs (run_id, status, started_at, finished_at, published_at,"
        " settings, data_until) values ('r', 'published', now(), now(), now(), '{}', '2026-01-10');"
        "insert into attribution.credit_totals values ('r', 'bayesian', 'channel', 'ads', '',"
        " 'USD', 0.8, 0.6, 0.9, 800, 600, 900);"
        "insert into attribution.incremental_draws values ('r', '2026-01-01', 'ads', 'a',"
        " '{1, 1, 3}'), ('r', '2026-01-02', 'ads', 'a', '{1, 1, 1}')",
    )
    data = json.loads(command("--format", "json").stdout)
    assert data["run_id"] == "r"
    ads, mail = sorted(data["signals"], key=lambda row: row["channel"])
    assert ads["model"]["credited"] == {"mean": 0.8, "low": 0.6, "high": 0.9}
    # draws of the channel's sum are 2, 2 and 4, of two touches up to the end of the run's data
    per_touch = ads["model"]["incremental_per_touch"]
    assert per_touch["mean"] == pytest.approx(8 / 3 / 2)
    assert (per_touch["low"], per_touch["high"]) == (1.0, 2.0)
    assert mail["model"] is None
    shown = command().output
    assert "model: 0.8 (0.6–0.9) credited" in shown
    assert "1,333.3 (1,000.0–2,000.0) by 1,000 touches" in shown
    assert "too few" in command().output

    query(url, "insert into attribution.conversions (run_id, conversion_id, account_id,"
          " occurred_at, day_only, kind, iacv, currency) values"
          " ('r', 'c', 'acme', now(), false, 'new', 5, 'USD'),"
          " ('r', 'd', 'acme', now(), false, 'new', 5, 'EUR');"
          "insert into attribution.credit_draws values ('r', 'c', 'ads', 'a', '{0.5, 1, 1}'),"
          " ('r', 'd', 'ads', 'a', '{1, 0.5, 1}');"
          "insert into attribution.credit_totals values ('r', 'bayesian', 'channel', 'ads', '',"
          " 'EUR', 0.8, 0.6, 0.9, 800, 600, 900)")  # fmt: skip
    (ads, _) = sorted(json.loads(command("--format", "json").stdout)["signals"],
                      key=lambda row: row["channel"])  # fmt: skip
    assert ads["model"]["credited"] == {
        "mean": pytest.approx(5 / 3), "low": pytest.approx(1.5), "high": pytest.approx(2),
    }  # fmt: skip

    query(url, "update attribution.runs set settings = '{\"rules_only\": true}'")
    data = json.loads(command("--format", "json").stdout)
    assert data["run_id"] is None


def test_nothing_to_look_at_and_other_formats(settings, monkeypatch):
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)
    for arguments, said in (((), "nothing to look at"), (("--format", "xml"), "no format 'xml'")):
        done = CliRunner().invoke(app, ["signals", *arguments])
        assert isinstance(done.exception, UsageError)
        assert said in str(done.exception)


def test_without_conversions_every_kind_has_too_few(command, settings):
    Story().touch("acme", "2026-01-01").touch("acme", "2026-02-01", "mail").store(
        settings.database_url
    )
    data = json.loads(command("--format", "json").stdout)
    assert data["conversions"] == 0
    assert {w["note"] for row in data["signals"] for w in row["windows"]} == {"too few"}
    (ads, _) = sorted(data["signals"], key=lambda row: row["channel"])
    assert sum(w["account_days"] for w in ads["windows"]) == pytest.approx(31.5)
