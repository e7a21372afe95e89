"""Worlds whose truth is known: that the truth is what they say, and the history keeps to it."""

import numpy as np
import psycopg2
import pytest

from attribution.credit import rule_credit
from attribution.journeys import US_PER_DAY, load_journeys
from attribution.pairs import counted_pairs
from attribution.rules import RULES
from benchmarks.worlds import WORLDS, make_world
from benchmarks.worlds.causes import draw_purchases, scaled_causes, touch_effects
from benchmarks.worlds.events import world_events
from benchmarks.worlds.lift import lift_test
from benchmarks.worlds.touches import draw_accounts, draw_campaigns, draw_touches
from bizops.errors import UsageError
from streams.records import Record
from streams.store import Store

SIZE = 300
DAY_ONLY = [name for name, spec in WORLDS.items() if spec.day_only]
NULL = [name for name, spec in WORLDS.items() if spec.null_share == 1]


@pytest.fixture(scope="module")
def worlds():
    return {name: make_world(name, 1, SIZE) for name in WORLDS}


def of_channel(causes, name):
    number = [channel.name for channel in causes.spec.channels].index(name)
    return causes.campaigns.channel[causes.touches.campaign] == number


def causes_of(name, seed, size):
    rng = np.random.default_rng(seed)
    spec = WORLDS[name]
    accounts = draw_accounts(spec, round(size / spec.conversion_rate), rng)
    campaigns = draw_campaigns(spec, rng)
    touches = draw_touches(spec, accounts, campaigns, rng)
    return scaled_causes(spec, accounts, campaigns, touches, size, rng)


def channel_sum(world, values, channel):
    return sum(v for (name, _), v in zip(world.journeys.units, values, strict=True)
               if name == channel)  # fmt: skip


def test_the_same_seed_gives_the_same_world(worlds):
    again, other = make_world("additive", 1, SIZE), make_world("additive", 2, SIZE)
    assert again.journeys.content_hash() == worlds["additive"].journeys.content_hash()
    assert (again.truth.conversions == worlds["additive"].truth.conversions).all()
    assert other.journeys.content_hash() != again.journeys.content_hash()


def test_a_world_that_is_not_there():
    with pytest.raises(UsageError, match="no world 'nul'; have additive, censored"):
        make_world("nul", 1)


@pytest.mark.parametrize("name", WORLDS)
def test_every_world(worlds, name):
    world, spec = worlds[name], WORLDS[name]
    journeys, truth = world.journeys, world.truth
    assert len(journeys.conversions) == pytest.approx(SIZE, rel=0.15)
    assert 5 <= len(spec.channels) <= 7
    assert 0.8 * spec.campaigns <= len(journeys.units) <= spec.campaigns
    assert (truth.conversions >= 0).all()
    expected = truth.conversions.sum() + truth.baseline
    assert len(journeys.conversions) == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert truth.realised.sum() <= len(journeys.conversions)
    worth = truth.iacv.sum() + truth.baseline_iacv
    assert journeys.conversions.amounts.sum() == pytest.approx(worth, rel=0.35)
    if name not in NULL:
        assert 0.2 * SIZE < truth.conversions.sum() < 0.6 * SIZE
    times = np.concatenate((journeys.touches.time_us, journeys.revenue.time_us))
    assert times.min() >= 1_704_067_200_000_000
    assert journeys.until_us - times.min() <= spec.days * US_PER_DAY
    for events in (journeys.touches, journeys.revenue):
        assert (events.day_only == spec.day_only).all()
        assert (events.time_us % US_PER_DAY == 0).all() == spec.day_only


def test_only_one_world_has_days_alone():
    assert DAY_ONLY == ["day_only"]


def test_campaigns_without_effect_add_nothing(worlds):
    assert NULL == ["null"]
    for values in (worlds["null"].truth.conversions, worlds["null"].truth.realised):
        assert not values.any()
    half = worlds["half_null"].truth
    assert (half.conversions == 0).sum() == pytest.approx(12, abs=1)
    assert not half.realised[half.conversions == 0].any()


@pytest.mark.parametrize("name", ["additive", "order", "saturation", "seasons", "renewals"])
def test_what_happened_agrees_with_the_truth(name):
    """Over histories of fresh worlds, within Poisson error."""
    found = [make_world(name, seed, SIZE).truth for seed in range(2, 8)]
    expected = np.concatenate([truth.conversions for truth in found])
    realised = np.concatenate([truth.realised for truth in found])
    total = expected.sum()
    assert abs(realised.sum() - total) < 3.5 * np.sqrt(total)
    spread = ((realised - expected) ** 2)[expected > 0].sum() / total
    assert 0.5 < spread < 1.6


