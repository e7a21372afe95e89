"""What touches add in IACV, by creative and collateral, and which creative works best."""

from dataclasses import replace

import numpy as np
import pytest

from attribution.added import added_parts, find_added
from attribution.credit import DrawCredit, bayesian_credit, incremental
from attribution.features import build_features
from attribution.fit import Options, attribute
from attribution.items import Items, load_items
from attribution.journeys import load_journeys
from attribution.pages import write_pages
from attribution.sampling import Sampling
from attribution.sizes import size_draws
from bizops.database import opened
from warehouse.question import Question
from warehouse.report import report

from .conftest import Story, query
from .worlds import plausible, when

HALF_LIFE_DAYS = 6.0
BASELINE = 0.0005
SIZES = {"smb": 1000.0, "enterprise": 8000.0}
ALIKE = {"a": (0.05,) * 4, "b": (0.05,) * 4}
TEN_TIMES = {"a": (0.02, 0.2, 0.02, 0.02), "b": (0.05,) * 4}


def advertised(seed, effects, accounts=500, days=200.0):
    """A story, and the creative of each of its touches: each adds conversions by itself."""
    rng = np.random.default_rng(seed)
    story, creatives = Story(), []
    tau = HALF_LIFE_DAYS / np.log(2)
    for number in range(accounts):
        account = f"account{number:04}"
        segment = "smb" if number % 2 else "enterprise"
        story.account(account, when(0.0), segment)
        causes = list(rng.uniform(0, days, rng.poisson(BASELINE * days)))
        for campaign, by_creative in effects.items():
            for at in rng.uniform(0, days, rng.poisson(4)):
                creative = int(rng.integers(len(by_creative)))
                causes += list(at + rng.exponential(tau, rng.poisson(by_creative[creative])))
                story.touch(account, when(at), "ads", campaign)
                creatives.append(str(creative))
        causes = sorted(at for at in causes if at < days)
        for place, at in enumerate(causes):
            size = SIZES[segment] * rng.gamma(4.0) / 4.0
            story.sale(account, when(at), "expansion" if place else "new", f"{size:.2f}")
    return story, creatives


def true_posterior(features, effects, draws=40):
    """The truth as draws: creatives of a campaign have their mean effect."""
    sensible = plausible(features, draws=draws, spread=0.0)
    one = np.ones(draws)
    weights = np.zeros_like(sensible.weights)
    weights[:, :, 2] = 1.0
    return replace(
        sensible,
        baseline=np.full_like(sensible.baseline, BASELINE),
        effect=np.stack([one * np.mean(by) for by in effects.values()], axis=1),
        weights=weights,
        state=np.ones_like(sensible.state),
        saturation=np.zeros_like(sensible.saturation),
    )


def found(seed, effects, **size):
    story, creatives = advertised(seed, effects, **size)
    journeys = story.journeys()
    features = build_features(journeys)
    posterior = true_posterior(features, effects)
    order = [int(event_id[1:]) for event_id in journeys.touches.event_ids.to_pylist()]
    names = tuple(sorted({*creatives}))
    items = Items(
        {"creative": ("(none)", *names), "collateral": ("(none)",)},
        {
            "creative": np.array([1 + names.index(creatives[touch]) for touch in order]),
            "collateral": np.zeros(len(order), dtype=np.int64),
        },
    )
    credit = bayesian_credit(features, journeys.touches.unit, posterior)
    added = find_added(journeys, features, posterior, items, credit, seed)
    return journeys, features, posterior, items, added


def effects_of(added, unit):
    creatives = added.relative["creative"]
    return creatives.effect[creatives.unit == unit]


def test_a_creative_that_works_ten_times_as_well_is_found():
    *_, added = found(1, TEN_TIMES)
    good = effects_of(added, 0)
    assert (good[1] == good.max(axis=0)).mean() > 0.99
    low, high = np.quantile(good[1] / good[[0, 2, 3]].mean(axis=0), (0.05, 0.95))
    assert 2 < low < 10 < high
    alike = effects_of(added, 1)
    worst, best = np.argsort(alike.mean(axis=1))[[0, -1]]
    assert (alike[best] > alike[worst]).mean() < 0.95


