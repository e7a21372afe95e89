"""The observer who knows all of a world but its campaigns' effects."""

import numpy as np
import pytest

from benchmarks.floor import observed, posterior, worlds_known
from benchmarks.worlds import make_world

SIZE = 1500


@pytest.mark.parametrize("name", worlds_known())
def test_at_the_true_effects_what_is_expected_is_what_happens(name):
    """The likelihood's slope is zero there but for chance: what is due is what the risk expects."""
    world = make_world(name, 1, SIZE, redraws=1)
    campaigns, known = world.causes.campaigns, observed(world)
    rate = np.append(campaigns.effect, 1.0)[known.cause] * known.rate
    share = rate / np.repeat(
        np.add.reduceat(rate, known.begins), np.diff(known.begins, append=len(rate))
    )
    due = np.bincount(known.cause, share, minlength=len(campaigns.effect) + 1)
    expected = known.risk * campaigns.effect
    assert due.sum() == pytest.approx(len(known.begins))
    for group in (campaigns.channel, np.zeros_like(campaigns.channel)):
        of_group, count = np.bincount(group, expected), np.bincount(group, due[:-1])
        assert count == pytest.approx(of_group, abs=4 * np.sqrt(of_group.max()))
        assert count.sum() == pytest.approx(of_group.sum(), rel=0.15)


def test_its_posterior_holds_the_truth():
    world = make_world("additive", 1, SIZE)
    draws = posterior(world, np.random.default_rng(1))
    truth = world.truth.conversions
    assert draws.shape[1] == len(truth)
    assert (draws > 0).all()
    low, high = np.quantile(draws, (0.05, 0.95), axis=0)
    assert 0.7 < ((low <= truth) & (truth <= high)).mean() <= 1.0
    assert np.abs(np.median(draws, axis=0) - truth).sum() < 0.35 * truth.sum()
