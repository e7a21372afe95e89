"""Further touches, more spend, orders of channels: what is worked out by hand comes out."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import psycopg2
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from attribution import fit
from attribution.bands import band
from attribution.contexts import LOG_REPEATS
from attribution.credit import incremental
from attribution.curves import read_curves
from attribution.curves_page import sections
from attribution.elasticity import Estimate, prior_draws
from attribution.features import build_features
from attribution.fit import Options, attribute
from attribution.kept import Kept
from attribution.model import load_priors
from attribution.modelled import build_modelled
from attribution.repeats import find_repeats, still_added
from attribution.responses import MULTIPLIERS, _Place, _respond, find_responses
from attribution.runs import published_run
from attribution.sequences import find_sequences, savage_dickey
from attribution.spend import Spend, periods_of
from benchmarks.worlds import make_world as make_known_world
from benchmarks.worlds.spec import BROAD
from bizops.cli import app
from bizops.database import opened
from bizops.errors import UsageError

from .conftest import Story, query
from .worlds import make_world, plausible, when

DRAWS = 200
ONES = np.ones(DRAWS)
PRIORS = load_priors()


def modelled(journeys, **changed):
    """Journeys with sensible draws, some of them replaced."""
    features = build_features(journeys)
    posterior = replace(plausible(features, DRAWS), **changed)
    names = (journeys.units, features.channels, features.baselines, features.knots)
    return build_modelled(journeys, Kept(*names, posterior), features.activity_levels.tolist())


@pytest.fixture(scope="module")
def world():
    return make_world(5, accounts=150).journeys()


# further touches


def test_what_touches_add_is_what_the_run_says_they_add(world):
    features = build_features(world)
    of = modelled(world)
    by_row = np.array(list(of.added().draws()))
    of_run = incremental(features, plausible(features, DRAWS))
    assert by_row.sum(axis=1) == pytest.approx(of_run[2].sum(axis=0), rel=1e-5)
    marked = of.added(world.touches.unit == 1)
    assert (marked.unit[marked.marked] == 1).all()
    assert (marked.unit[~marked.marked] != 1).all()
    assert np.array(list(marked.draws())).sum(axis=1) == pytest.approx(by_row.sum(axis=1))


def test_bins_of_activity_may_be_others_than_the_fits(world):
    """The rate at a level of activity is the same, whichever bins the accounts are in now."""
    features = build_features(world)
    of = plausible(features, DRAWS)
    z = features.activity_levels
    curve, power = np.polyfit(z, (np.log(of.activity) / z).T, 1)
    levels = np.array([-0.7, 0.1, 1.2])
    fitted = np.exp(power[:, None] * levels + curve[:, None] * levels**2)
    names = (world.units, features.channels, features.baselines, features.knots)
    kept = Kept(*names, replace(of, activity=fitted))
    assert build_modelled(world, kept, levels.tolist()).posterior.activity == pytest.approx(
        of.activity
    )
    with pytest.raises(UsageError, match="does not say which bins of activity"):
        build_modelled(world, kept, None)


def saturated(world, delta):
    channels = len({channel for channel, _ in world.units})
    return modelled(world, saturation=np.tile(np.asarray(delta)[:, None], channels))


def test_each_touch_adds_a_part_of_the_first(world):
    """With δ such that the second adds 0.6 of the first, the third and fourth add 3.5^-δ."""
    delta = math.log(1 / 0.6) / math.log(2)
    of = saturated(world, delta * ONES)
    size = {("search", "USD"): 100 * ONES, ("search", "EUR"): 3 * ONES}
    found = [row for row in find_repeats(of.added(), size, PRIORS) if row.channel == "search"]
    assert [(row.first, row.last) for row in found] == [(1, 1), (2, 2), (3, 4), (5, 8), (9, None)]
    expected = [1.0, 0.6, 3.5**-delta, 6.5**-delta, 14.0**-delta]
    assert [row.relative.mean for row in found] == pytest.approx(expected)
    assert all(row.is_evidence for row in found)
    for row, part in zip(found, expected, strict=True):
        assert row.conversions.mean == pytest.approx(part * found[0].conversions.mean)
        assert row.iacv["USD"].mean == pytest.approx(100 * row.conversions.mean)
        assert row.iacv["EUR"].high == pytest.approx(3 * row.conversions.high)
    search = of.touch_channel == of.channels.index("search")
    assert sum(row.touches for row in found) == search.sum()
    log = of.contexts.log_repeats[of.contexts.of_touch[search]]
    assert [row.touches for row in found] == [(log == one).sum() for one in LOG_REPEATS]


def test_without_saturation_a_first_touch_is_the_mean_touch(world):
    of = saturated(world, 1e-9 * ONES)
    added = of.added()
    total = np.array(list(added.draws())).sum(axis=1).mean()
    found = find_repeats(added, {}, PRIORS)
    assert sum(row.touches * row.conversions.mean for row in found) == pytest.approx(total)


def test_saturation_that_nothing_is_known_of_is_said_to_be():
    rng = np.random.default_rng(1)
    world = make_world(5, accounts=30).journeys()
    prior = np.exp(rng.normal(*PRIORS["log_saturation"], DRAWS))
    assert not any(r.is_evidence for r in find_repeats(saturated(world, prior).added(), {}, PRIORS))
    never = find_repeats(saturated(world, 0 * ONES).added(), {}, PRIORS)
    assert all(row.relative is None and not row.is_evidence for row in never)


@examples(deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.lists(st.floats(0, 3), min_size=1))
def test_touches_added_up_are_the_sum_of_each(touches, delta):
    found = still_added(np.array(touches, dtype=np.float64), np.array(delta))
    for row, power in zip(found, delta, strict=True):
        for total, count in zip(row, touches, strict=True):
            each = np.arange(1, count + 1, dtype=np.float64) ** -power
            assert total == pytest.approx(each.sum(), rel=1e-5)


# more spend


def place(*, elasticity, delta, accounts, added=10.0, amount=1000.0, own=None, campaign="a"):
    return _Place(
        spend=Spend("ads", campaign, ("USD",), np.zeros(1), np.array([amount])),
        own=own or Estimate(elasticity, 0.01, "", 0.6, 1.6),
        amount=amount,
        touches=20,
        added=added * ONES,
        elasticity=elasticity * ONES,
        accounts=tuple(np.array(side, dtype=np.float64) for side in accounts),
        delta=delta * ONES,
    )


def respond(*places, size=None, campaign=None):
    return _respond(places, size, prior_draws(), "ads", campaign, "USD")


def test_a_response_by_hand():
    """Four accounts had one touch; the next one of each adds half: dC/dS = 10/1000 · 0.5 · 0.5."""
    found = respond(place(elasticity=0.5, delta=1.0, accounts=([1], [4])), size=300 * ONES)
    assert found.average_cac.estimate == pytest.approx(100)
    assert found.elasticity.mean == 0.5
    assert found.touches_per_unit.mean == pytest.approx(20 / 1000 * 0.5)
    assert found.marginal_cac.estimate == pytest.approx(400)
    assert found.iacv_per_unit.mean == pytest.approx(300 / 400)
    assert [point.multiplier for point in found.curve] == list(MULTIPLIERS)
    now, most = (found.curve[MULTIPLIERS.index(x)] for x in (1.0, 3.0))
    assert (now.conversions.mean, now.spend, now.iacv.mean) == pytest.approx((10, 1000, 3000))
    # √3 touches for each: 1 + 0.73 of a second
    assert most.conversions.mean == pytest.approx(10 * (1 + (math.sqrt(3) - 1) / 2))
    least = found.curve[0]
    assert least.conversions.mean == pytest.approx(5)  # half of the touches, no one twice
    assert [point.was_seen for point in found.curve] == [
        0.6 <= multiplier <= 1.6 for multiplier in MULTIPLIERS
    ]


def test_the_slope_is_that_of_the_curve():
    one = place(elasticity=0.8, delta=0.7, accounts=([1, 2, 5, 12], [30, 9, 4, 1]))
    step = 1e-6
    rise = (one.conversions(1 + step) - one.conversions(1.0)) / step
    assert rise == pytest.approx(one.added * one.slope(), rel=1e-4)


def test_the_more_is_spent_the_worse_the_next_unit():
    curve = respond(place(elasticity=0.7, delta=0.5, accounts=([1, 3], [5, 2]))).curve
    gains = np.diff([point.conversions.mean for point in curve]) / np.diff(MULTIPLIERS)
    assert (gains > 0).all()
    assert (np.diff(gains) < 1e-9).all()


def test_a_channel_is_its_campaigns_together():
    both = (
        place(elasticity=1.0, delta=0.0, accounts=([1], [1])),
        place(elasticity=0.5, delta=0.0, accounts=([1], [1]), added=30.0, amount=3000.0),
    )
    found = respond(*both)
    assert found.spend == 4000
    assert found.average_cac.estimate == pytest.approx(100)
    # one more unit is shared as 1 to 3: 10/1000 · 1 · 1/4 and 30/3000 · 0.5 · 3/4
    assert 1 / found.marginal_cac.estimate == pytest.approx(0.0025 + 0.00375)


def test_doubt_is_in_the_intervals_and_a_cost_may_be_without_bound():
    doubtful = place(elasticity=0.5, delta=0.1, accounts=([1], [1]))
    unsure = replace(doubtful, elasticity=np.linspace(0.0, 0.8, DRAWS))
    assert respond(unsure).evidence == "none"  # as wide as the prior
    narrow = replace(doubtful, elasticity=np.linspace(0.0, 0.2, DRAWS))
    found = respond(narrow)
    assert found.marginal_cac.high is None
    assert found.marginal_cac.low < found.marginal_cac.estimate
    assert band(np.zeros(3)).cost() == (None, None, None, None, None)


def weeks(count, amount, campaign="search-good", channel="search", currencies=("USD",), jitter=0.0):
    start = int(np.datetime64("2025-01-06", "D").astype(np.int64))
    day = start + 7 * np.arange(count)
    rng = np.random.default_rng(4)
    amounts = amount * np.exp(jitter * rng.normal(size=count))
    return Spend(channel, campaign, currencies, day, amounts)


def responses(world, *spends, sizes=None):
    of = modelled(world)
    periods, paid = periods_of(spends, world)
    return find_responses(of.added(paid), spends, periods, sizes or {}, seed=1)


def test_constant_spend_has_an_average_and_no_curve(world):
    found = responses(world, weeks(40, 100.0))
    assert [row.campaign_id for row in found] == [None, "search-good"]
    for row in found:
        assert (row.evidence, row.curve, row.marginal_cac) == ("none", (), None)
        assert "spend hardly varied from week to week" in row.why
        assert row.spend == pytest.approx(4000)
        assert row.average_cac.estimate == pytest.approx(4000 / row.conversions.mean)


def test_touches_that_follow_spend_give_a_curve():
    """From timelines and spend to marginal CAC; a second campaign's bill never changes."""
    rng = np.random.default_rng(2)
    story, amounts = Story(), np.exp(0.6 * rng.normal(size=70)) * 100
    for week, amount in enumerate(amounts.tolist()):
        for campaign, mean in (("search-good", amount**0.6), ("search-none", 4.0)):
            for day in 5 + 7 * week + rng.uniform(0, 7, rng.poisson(mean)):
                story.touch(f"a{rng.integers(300)}", when(day), "search", campaign)
    for account in range(0, 300, 3):
        story.sale(f"a{account}", when(rng.uniform(200, 490)))
    moving = replace(weeks(70, 1.0), amount=amounts)
    total, good, same = responses(story.journeys(), moving, weeks(70, 50.0, "search-none"))
    assert [row.evidence for row in (total, good, same)] == ["own", "own", "none"]
    assert good.elasticity.low <= 0.6 <= good.elasticity.high
    assert good.elasticity.high - good.elasticity.low < 0.3
    assert good.marginal_cac.estimate > good.average_cac.estimate / 0.7
    half, double = (good.curve[MULTIPLIERS.index(x)] for x in (0.5, 2.0))
    assert half.conversions.mean < good.conversions.mean < double.conversions.mean
    assert double.touches.mean == pytest.approx(good.touches * 2**0.6, rel=0.1)
    assert double.conversions.mean < good.conversions.mean * double.touches.mean / good.touches
    assert "hardly varied" in same.why
    assert total.spend == pytest.approx(good.spend + same.spend)