@pytest.mark.parametrize("name", WORLDS)
def test_causes_come_before_what_they_cause(worlds, name):
    causes = worlds[name].causes
    found = draw_purchases(causes, np.random.default_rng(5), redraws=3)
    caused = found.touch >= 0
    touch = found.touch[caused]
    assert (found.account[caused] == causes.touches.account[touch]).all()
    assert (found.at[caused] >= causes.touches.at[touch]).all()
    assert (found.at < causes.spec.days).all()
    assert (found.at >= causes.accounts.entered[found.account]).all()
    account = found.redraw * len(causes.accounts) + found.account
    assert (np.diff(account) >= 0).all()
    assert (np.unique(account[found.is_first], return_counts=True)[1] == 1).all()
    if not causes.spec.again:
        assert found.is_first.all()
    else:
        assert (found.at < found.churned).all()


def test_touches_after_a_purchase_cause_nothing():
    """Where accounts buy once, touches that come later might as well not have been."""
    causes = causes_of("additive", 1, SIZE)
    causes.organic[:] = 0.0
    causes.organic[0] = 1e4  # bought at once
    found = draw_purchases(causes, np.random.default_rng(1), redraws=20)
    theirs = found.account == 0
    later = causes.touches.at[found.touch[theirs & (found.touch >= 0)]]
    assert theirs.sum() == 20
    assert len(later) == 0


def test_features_without_broad_interest_add_nothing(worlds):
    causes = worlds["order"].causes
    touches, features = causes.touches, of_channel(causes, "features")
    broad = np.any([of_channel(causes, name) for name in causes.spec.needs[0][1]], axis=0)
    roused = np.array([
        ((touches.account == touches.account[i]) & broad & (touches.at <= touches.at[i])
         & (touches.at >= touches.at[i] - 21)).any()
        for i in np.flatnonzero(features)
    ])  # fmt: skip
    assert ((causes.effect[features] > 0) == roused).all()
    assert 0.1 < roused.mean() < 0.9
    alone = causes.without(broad)
    assert len(alone.touches) == (~broad).sum()
    assert not alone.effect[of_channel(alone, "features")].any()
    assert alone.effect.any()


def test_further_touches_of_a_campaign_add_less(worlds):
    causes = worlds["saturation"].causes
    touches, campaigns = causes.touches, causes.campaigns
    seen = {}
    for i in range(3000):
        pair = (touches.account[i], touches.campaign[i])
        before = seen[pair] = seen.get(pair, -1) + 1
        assert causes.effect[i] == pytest.approx(campaigns.effect[pair[1]] * 0.6**before)
    assert max(seen.values()) >= 3


def test_touches_set_off_touches(worlds):
    causes = worlds["retargeting"].causes
    touches = causes.touches
    place = {number: i for i, number in enumerate(touches.number.tolist())}
    ads = of_channel(causes, "retargeting")
    assert ads.sum() > 1000
    parent = np.array([place[number] for number in touches.parent[ads].tolist()])
    assert (touches.account[parent] == touches.account[ads]).all()
    assert (touches.at[parent] <= touches.at[ads]).all()
    visits = np.any([of_channel(causes, n) for n in ("content", "paid_search", "paid_social")], 0)
    assert visits[parent].all()
    without = causes.without(visits)
    assert not of_channel(without, "retargeting").any()


def test_search_is_credited_with_far_more_than_it_adds():
    world = make_world("intent_tested", 3, 1000)
    journeys = world.journeys
    bought = journeys.conversions
    pairs = counted_pairs(journeys.touches, bought.account, bought.time_us, bought.day_only)
    ruled = rule_credit(journeys, pairs, RULES["last_touch"], 90)
    rows = ruled.touch >= 0
    unit = journeys.touches.unit[ruled.touch[rows]]
    credit = np.bincount(unit, ruled.share[rows], len(journeys.units))
    truth = channel_sum(world, world.truth.conversions, "paid_search")
    assert channel_sum(world, credit, "paid_search") > 5 * truth
    assert truth > 0
    (test,) = world.lift_tests
    assert test.channel == "paid_search"
    assert test.incremental_conversions < truth + 3 * test.standard_error