@pytest.mark.parametrize("seed", range(4))
def test_where_all_are_alike_there_is_no_evidence(seed):
    *_, added = found(seed, ALIKE)
    for unit in (0, 1):
        effects = effects_of(added, unit)
        worst, best = np.argsort(effects.mean(axis=1))[[0, -1]]
        assert (effects[best] > effects[worst]).mean() < 0.95
        low, high = np.quantile(effects[best] / effects[worst], (0.05, 0.95))
        assert low <= 1 <= high


def test_parts_add_up_to_their_campaign():
    journeys, features, posterior, items, added = found(2, TEN_TIMES, accounts=120)
    day, unit, conversions = incremental(features, posterior)
    assert added.conversions == pytest.approx(conversions)
    parts = added_parts(journeys, features, posterior, items, (day, unit))
    assert np.bincount(parts.group, parts.part) == pytest.approx(np.ones(len(day)))
    for of in (added.of_conversions, added.of_iacv):
        assert np.bincount(added.group, of) == pytest.approx(np.ones(len(day)))

    creatives = added.relative["creative"]
    effect = {
        key: draws
        for *key, draws in zip(creatives.unit, creatives.item, creatives.effect, strict=True)
        for key in [tuple(key)]
    }
    by_creative = sum(
        conversions[group] * part * effect[unit[group], item]
        for group, item, part in zip(
            added.group, added.items["creative"], added.of_conversions, strict=True
        )
    )
    assert by_creative == pytest.approx(conversions.sum(axis=0), rel=1e-4)
    assert not len(added.relative["collateral"].unit)  # each campaign has but one: none


def test_parts_are_what_each_touch_adds_by_itself():
    """Where the draws are all the same, a creative's part is its touches' exact integral."""
    journeys, _, _, items, added = found(3, ALIKE, accounts=60)
    total = np.zeros((2, 5))
    unit, creative = journeys.touches.unit, items.of_touch["creative"]
    until = (journeys.until_us - journeys.touches.time_us) / 86_400_000_000
    np.add.at(total, (unit, creative), 0.05 * (1 - np.exp2(-until / HALF_LIFE_DAYS)))
    got = np.zeros((2, 5))
    conversions = added.conversions.mean(axis=1)[added.group] * added.of_conversions
    np.add.at(got, (added.unit[added.group], added.items["creative"]), conversions)
    assert got == pytest.approx(total, rel=1e-3)


def test_added_iacv_is_worth_what_those_who_were_touched_buy_for():
    *_, added = found(4, ALIKE, accounts=300)
    (currency,) = added.iacv
    assert currency == "USD"
    size = added.iacv["USD"].sum(axis=0) / added.conversions.sum(axis=0)
    assert size.mean() == pytest.approx(4500, rel=0.1)
    assert size.std() > 20  # sizes are not known for sure


def sizes_of(amounts, units, baseline=None, currency=None, draws=400, count=2):
    """Sizes where each conversion is one campaign's for sure."""
    amounts = np.array(amounts)
    story = Story()
    for number, amount in enumerate(amounts):
        story.sale(f"a{number:05}", "2026-01-01", "new", f"{amount:.4f}")
    conversions = story.journeys().conversions
    if currency is not None:
        conversions = replace(conversions, currency=np.array(currency, dtype=object))
    baseline = np.zeros(len(amounts), dtype=np.int64) if baseline is None else np.array(baseline)
    credit = DrawCredit(
        np.arange(len(amounts)), np.array(units), np.ones((len(amounts), draws), np.float32)
    )
    rng = np.random.default_rng(1)
    return size_draws(conversions, baseline, credit, (baseline.max() + 1, count), rng)


def test_a_campaign_of_few_conversions_has_its_segment_s_size():
    rng = np.random.default_rng(2)
    units = np.repeat([0, 1], [300, 2])
    sizes = sizes_of(1000 * rng.gamma(4.0, size=302) / 4, units)["USD"]
    assert sizes[:, 0].mean(axis=0) == pytest.approx([1000, 1000], rel=0.1)