def test_conversions_are_those_of_touches_while_money_was_spent(world):
    touches = world.touches
    half, whole = (responses(world, weeks(n, 1.0))[0] for n in (20, 42))
    assert half.touches < whole.touches
    assert half.conversions.mean < whole.conversions.mean
    first = np.datetime64("2025-01-06", "us").astype(np.int64)
    unit = world.units.index(("search", "search-good"))
    inside = (touches.unit == unit) & (touches.time_us >= first)
    inside &= touches.time_us < first + 20 * 7 * 86_400_000_000
    assert half.touches == inside.sum()


def test_nothing_spent_and_spend_without_touches(world):
    nothing, none = responses(world, weeks(30, 0.0), weeks(30, 9.0, "new", "radio"))[::2]
    assert (nothing.spend, nothing.average_cac, nothing.why) == (0, None, "nothing was spent")
    assert (none.spend, none.average_cac) == (270, None)
    assert "no touch of an account" in none.why
    assert responses(world) == []


def test_currencies_are_never_added_up(world):
    spends = (
        weeks(30, 10.0, "search-good", currencies=("EUR",)),
        weeks(30, 7.0, "search-none"),
        weeks(30, 10.0, "mail-a", "mail", currencies=("EUR", "USD")),
    )
    found = responses(world, *spends, sizes={("search", "USD"): 50 * ONES})
    told = [(row.channel, row.campaign_id, row.currency) for row in found]
    assert told == [
        ("search", None, "EUR"), ("search", "search-good", "EUR"),
        ("search", None, "USD"), ("search", "search-none", "USD"),
        ("mail", "mail-a", "EUR, USD"),
    ]  # fmt: skip
    assert [row.spend for row in found] == [300, 300, 210, 210, None]
    assert [row.iacv is None for row in found] == [True, True, False, False, True]
    assert found[-1].average_cac is None
    assert "don't add up" in found[-1].why


