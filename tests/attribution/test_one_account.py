"""One account: explained, and what one more touch of it would add."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from attribution import fit
from attribution.expected import expected, measure
from attribution.explain import account_worth, explain
from attribution.features import build_features
from attribution.fit import Options, attribute
from attribution.journeys import US_PER_DAY, load_journeys
from attribution.kept import load_kept
from attribution.live import Live
from attribution.one_account import find_account, find_model
from attribution.outlook import Candidate, load_outlook
from attribution.restate import restate
from attribution.risk import clipped
from attribution.whatif import what_if
from bizops.cli import app
from bizops.database import opened
from bizops.errors import UsageError
from streams.summaries import count_stored

from .conftest import Story, insert, query
from .worlds import START, make_world, plausible, when

AT_DAY = 250.0


@pytest.fixture(autouse=True)
def no_sampling(monkeypatch):
    monkeypatch.setattr(fit._Work, "_fit", lambda work, features, journeys: plausible(features))


def add(url, table, event_id, at, **columns):
    with opened(url) as connection, connection.cursor() as cursor:
        insert(cursor, table, event_id, at, **columns)


def touch(url, event_id, at, channel, campaign, account="target"):
    add(url, "touches", event_id, at, account_id=account, channel=channel, campaign_id=campaign,
        properties="{}")  # fmt: skip


def spend(url, event_id, day, channel, campaign, amount, currency="USD"):
    with opened(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset,"
            " date, campaign_id, channel, amount, currency)"
            " values (%s, 'test', '2025-01-01Z', '', 1, %s, %s, %s, %s, %s)",
            (event_id, day, campaign, channel, amount, currency),
        )


def a_world(settings, *, bought: bool, customers: bool = True):
    """Sixty accounts and ours, which saw five touches until day 235 and nothing after it."""
    world = make_world(seed=3, accounts=60, customers=customers)
    world.account("target", when(0.0), "mid-market")
    for day, channel, campaign in (
        (100.0, "mail", "mail-a"), (150.0, "event", "event"), (200.0, "mail", "mail-a"),
        (230.0, "search", "search-good"), (235.0, "mail", "mail-b"),
    ):  # fmt: skip
        world.touch("target", when(day), channel, campaign)
    if bought:
        world.sale("target", when(120.0), "new", "12000.00")
    # others of its segment buy too
    for number in range(3):
        world.account(f"like{number}", when(0.0), "mid-market")
        world.touch(f"like{number}", when(10.0), "event", "event")
        world.sale(f"like{number}", when(20.0 + number), "new", "10000.00")
        world.sale(f"like{number}", when(40.0 + number), "expansion", "10000.00")
    world.store(settings.database_url)
    return attribute(settings, settings.database_url, Options())


@pytest.mark.parametrize("bought", [False, True])
def test_what_is_expected_is_the_models_own_integral(settings, bought):
    """Of the rate with and without the touch, over the same time."""
    url = settings.database_url
    a_world(settings, bought=bought)
    at = START + timedelta(days=AT_DAY)
    candidates = [
        Candidate("mail", "mail-a"), Candidate("search", "search-none"), Candidate("search"),
    ]  # fmt: skip

    def integral(connection, spells=None):
        """Over the account's time from then to the end of the data."""
        journeys = load_journeys(connection)
        features = build_features(journeys)
        mine = journeys.account_ids == "target"
        if spells is None:
            at_us = np.full(len(mine), int(at.timestamp() * 1e6))
            spells = clipped(
                features.spells.only(mine), at_us, np.full(len(mine), np.iinfo(np.int64).max)
            )
        cells = measure(journeys, features, spells, np.zeros_like(spells.account), 1)
        posterior = load_kept(connection, run.run_id).posterior
        return expected(cells, posterior, features.unit_channel)[:, 0], spells, journeys.until_us

    with opened(url) as connection:
        run, kept = find_model(connection)
        before, spells, until_us = integral(connection)
        days = (until_us - at.timestamp() * 1e6) / US_PER_DAY
        assert 40 < days < 50
        outlook = load_outlook(connection, run, kept, "target", at)
        added, follows = outlook.one_more(candidates, days)
        comes = outlook.comes_anyway(days) + outlook.touches_still_add(days)
    assert comes == pytest.approx(before, rel=1e-6)
    assert (outlook.z, outlook.at_risk) == (pytest.approx(outlook.z), True)
    assert follows[0].repeat == 3
    assert {*follows[0].channels} == {"search"}
    assert (follows[1].repeat, follows[2].repeat) == (1, 1)
    assert {*follows[1].channels} == {"mail"}

    touch(url, "more", when(AT_DAY), "mail", "mail-a")
    with opened(url) as connection:
        after, _, _ = integral(connection, spells)
    assert added[:, 0] == pytest.approx(after - before, rel=1e-6)
    assert (added > 0).all()
    # a new campaign's mean touch, in the same context as the known campaign's
    known = kept.units.index(("search", "search-none"))
    ratio = kept.posterior.channel_effect[:, kept.channels.index("search")]
    ratio = ratio / kept.posterior.effect[:, known]
    assert added[:, 2] == pytest.approx(added[:, 1] * ratio, rel=1e-9)