def test_a_campaign_that_brings_large_deals_is_seen_to():
    rng = np.random.default_rng(3)
    units = np.repeat([0, 1], 100)
    amounts = np.where(units, 5000, 1000) * rng.gamma(4.0, size=200) / 4
    sizes = sizes_of(amounts, units)["USD"][:, 0]
    assert sizes.mean(axis=0) == pytest.approx([1000, 5000], rel=0.15)
    assert sizes.std(axis=0) / sizes.mean(axis=0) == pytest.approx(2 * [0.05], rel=1.5)
    assert (sizes[:, 1] > 2 * sizes[:, 0]).all()


def test_few_sales_leave_much_doubt():
    few = sizes_of([500, 1500, 900], [0, 0, 1])["USD"][:, 0, 0]
    many = sizes_of([500, 1500, 900] * 50, [0, 0, 1] * 50)["USD"][:, 0, 0]
    assert few.std() > 3 * many.std()


def test_sizes_of_several_currencies_are_kept_apart():
    found_ = sizes_of([1000.0] * 30 + [500.0] * 10, [0] * 40, None, ["USD"] * 30 + ["EUR"] * 10)
    assert list(found_) == ["USD", "EUR"]
    # a conversion is 3 in 4 in dollars, and then 1000
    assert found_["USD"][:, 0, 0].mean() == pytest.approx(750, rel=0.05)
    assert found_["EUR"][:, 0, 0].mean() == pytest.approx(125, rel=0.1)


def test_a_segment_without_a_sale_has_the_mean_of_all():
    sizes = sizes_of([1000.0, 1100.0, 900.0, 1000.0], [0, 0, 0, 1], [0, 0, 0, 2])["USD"]
    assert sizes[:, 1].mean() == pytest.approx(1000, rel=0.1)


@pytest.mark.slow
def test_creatives_of_a_fit_are_reported(settings, tmp_path):
    """From touches in the database to the sentence that names the best."""
    url = settings.database_url
    story, creatives = advertised(5, TEN_TIMES, accounts=400)
    story.store(url)
    for creative in {*creatives}:
        theirs = [f"t{i:04}" for i, name in enumerate(creatives) if name == creative]
        query(url, "update stream.touches set creative_id = %s, collateral_id = 'pdf'"
              " where event_id = any(%s)", f"ad-{creative}", theirs)  # fmt: skip
    with opened(url) as connection:
        items = load_items(connection, load_journeys(connection))
    assert items.names["creative"] == ("(none)", "ad-0", "ad-1", "ad-2", "ad-3")
    run = attribute(settings, url, Options(Sampling(draws=400, tune=400)))
    with opened(url) as connection:
        write_pages(connection, run.run_id, tmp_path)
    page = (tmp_path / "marketing.html").read_text()
    assert "ads / a: a touch of ad-1 works" in page
    assert "Of 1 campaigns there is no evidence" in page

    def ask(by, **more):
        with opened(url) as connection:
            return report(connection, Question(by=by, **more)).rows

    rows = {(row.group.campaign_id, row.group.item): row for row in ask("creative")}
    best = rows["a", "ad-1"].comparison.beside
    assert best.probability_best > 0.95
    assert best.probability_above_worst > 0.95
    assert best.times_worst.low > 2
    assert best.times_worst.low < 10 < best.times_worst.high
    assert rows["a", "ad-1"].comparison.relative_effect.mean > 2
    (whole,) = (row for row in ask("campaign") if row.group.campaign_id == "a")
    parts = [row for (campaign, _), row in rows.items() if campaign == "a"]
    for figure in ("attributed_conversions", "attributed_iacv", "incremental_conversions"):
        total = sum(getattr(row, figure).mean for row in parts)
        assert total == pytest.approx(getattr(whole, figure).mean, rel=1e-4)
    total = sum(row.incremental_iacv.mean for row in parts)
    assert total == pytest.approx(whole.incremental_iacv.mean, rel=0.1)

    (pdf, baseline) = ask("collateral")
    everything = ask("channel")[0]
    assert (pdf.group.key, baseline.group.key) == ("pdf", "(baseline)")
    for figure in ("attributed_iacv", "incremental_conversions", "incremental_iacv"):
        assert getattr(pdf, figure) == pytest.approx(getattr(everything, figure), rel=1e-4)