# orders


def test_savage_and_dickey_agree_with_what_is_known():
    """A normal posterior's density at zero is known, and so is that of a logistic."""
    rng = np.random.default_rng(1)
    prior = 0.25 / 0.25
    for mean, sd in ((0.0, 0.1), (0.3, 0.2), (0.8, 0.4)):
        known = prior * sd * math.sqrt(2 * math.pi) * math.exp(0.5 * (mean / sd) ** 2)
        found = savage_dickey(rng.normal(mean, sd, 20_000), 0.0, 0.25)
        assert found == pytest.approx(known, rel=0.1)
    assert savage_dickey(rng.normal(3.0, 0.1, 250), 0.0, 0.25) == 1000
    assert savage_dickey(rng.logistic(0.0, 0.25, 4000), 0.0, 0.25) == pytest.approx(1, abs=0.2)


def with_orders(journeys, **orders):
    """A model with these orders, and draws of all else."""
    return modelled(journeys, synergy=drawn(build_features(journeys), **orders).synergy)


def drawn(features, **orders):
    """Draws with these η (mean and standard deviation); the others as the prior has them."""
    rng = np.random.default_rng(7)
    base = plausible(features, DRAWS)
    synergy = np.zeros_like(base.synergy)
    for first, then in features.contexts.sequences():
        name = f"{features.channels[first]}_{features.channels[then]}"
        place = np.searchsorted(features.contexts.first, first)
        synergy[:, place, then] = (
            rng.normal(*orders[name], DRAWS) if name in orders else rng.logistic(0.0, 0.25, DRAWS)
        )
    return replace(base, synergy=synergy)


