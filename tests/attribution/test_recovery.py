"""Whether the model finds what a small generator, which is not the model, really caused."""

import numpy as np
import pytest

from attribution.credit import bayesian_credit, incremental, rule_credit
from attribution.features import build_features
from attribution.model import load_priors
from attribution.posterior import thinned
from attribution.rules import RULES
from attribution.sampling import Sampling, sample
from bizops.intervals import interval

from .worlds import make_world

SAMPLING = Sampling(seed=2, draws=600, tune=600)


def by_channel(features, unit, share):
    channel = features.unit_channel[unit]
    return np.bincount(channel, share, minlength=len(features.channels))


def error(found, truth):
    return np.abs(found - truth).sum() / truth.sum()


@pytest.mark.slow
def test_channels_get_what_they_caused():
    world = make_world(seed=11, customers=True)
    journeys = world.journeys()
    features = build_features(journeys)
    tree, gates, _ = sample(features, load_priors(), SAMPLING)
    assert gates.failed == ()
    posterior = thinned(tree, features, seed=1)
    credit, draws = bayesian_credit(features, journeys.touches.unit, posterior)
    assert np.bincount(credit.conversion, credit.share) == pytest.approx(1)

    truth = np.array([world.caused[channel] for channel in features.channels], dtype=float)
    touched = credit.touch >= 0
    unit = journeys.touches.unit[credit.touch[touched]]
    found = by_channel(features, unit, credit.share[touched])
    assert found.sum() == pytest.approx(truth.sum(), rel=0.2)

    rules = []
    for rule in RULES.values():
        ruled = rule_credit(journeys, features.pairs, rule, 90)
        rows = ruled.touch >= 0
        scored = by_channel(features, journeys.touches.unit[ruled.touch[rows]], ruled.share[rows])
        rules.append(error(scored * truth.sum() / scored.sum(), truth))
    assert error(found, truth) < 0.5 * min(rules)

    rows = draws.unit >= 0
    sums = np.zeros((draws.shares.shape[1], len(features.channels)))
    np.add.at(sums.T, features.unit_channel[draws.unit[rows]], draws.shares[rows].astype(float))
    assert sums.mean(axis=0) == pytest.approx(found, rel=1e-4)
    _, low, high = interval(sums, probability=0.98, zero_below=1.0)
    assert ((truth >= low) & (truth <= high)).sum() >= len(truth) - 1

    _, _, added = incremental(features, posterior)
    assert added.sum(axis=0).mean() == pytest.approx(found.sum(), rel=0.15)


@pytest.mark.slow
def test_where_nothing_works_little_is_credited():
    world = make_world(seed=12, accounts=800, scale=0.0)
    journeys = world.journeys()
    features = build_features(journeys)
    tree, gates, _ = sample(features, load_priors(), SAMPLING)
    assert gates.failed == ()
    posterior = thinned(tree, features, seed=1)
    _, draws = bayesian_credit(features, journeys.touches.unit, posterior)
    rows = draws.unit >= 0
    sums = np.zeros((draws.shares.shape[1], len(features.channels)))
    np.add.at(sums.T, features.unit_channel[draws.unit[rows]], draws.shares[rows].astype(float))
    assert sums.sum(axis=1).mean() < 0.25 * len(features.state)
    _, low, _ = interval(sums, zero_below=1.0)
    assert low == pytest.approx(0)