def test_an_account_that_the_run_did_not_know_has_the_mean_rate(settings):
    a_world(settings, bought=False)
    add(settings.database_url, "accounts", "n", when(299.0), account_id="newcomer", segment="giant")
    with opened(settings.database_url) as connection:
        run, kept = find_model(connection)
        outlook = load_outlook(connection, run, kept, "newcomer")
        assert outlook.z is None
        assert (outlook.rate_multiplier == 1).all()
        prospects = [place for place, (_, state) in enumerate(kept.baselines) if state == 0]
        found = what_if(connection, "newcomer", channel="event", days=30)
    assert found["at"] == run.data_until
    rate = kept.posterior.baseline[:, prospects].mean(axis=1)
    seasons = outlook.comes_anyway(30) / rate
    assert 15 < seasons.mean() < 60
    assert found["touches"][0]["conversions"]["mean"] > 0


def test_where_customers_never_buy_again_a_touch_of_one_adds_nothing(settings):
    world = make_world(seed=3, accounts=40)
    world.account("target", when(0.0)).touch("target", when(10.0), "mail", "mail-a")
    world.sale("target", when(20.0)).store(settings.database_url)
    attribute(settings, settings.database_url, Options())
    with opened(settings.database_url) as connection:
        found = what_if(connection, "target")
    assert (found["state"], found["state_buys"]) == ("customer", False)
    assert all(row["conversions"]["mean"] == 0 for row in found["touches"])
    assert found["comes_anyway"]["high"] == 0


def test_what_a_touch_is_worth_and_costs(settings):
    """Its cost by the year's spend and touches; LTV by margin; what is not known is None."""
    url = settings.database_url
    run = a_world(settings, bought=False)
    sales = query(url, "select count(*) from stream.revenue where kind = 'new'"
                  " and iacv = 10000")[0][0]  # fmt: skip
    assert sales == 3
    with opened(url) as connection:
        bare = what_if(connection, "target")
        assert [row["ltv"] for row in bare["touches"]] == [None] * 3
        assert bare["retention_years"] is None
        known = what_if(connection, "target", margin=0.5)
        assert [row["probability_it_pays"] for row in known["touches"]] == [None] * 3
    means = [row["conversions"]["mean"] for row in bare["touches"]]
    assert means == sorted(means, reverse=True)
    query(url, "update stream.revenue set term_months = 1")
    lost = {f"like{number}" for number in range(3)}
    for account in lost:
        add(url, "revenue", f"lost {account}", when(250.0), account_id=account, kind="churn",
            iacv="-20000", currency="USD", properties="{}")  # fmt: skip
    touched = query(
        url, "select count(*) from stream.touches where campaign_id = 'event'"
        " and date_trunc('month', occurred_at) = '2025-03-01Z'"
    )[0][0]  # fmt: skip
    spend(url, "s1", "2025-03-31", "event", "event", 70.0)
    spend(url, "s0", "2024-03-31", "event", "event", 1e9)  # longer ago than a year
    with opened(url) as connection:
        half = what_if(connection, "target", channel="event", margin=0.5)
        whole = what_if(connection, "target", channel="event", margin=1.0)
        named = what_if(connection, "target", channel="event", campaign_id="event", margin=1.0)
    (row,), (double,) = half["touches"], whole["touches"]
    assert row["cost"] == pytest.approx(70.0 / touched)
    assert named["touches"][0]["cost"] == row["cost"]
    assert double["ltv"]["mean"] == pytest.approx(2 * row["ltv"]["mean"])
    years = float(half["retention_years"]["mean"])
    customers = query(url, "select account_id, min(occurred_at) from stream.revenue group by 1")
    lost_at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=250)
    month = timedelta(days=365.25 / 12)
    stayed = sum(
        (lost_at - since) / month if account in lost else (run.data_until - since) // month
        for account, since in customers
    )
    assert years == pytest.approx(stayed / 12 / len(lost), rel=0.1)
    # product of independent means
    product = row["conversions"]["mean"] * half["iacv_of_a_conversion"]["mean"] * years * 0.5
    assert row["ltv"]["mean"] == pytest.approx(product, rel=0.2)
    assert 0 < row["probability_it_pays"] <= double["probability_it_pays"] <= 1