def test_orders_that_work_are_told_from_those_of_which_nothing_is_known():
    """In the world of orders ``features`` works only after broad interest was aroused."""
    journeys = make_known_world("order", 1, 200).journeys
    known = {f"{first}_features": (1.2, 0.3) for first in BROAD}
    of = with_orders(journeys, **known, features_email=(-1.0, 0.3))
    found = {(row.first, row.then): row for row in find_sequences(of.added(), PRIORS, 90.0)}
    told = {row.verdict: set() for row in found.values()}
    for order, row in found.items():
        told[row.verdict].add(order)
    assert told["for"] == {(first, "features") for first in BROAD} & set(found)
    assert len(told["for"]) >= 3
    assert told["against"] == {("features", "email")} & set(found)
    assert len(told["none"]) > 20
    for row in found.values():
        assert row.verdict != "for" or row.added.low > 0
        assert row.verdict != "against" or row.added.high < 0


def test_what_an_order_rests_on_is_counted():
    story = Story()
    story.touch("a", "2026-01-01", "mail").touch("a", "2026-01-20", "ads")  # in order
    story.touch("a", "2026-04-01", "ads")  # too late after
    story.touch("b", "2026-01-05", "ads").touch("b", "2026-01-09", "mail")  # the other order
    story.sale("a", "2026-02-01").sale("a", "2026-03-01", "expansion").sale("b", "2026-01-07")
    of = with_orders(story.journeys(), mail_ads=(0.5, 0.2))
    found = {(row.first, row.then): row for row in find_sequences(of.added(), PRIORS, 90.0)}
    row = found["mail", "ads"]
    assert (row.touches, row.others, row.conversions) == (1, 2, 2)
    assert found["ads", "mail"].conversions == 0
    # what is added with the order, less what would be without: (1 - e^-η) of it
    added = of.added()
    place = of.contexts.after.any(axis=1) & (of.contexts.channel == of.channels.index("ads"))
    with_it = np.array([draw[place[added.context]].sum() for draw in added.draws()])
    first = np.flatnonzero(of.posterior.first == of.channels.index("mail"))[0]
    eta = of.posterior.synergy[:, first, of.channels.index("ads")]
    assert row.added.mean == pytest.approx((with_it * (1 - np.exp(-eta))).mean())
    assert row.above == (eta > 0).mean()


