"""Expected conversions in parts of the time at risk, and likelihoods of accounts."""

from dataclasses import replace

import numpy as np
import pytest

from attribution.checks import check_predictions
from attribution.density import log_density
from attribution.expected import account_log_likelihood, expected, measure, some_accounts
from attribution.features import build_features
from attribution.heldout import compare_held_out
from attribution.inputs import build_inputs
from attribution.kept import Kept
from attribution.kernels import bump_weights
from attribution.model import load_priors, variables
from attribution.risk import clipped, joined

from .worlds import make_world, plausible


@pytest.fixture(scope="module")
def journeys():
    return make_world(seed=3, accounts=120, customers=True).journeys()


@pytest.fixture(scope="module")
def features(journeys):
    return build_features(journeys)


def test_accounts_add_up_to_the_likelihood_that_was_fitted(journeys, features):
    """Differences of the log density between draws, less those of the prior, are the accounts'."""
    posterior = plausible(features, 2)
    everyone = np.arange(len(journeys.account_ids))
    spells = features.spells
    bump = np.array([[2.0, 1.0, 3.0], [0.5, 0.7, 0.4]])
    rise = np.array([0.2, 0.5, 0.9])
    weights = bump_weights(bump[0], bump[1], rise)
    posterior = replace(posterior, weights=np.stack([weights, weights]))
    totals = account_log_likelihood(journeys, features, spells, everyone, posterior).sum(axis=1)

    priors = dict.fromkeys(load_priors(), (0.0, 1000000000.0))  # as good as flat
    inputs = build_inputs(features, priors)
    sizes = variables(features)
    assert sizes["log_effect"] == len(features.unit_channel)
    assert {"season", "log_saturation", "synergy"} < {*sizes}
    repeats, after = features.contexts.means(3)
    sequences = features.contexts.sequences()
    values = []
    for d in range(2):
        synergy = posterior.synergy[d]
        # the fit has effects of a mean touch, and a baseline of the mean day
        mean_touch = np.einsum("fc,cf->c", synergy, after) - posterior.saturation[d] * repeats
        mean_day = features.calendar.mean(axis=0) @ posterior.season[d]
        levels = features.activity_levels
        power, curve = np.polyfit(levels, np.log(posterior.activity[d]) / levels, 1)[::-1]
        parts = {
            "log_baseline": np.log(posterior.baseline[d]) + mean_day,
            "log_effect_scale": np.zeros(1),
            "log_channel_effect": np.zeros(3),
            "log_effect_shape": np.array([-30.0]),  # effects' prior is flat in their logs
            "kernel_log_peak": bump[0],
            "kernel_log_width": np.log(bump[1]),
            "kernel_rise": np.log(rise / (1.0 - rise)),
            "log_effect": np.log(posterior.effect[d]) + mean_touch[features.unit_channel],
            "season": posterior.season[d],
            "log_saturation": np.log(posterior.saturation[d]),
            "synergy": np.array(
                [synergy[list(features.contexts.first).index(f), c] for f, c in sequences]
            ),
            "activity_power": np.array([power]),
            "activity_curve": np.array([curve]),
            "log_customer_effect": np.log(posterior.state[d][1:]),
        }
        x = np.concatenate([parts[name] for name in sizes])
        values.append(log_density(x, inputs, np.empty_like(x)))
    assert totals[1] - totals[0] == pytest.approx(values[1] - values[0], rel=1e-6)


def test_parts_of_the_time_add_up_to_all_of_it(journeys, features):
    posterior = plausible(features)
    spells = features.spells
    middle = np.full(
        len(journeys.account_ids), (journeys.started_us.min() + journeys.until_us) // 2
    )
    never, always = (np.full_like(middle, sign * np.iinfo(np.int64).max) for sign in (1, -1))
    parts = [spells, clipped(spells, always, middle), clipped(spells, middle, never)]
    together, cell = joined(parts)
    cells = measure(journeys, features, together, cell, 3)
    every, before, after = expected(cells, posterior, features.unit_channel).T
    assert before + after == pytest.approx(every, rel=1e-9)
    assert (before > 0).all()
    assert (after > 0).all()