def test_what_cannot_be_asked(settings):
    url = settings.database_url
    with opened(url) as connection, pytest.raises(UsageError, match="no account 'x' is known"):
        what_if(connection, "x")
    Story().touch("acme", "2026-01-01", "ads").sale("acme", "2026-01-05").store(url)
    with opened(url) as connection, pytest.raises(UsageError, match="nothing has been attributed"):
        explain(connection, "acme")
    attribute(settings, url, Options(rules_only=True))
    with opened(url) as connection, pytest.raises(UsageError, match="rules only"):
        explain(connection, "acme")
    attribute(settings, url, Options())
    asked = [
        ({"channel": "adz"}, r"no channel 'adz' \(nearest: 'ads'\); the run knows ads"),
        ({"channel": "%s"}, "no channel '%s'; the run knows ads"),
        ({"channel": "ads", "campaign_id": "b"}, "no campaign 'b' of channel ads.* knows a"),
        ({"campaign_id": "a"}, "--touch CHANNEL too"),
        ({"days": 0.0}, "--days is 0"),
        ({"currency": "EUR"}, "no amounts in 'EUR'; there are USD"),
    ]
    with opened(url) as connection:
        for options, says in asked:
            with pytest.raises(UsageError, match=says):
                what_if(connection, "acme", **options)
        with pytest.raises(UsageError, match=r"no account 'acne' is known .nearest: 'acme'"):
            explain(connection, "acne")


def test_accounts_are_found_by_id_name_and_domain(database_url):
    for event_id, account, name, domain in (
        ("a1", "0017", "Acme Ltd", "acme.example"), ("a2", "0018", "Bolt", "bolt.example"),
        ("a3", "0019", "Bolt", None),
    ):  # fmt: skip
        add(database_url, "accounts", event_id, "2026-01-01", account_id=account, name=name,
            domain=domain)  # fmt: skip
    with opened(database_url) as connection:
        for text in ("0017", "acme ltd", "ACME.example"):
            assert find_account(connection, text) == "0017"
        with pytest.raises(UsageError, match=r"2 accounts are called 'bolt'.*'0018', '0019'"):
            find_account(connection, "bolt")
        with pytest.raises(UsageError, match="nearest: 'Acme Ltd'"):
            find_account(connection, "Acme Lt")
        for text in ("%", "_017", "' or 1=1 --", "Robert'); drop table stream.accounts; --"):
            with pytest.raises(UsageError, match="no account"):
                find_account(connection, text)
        assert find_account(connection, "0018") == "0018"


@pytest.fixture
def explained(settings):
    """Two accounts; acme's second touch is of another channel, its third of no recorded cost."""
    url = settings.database_url
    story = Story()
    for name in ("acme", "bolt"):
        story.account(name, "2026-01-01").touch(name, "2026-01-02", "ads", "a")
        story.touch(name, "2026-01-03", "mail", "b")
    story.touch("acme", "2026-02-03", "mail", "b").touch("acme", "2026-02-10", "ads", "a")
    story.sale("acme", "2026-02-05", iacv="900.00").sale("bolt", "2026-03-01")
    story.sale("acme", "2026-03-02", "expansion", "100.00")
    story.store(url)
    spend(url, "s1", "2026-01-31", "ads", "a", 30.0)
    spend(url, "s2", "2026-01-01", "mail", "b", 8.0)
    spend(url, "s3", "2026-02-01", "ads", "a", 7.0)
    attribute(settings, url, Options())
    return url


def test_shares_of_touches_are_those_published_and_sum_to_one(explained):
    with opened(explained) as connection:
        found = explain(connection, "acme", margin=0.5)
    published = query(
        explained, "select conversion_id, touch_id, share from attribution.credit c"
        " join attribution.conversions using (run_id, conversion_id)"
        " where account_id = 'acme' and model = 'bayesian'",
    )  # fmt: skip
    told = {}
    for deal in found["conversions"]:
        told[deal["conversion_id"], None] = deal["baseline"]["mean"]
        for of in deal["touches"]:
            told[deal["conversion_id"], of["touch_id"]] = of["share"]["mean"]
    assert told == pytest.approx({(deal, touch): share for deal, touch, share in published})
    for deal in found["conversions"]:
        shares = [deal["baseline"], *(touch["share"] for touch in deal["touches"])]
        assert sum(share["mean"] for share in shares) == pytest.approx(1)
        assert all(0 <= share["low"] <= share["mean"] <= share["high"] <= 1 for share in shares)
        assert not deal["provisional"]
        assert not deal["differs_from_published"]
    # by channel the shares of the first deal: two mails, one ad before it
    first = found["conversions"][0]
    acquired = {row["channel"]: row["share"]["mean"] for row in found["acquired_by"]["channels"]}
    assert acquired["mail"] == pytest.approx(
        sum(t["share"]["mean"] for t in first["touches"] if t["channel"] == "mail")
    )
    assert sum(acquired.values()) == pytest.approx(1)


