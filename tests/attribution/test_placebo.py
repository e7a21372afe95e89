"""What comes after conversions: flagged where buyers go there on their own, and only there."""

from dataclasses import replace

import numpy as np
import pytest

from attribution.placebo import FLAGGED_Z, placebo

from .conftest import Story
from .worlds import when

pytestmark = pytest.mark.slow

DAYS, ACCOUNTS = 400.0, 1_500


def a_company(seed, *, intent=0.0, followed=0.0, onboarding=0.0, day_only=False):
    """Ads and mails come anyway; some purchases come out of ads, some out of nothing.

    ``intent`` brings searches around a part of the purchases, mostly before them; ``followed``
    mails follow each ad; ``onboarding`` mails follow each purchase.
    """
    rng = np.random.default_rng(seed)
    story = Story()
    moment = (lambda at: when(at)[:10]) if day_only else when
    for number in range(ACCOUNTS):
        account = f"account{number:05}"
        story.account(account, when(0.0))
        busy = rng.gamma(2.0, 0.5)
        ads = rng.uniform(0, DAYS, rng.poisson(3.0 * busy))
        touches = [(at, "ads") for at in ads]
        touches += [(at, "mail") for at in rng.uniform(0, DAYS, rng.poisson(5.0 * busy))]
        touches += [(at, "search") for at in rng.uniform(0, DAYS, rng.poisson(0.7))]
        for at in ads:
            after = at + rng.exponential(5.0, rng.poisson(followed))
            touches += [(day, "mail") for day in after]
        bought = [at + rng.exponential(6.0) for at in ads if rng.random() < 0.07]
        bought += rng.uniform(0, DAYS, rng.poisson(0.25)).tolist()
        bought = min(bought, default=DAYS)
        if bought < DAYS:
            story.sale(account, moment(bought))
            if rng.random() < intent:
                touches += [(bought + rng.normal(-8, 6), "search") for _ in range(2)]
            after = bought + rng.exponential(4.0, rng.poisson(onboarding))
            touches += [(day, "onboarding") for day in after]
        for at, channel in touches:
            if 0 <= at < DAYS:
                real = "mail" if channel == "onboarding" else channel
                story.touch(account, moment(at), real, channel)
    return story.journeys()


def by_channel(journeys, left_out=None):
    channels = sorted({channel for channel, _ in journeys.units})
    number = np.array([channels.index(channel) for channel, _ in journeys.units])
    found = placebo(journeys, number[journeys.touches.unit], left_out)
    return dict(zip(channels, found.z, strict=False)), found  # the last may have no touch left


def flagged(journeys, left_out=None):
    z, _ = by_channel(journeys, left_out)
    return {channel for channel, value in z.items() if value >= FLAGGED_Z}


@pytest.mark.parametrize("day_only", [False, True])
def test_a_channel_that_buyers_go_to_on_their_own_is_flagged(day_only):
    assert flagged(a_company(1, intent=0.7, day_only=day_only)) == {"search"}
    assert flagged(a_company(1, day_only=day_only)) == set()


def test_what_other_touches_set_off_is_no_reason():
    """Ads make people buy, and mails follow ads, so that mails follow purchases, too."""
    journeys = a_company(2, followed=2.0)
    assert flagged(journeys) == set()
    alone = replace(journeys, touches=journeys.touches.only(units_of(journeys, "mail")))
    assert flagged(alone) == {"mail"}


def test_a_part_of_the_accounts_tells_what_comes_anyway(monkeypatch):
    """All conversions are looked at still, whichever accounts the rates were learned from."""
    journeys = a_company(1, intent=0.7)
    whole, found = by_channel(journeys)
    monkeypatch.setattr("attribution.placebo.MOST_TOUCHES", len(journeys.touches) // 3)
    part, of_part = by_channel(journeys)
    assert (of_part.seen == found.seen).all()
    assert of_part.expected.sum(axis=1) == pytest.approx(found.expected.sum(axis=1), rel=0.15)
    assert part != whole
    assert part == pytest.approx(whole, rel=0.1, abs=1.0)


def units_of(journeys, *channels):
    of = np.array([channel in channels for channel, _ in journeys.units])
    return of[journeys.touches.unit]


def test_touches_of_a_sale_are_left_out():
    journeys = a_company(3, onboarding=1.5)
    assert flagged(journeys) == {"mail"}
    onboarding = np.array([campaign == "onboarding" for _, campaign in journeys.units])
    assert flagged(journeys, onboarding[journeys.touches.unit]) == set()


def test_what_is_expected_is_what_comes():
    """Over many companies in which nothing is wrong z is a standard normal, more or less."""
    z = np.array([list(by_channel(a_company(seed))[0].values()) for seed in range(10, 18)])
    assert abs(z.mean()) < 0.5
    assert 0.6 < z.std() < 1.5
    _, found = by_channel(a_company(10))
    assert found.expected.sum() == pytest.approx(found.seen.sum(), rel=0.1)


def test_little_or_nothing_to_see(story):
    assert flagged(story.touch("a", "2026-01-01").touch("b", "2026-01-02").journeys()) == set()
    assert flagged(story.sale("a", "2026-01-03").journeys()) == set()
    one = Story().touch("a", "2026-01-01T00:00").sale("a", "2026-01-01T00:00").journeys()
    assert flagged(one) == set()