def test_a_sample_of_accounts_is_the_same_one_and_about_as_large(journeys):
    some = some_accounts(journeys, len(journeys.touches) // 3)
    assert 0.15 < some.mean() < 0.55
    assert (some_accounts(journeys, len(journeys.touches) // 3) == some).all()
    fewer = some_accounts(journeys, len(journeys.touches) // 6)
    assert not (fewer & ~some).any()
    assert some_accounts(journeys, 10**9).all()


def test_observed_counts_of_checks_are_a_walk_through_the_conversions(journeys, features):
    checks = check_predictions(journeys, features, plausible(features), seed=1)
    by_kind = {kind: [c for c in checks if c.kind == kind] for kind in {c.kind for c in checks}}
    total = len(journeys.conversions)
    for kind in ("state", "activity", "month"):
        assert sum(check.observed for check in by_kind[kind]) == total
    touches, conversions = journeys.touches, journeys.conversions
    for number, channel in enumerate(features.channels):
        first = {}
        of = features.unit_channel[touches.unit] == number
        for account, time in zip(touches.account[of], touches.time_us[of], strict=True):
            first.setdefault(account, time)
        after = sum(
            first.get(account, np.inf) <= time
            for account, time in zip(conversions.account, conversions.time_us, strict=True)
        )
        found = {check.name: check.observed for check in by_kind["channel"]}
        assert found[f"after a touch of {channel}"] == after
        assert found[f"no touch of {channel} so far"] == total - after


def test_a_model_that_expects_as_many_as_came_passes_and_three_times_as_many_fails(
    journeys, features
):
    close = plausible(features, spread=0.0)
    everything = features.spells
    cells = measure(journeys, features, everything, np.zeros_like(everything.account), 1)
    mean = expected(cells, close, features.unit_channel).mean()
    for factor, failed in ((1.0, False), (3.0, True)):
        scale = factor * len(journeys.conversions) / mean
        scaled = replace(close, baseline=close.baseline * scale, effect=close.effect * scale)
        months = [
            check
            for check in check_predictions(journeys, features, scaled, seed=1)
            if check.kind == "month"
        ]
        assert sum(check.mean for check in months) == pytest.approx(factor * 97, rel=0.01)
        assert any(check.failed for check in months) == failed
        for check in months:
            assert check.low <= check.mean <= check.high
            assert check.p == pytest.approx(0.5, abs=0.5)
            assert (check.z < 0) == (check.p > 0.5) or abs(check.z) < 0.3


def test_the_held_out_score_tells_a_worse_model_from_a_like_one(journeys, features):
    """Beside the same draws it is nothing; beside a model that has no effects it is clear."""
    good = plausible(features, draws=60, spread=0.3)
    kept = Kept(journeys.units, features.channels, features.baselines, features.knots, good)
    levels = features.activity_levels
    same = compare_held_out(journeys, features, good, ("run", kept, levels, journeys.until_us))
    assert same.difference == pytest.approx(0, abs=1e-6)
    assert not same.failed
    assert same.accounts == len(journeys.account_ids)
    bad = replace(good, baseline=good.baseline * 8)
    worse = compare_held_out(journeys, features, bad, ("run", kept, levels, journeys.until_us))
    assert worse.failed
    assert worse.difference < -50
    better = compare_held_out(
        journeys, features, good, ("run", replace(kept, posterior=bad), levels, journeys.until_us)
    )
    assert better.difference == pytest.approx(-worse.difference, rel=1e-6)
    assert not better.failed


def test_a_published_model_is_asked_about_campaigns_and_segments_that_it_did_not_know(
    journeys, features
):
    good = plausible(features)
    fewer = Kept(
        journeys.units[:-1],
        features.channels,
        features.baselines[:-1],
        features.knots,
        replace(good, effect=good.effect[:, :-1], baseline=good.baseline[:, :-1]),
    )
    score = compare_held_out(journeys, features, good, ("run", fewer, features.activity_levels, 0))
    assert np.isfinite(score.difference)