def test_what_touches_cost_by_hand(explained):
    """January: ads 30 for two touches, mail 8 for two; February: an ad for 7, mail unknown."""
    with opened(explained) as connection:
        found = explain(connection, "acme")
        prospect = explain(connection, "bolt")
    assert found["cost"] == {
        "cac": 15.0 + 4.0,
        "touches": 3,
        "touches_without_cost": 1,
        "spent_until_now": 15.0 + 4.0 + 7.0,
        "touches_until_now": 4,
        "touches_until_now_without_cost": 1,
    }
    assert prospect["cost"]["cac"] == 19.0
    assert found["worth"]["iacv_won"] == 1000.0
    assert found["worth"]["annual_value"] == 1000.0
    assert found["worth"]["ltv"] is None


def test_what_came_since_the_run_is_marked(explained):
    insert_sale = {"kind": "expansion", "iacv": "50", "currency": "USD", "properties": "{}"}
    add(explained, "revenue", "late", "2026-03-03", account_id="acme", **insert_sale)

    def marks():
        with opened(explained) as connection:
            deals = explain(connection, "acme")["conversions"]
        return [(deal["provisional"], deal["differs_from_published"]) for deal in deals]

    assert marks() == [(False, False), (False, False), (True, False)]
    with closing(Live(explained)) as live:
        live.credit_new()
    assert marks() == [(False, False), (False, False), (True, False)]
    touch(explained, "more", "2026-02-20", "mail", "b", account="acme")
    assert marks() == [(False, False), (False, True), (True, True)]
    restate(explained)
    assert [differs for _, differs in marks()] == [False, False, False]


def test_the_worth_of_an_account_by_hand():
    """1,000 for two years, 500 more for the second; then all of it for as long as others stay."""
    year = timedelta(days=365.25)
    at = datetime(2026, 7, 1, tzinfo=UTC)

    def days_before(years):
        return (at - years * year).strftime("%Y-%m-%dT%H:%M:%S")

    story = Story().sale("acme", days_before(2), iacv="1000")
    story.sale("acme", days_before(1), "expansion", "500")
    retention = np.full(10, 3.0)
    found = account_worth(story.journeys(), at, "USD", 0.5, retention)
    assert found["earned_so_far"] == pytest.approx(2500)
    assert found["annual_value"] == 1500
    assert found["ltv"]["mean"] == pytest.approx(0.5 * (2500 + 1500 * 3))
    assert account_worth(story.journeys(), at, "EUR", 0.5, retention) is None
    assert account_worth(story.journeys(), at, "USD", None, retention)["ltv"] is None
    story.sale("acme", days_before(0.5), "churn", "-1")
    lost = account_worth(story.journeys(), at, "USD", 0.5, None)
    assert (lost["annual_value"], lost["iacv_won"]) == (0, 1500)
    assert lost["ltv"]["mean"] == pytest.approx(0.5 * (1000 + 750))


@pytest.fixture
def command(explained, settings, monkeypatch):
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", explained)
    monkeypatch.delenv("BIZOPS_MARGIN", raising=False)
    with opened(explained) as connection, connection.cursor() as cursor:
        count_stored(cursor)

    def run(*arguments):
        done = CliRunner().invoke(app, list(arguments))
        if isinstance(done.exception, UsageError):
            raise done.exception
        assert done.exit_code == 0, done.exception
        return done.stdout

    return run


def test_commands(command, explained):
    text = command("explain", "acme", "--margin", "0.8")
    assert "Now a customer" in text
    assert "CAC: 19 USD for 3 touches; what 1 of them cost is not known" in text
    assert "Acquired by" in text
    found = json.loads(command("explain", "acme", "--format", "json"))
    assert found["timeline"]["channels"][0]["touches"] == 2
    assert "ads" in command("whatif", "acme")
    assert "conversions until" in command("whatif", "bolt", "--touch", "ads", "--days", "30")
    (row,) = json.loads(
        command("whatif", "bolt", "--touch", "ads", "--campaign", "a", "--format", "json")
    )["touches"]
    assert (row["channel"], row["campaign_id"], row["repeat"]) == ("ads", "a", 2)
    for text in ("'; drop table stream.touches; --", "%s", "{}", "\x1b[31m"):
        for name in ("explain", "whatif"):
            with pytest.raises(UsageError, match="no account"):
                command(name, "--", text)
    with pytest.raises(UsageError, match="--margin is 2"):
        command("explain", "acme", "--margin", "2")
    assert query(explained, "select count(*) from stream.touches") == [(6,)]