def test_intent_brings_searches_first_and_purchases_later(worlds):
    accounts = worlds["intent_tested"].causes.accounts
    touches = worlds["intent_tested"].causes.touches
    first = {}
    searches = of_channel(worlds["intent_tested"].causes, "paid_search")
    for account, at in zip(touches.account[searches], touches.at[searches], strict=True):
        first.setdefault(account, []).append(at)
    lags = [
        min((at - started for at in first.get(account, []) if at >= started), default=np.inf)
        for account, started in zip(accounts.intent_account, accounts.intent_at, strict=True)
    ]
    assert np.median(lags) < 4
    causes = worlds["intent_tested"].causes
    assert causes.intended.sum() > 0.8 * causes.organic.sum()


def test_lift_tests_find_what_a_channel_adds():
    """Over many experiments, against the truth of the same window by redraws."""
    causes = causes_of("additive", 4, 2000)
    search = of_channel(causes, "paid_search")
    inside = search & (causes.touches.at >= 200) & (causes.touches.at < 300)
    found = draw_purchases(causes, np.random.default_rng(1), redraws=200)
    counted = (found.touch >= 0) & (found.at >= 200) & (found.at < 300)
    expected = inside[found.touch[counted]].sum() / 200
    tests = [lift_test(causes, "paid_search", seed=s, starts=200.5, days=100) for s in range(60)]
    lifts = np.array([test.incremental_conversions for test in tests])
    errors = np.array([test.standard_error for test in tests])
    assert lifts.mean() == pytest.approx(expected, abs=4 * errors.mean() / np.sqrt(60))
    assert lifts.mean() > 4 * errors.mean() / np.sqrt(60)
    assert lifts.std() == pytest.approx(errors.mean(), rel=0.35)
    assert str(tests[0].starts_on) == "2024-07-19"
    assert (tests[0].ends_on - tests[0].starts_on).days == 99
    with pytest.raises(UsageError, match="no channel 'tv' in this world; have content, email"):
        lift_test(causes, "tv", seed=1, starts=0, days=10)


def test_seasons_move_purchases_and_touches(worlds):
    journeys = worlds["seasons"].journeys
    for events, least, most in (
        (journeys.conversions, 0.08, 0.22), (journeys.touches, 0.1, 0.24),
    ):  # fmt: skip
        weekend = (events.time_us // US_PER_DAY + 3) % 7 >= 5
        assert least < weekend.mean() < most
    additive = worlds["additive"].journeys.touches.time_us // US_PER_DAY
    assert ((additive + 3) % 7 >= 5).mean() == pytest.approx(2 / 7, abs=0.02)


def test_much_is_cut_off_where_the_data_ends_early(worlds):
    kept = {
        name: worlds[name].truth.conversions.sum() / worlds[name].causes.effect.sum()
        for name in ("additive", "censored")
    }
    assert kept["censored"] < 0.75 < kept["additive"]


def test_renewals_are_not_conversions(worlds):
    journeys = worlds["renewals"].journeys
    revenue = journeys.revenue
    assert {*revenue.kind} == {"new", "expansion", "renewal", "churn"}
    assert {*journeys.conversions.kind} == {"new", "expansion"}
    amounts = revenue.iacv.astype(float)
    assert not amounts[revenue.kind == "renewal"].any()
    assert (amounts[revenue.kind == "churn"] < 0).all()
    last = np.append(revenue.account[1:] != revenue.account[:-1], True)
    assert last[revenue.kind == "churn"].all()
    first = np.diff(revenue.account, prepend=-1) != 0
    assert ((revenue.kind == "new") == first).all()


@pytest.mark.parametrize("name", ["renewals", "day_only"])
def test_the_database_gives_the_same_journeys(database_url, name):
    world = make_world(name, 1, 40)
    records = [
        Record(event.topic, 0, number, 1e9, None, event.to_json())
        for number, event in enumerate(world_events(world))
    ]
    connection = psycopg2.connect(database_url)
    try:
        Store(connection).write(records)
        assert load_journeys(connection).content_hash() == world.journeys.content_hash()
    finally:
        connection.close()


def test_effects_follow_accounts_propensity(worlds):
    causes = worlds["propensity"].causes
    busy = np.bincount(causes.touches.account, minlength=len(causes.accounts))
    assert np.corrcoef(np.log1p(busy), np.log(causes.accounts.propensity))[0, 1] > 0.3
    again = touch_effects(causes.spec, causes.accounts, causes.campaigns, causes.touches)
    assert again == pytest.approx(causes.effect)
    ratio = again / causes.campaigns.effect[causes.touches.campaign]
    assert ratio == pytest.approx(causes.accounts.propensity[causes.touches.account])