def test_one_channel_alone_has_no_order():
    story = Story().touch("a", "2026-01-01").touch("a", "2026-01-05").sale("a", "2026-01-09")
    assert find_sequences(with_orders(story.journeys()).added(), PRIORS, 90.0) == []


# commands


@pytest.fixture
def told(settings, monkeypatch):
    """Invokes a command on this test's database; fits are made up."""
    monkeypatch.setattr(fit._Work, "_fit", lambda work, features, journeys: drawn(features))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))

    def invoke(*arguments):
        return CliRunner().invoke(app, arguments, catch_exceptions=False)

    return invoke


def spent(url, amounts, *, channel="search", campaign="search-good", currency="USD"):
    rows = [
        (
            f"s-{campaign}-{currency}-{n}",
            when(5.0 + 7 * n)[:10],
            campaign,
            channel,
            amount,
            currency,
        )
        for n, amount in enumerate(amounts)
    ]
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset,"
            " date, campaign_id, channel, amount, currency)"
            " values (%s, 'test', now(), '', 1, %s, %s, %s, %s, %s)",
            rows,
        )
    connection.close()


def test_the_commands(settings, told):
    world = make_world(5, accounts=150)
    world.store(settings.database_url)
    rng = np.random.default_rng(1)
    spent(settings.database_url, np.exp(rng.normal(5, 0.6, 40)).round(2).tolist())
    spent(settings.database_url, [10.0] * 40, channel="mail", campaign="=mail-a")
    run = attribute(settings, settings.database_url)

    found = json.loads(told("curves", "--by", "campaign", "--format", "json").output)
    assert found["run_id"] == run.run_id
    rows = {row["campaign_id"]: row for row in found["spend"]}
    assert set(rows) == {"=mail-a", "search-good"}
    assert rows["=mail-a"]["evidence"] == "none"
    assert rows["=mail-a"]["curve"] == []
    assert {row["channel"] for row in found["repeats"]} == {"search", "mail", "event"}
    credited = query(
        settings.database_url,
        "select sum(iacv_mean) / sum(conversions_mean) from attribution.credit_totals"
        " where model = 'bayesian' and dimension = 'channel'"
        " and channel = 'search'",
    )[0][0]
    search = rows["search-good"]
    assert search["iacv"]["mean"] / search["conversions"]["mean"] == pytest.approx(
        credited, rel=0.2
    )
    table = told("curves").output
    assert "spend hardly varied" in table.replace("\n", " ") or "no touch" in table
    points = told("curves", "--by", "campaign", "--format", "csv").output
    lines = list(csv.DictReader(io.StringIO(points)))
    assert len(lines) == len(search["curve"])
    assert "What the n-th touch" in table

    orders = json.loads(told("sequences", "--format", "json").output)["sequences"]
    assert {row["verdict"] for row in orders} <= {"for", "against", "none"}
    assert len(orders) == 6
    assert "search > mail" in told("sequences").output

    with opened(settings.database_url) as connection:
        page = "".join(sections(read_curves(connection, published_run(connection))))
    for heading in ("further touches", "more money", "orders of channels"):
        assert heading in page


def test_without_spend_the_rest_is_told(settings, told):
    make_world(5, accounts=40).store(settings.database_url)
    attribute(settings, settings.database_url)
    assert "No spend is recorded" in told("curves").output
    assert json.loads(told("curves", "--format", "json").output)["spend"] == []
    assert len(told("curves", "--format", "csv").output.splitlines()) == 1


@pytest.mark.parametrize("command", ["curves", "sequences"])
def test_without_a_model_there_is_a_sentence(settings, told, command):
    with pytest.raises(UsageError, match="no run is published"):
        told(command)
    Story().sale("acme", "2026-01-05").store(settings.database_url)
    attribute(settings, settings.database_url)
    with pytest.raises(UsageError, match="it needed no fit"):
        told(command)
    attribute(settings, settings.database_url, Options(rules_only=True))
    with pytest.raises(UsageError, match="is of rules only"):
        told(command)
