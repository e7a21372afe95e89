"""What makes accounts buy, cause by cause: what touches set off, and what comes anyway.

Each touch sets off a purchase with a chance of its own, given the touches before it, and the
purchase comes after a delay. What comes anyway comes at any time, or out of a hidden intent. All
these are candidates: an account that buys once buys at the earliest and what was to come later
never happens; a customer does only a part of what would still come.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds.spec import SEGMENTS, Spec
from benchmarks.worlds.touches import Accounts, Campaigns, Touches, picked, season

__all__ = ["Causes", "Purchases", "draw_purchases", "scaled_causes", "touch_effects"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

YEAR = 365.0
CUSTOMER_TOUCHED, CUSTOMER_ORGANIC = 0.6, 0.5
"""What customers do of what touches would set off, and of what would come anyway."""
CHURN = 0.15
"""Of a customer, at each renewal."""
DELAYS = ("exponential", "erlang", "loglogistic", "weibull")
TRIALS = 6


@dataclass(frozen=True)
class Causes:
    """Everything that can make the accounts of a world buy.

    Attributes
    ----------
    effect
        Candidates that each touch sets off in expectation, over all time, shape ``(touch,)``.
    organic
        Candidates of each account that come anyway, before the season takes its part of them,
        shape ``(account,)``.
    intended
        Candidates of each hidden episode, shape ``(episode,)``.
    """

    spec: Spec
    accounts: Accounts
    campaigns: Campaigns
    touches: Touches
    effect: FloatArray
    organic: FloatArray
    intended: FloatArray

    def without(self, gone: BoolArray) -> "Causes":
        """The same world without some touches and those that these set off."""
        lost = np.isin(self.touches.parent, self.touches.number[gone])
        touches = self.touches.only(~gone & ~lost)
        effect = touch_effects(self.spec, self.accounts, self.campaigns, touches)
        return replace(self, touches=touches, effect=effect)


@dataclass(frozen=True)
class Purchases:
    """By redraw, account and time, shape ``(purchase,)``; ``touch`` is -1 where it came anyway.

    ``churned`` is the day on which the account leaves, which may be after the end.
    """

    redraw: IntArray
    account: IntArray
    at: FloatArray
    touch: IntArray
    is_first: BoolArray
    churned: FloatArray

    def __len__(self) -> int:
        return len(self.account)


def touch_effects(
    spec: Spec, accounts: Accounts, campaigns: Campaigns, touches: Touches
) -> FloatArray:
    """What each touch sets off in expectation, given the touches before it, ``(touch,)``."""
    effect = campaigns.effect[touches.campaign] * accounts.propensity[touches.account]
    if spec.wear < 1.0:
        effect *= spec.wear ** _exposures_before(touches)
    names = [channel.name for channel in spec.channels]
    channel = campaigns.channel[touches.campaign]
    for needing, needed in spec.needs:
        rouses = np.isin(channel, [names.index(name) for name in needed])
        works = _follows_within(touches, rouses, spec.needs_days)
        effect[(channel == names.index(needing)) & ~works] = 0.0
    return effect


def _exposures_before(touches: Touches) -> IntArray:
    """Earlier touches of the same campaign and account."""
    order = np.lexsort((touches.at, touches.campaign, touches.account))
    pair = np.stack((touches.account[order], touches.campaign[order]))
    place = np.arange(len(order))
    begins = np.r_[True, (pair[:, 1:] != pair[:, :-1]).any(axis=0)][: len(order)]
    before = np.empty(len(order), dtype=np.int64)
    before[order] = place - np.maximum.accumulate(np.where(begins, place, 0))
    return before


def _follows_within(touches: Touches, marked: BoolArray, days: float) -> BoolArray:
    """Whether a marked touch of the account lies within so many days before each touch."""
    last = np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))
    same = (last >= 0) & (touches.account[last] == touches.account)
    return np.asarray(same & (touches.at - touches.at[last] <= days))


def scaled_causes(
    spec: Spec,
    accounts: Accounts,
    campaigns: Campaigns,
    touches: Touches,
    conversions: int,
    rng: np.random.Generator,
) -> Causes:
    """Causes whose strengths make the wanted number of conversions, a share of them by touches.

    ``campaigns.effect`` is relative when it comes and absolute in what is returned.
    """
    relative = touch_effects(spec, accounts, campaigns, touches)
    inside = touches.at + _delays(spec, campaigns, touches.campaign, rng) < spec.days
    reach = float((relative * inside).sum())
    caused = spec.caused + rng.uniform(-0.1, 0.1) if reach > 0 else 0.0
    weight = np.array([segment.organic for segment in SEGMENTS])[accounts.segment]
    organic = weight * accounts.propensity * (spec.days - accounts.entered)
    intended = accounts.propensity[accounts.intent_account]
    heard = float((intended * (_intended_at(accounts.intent_at, rng) < spec.days)).sum())
    kept = season(np.arange(spec.days)).mean() if spec.seasonal else 1.0

    def scaled(candidates: float) -> Causes:
        anyway = (1.0 - caused) * candidates
        per_effect = caused * candidates / reach if reach > 0 else 0.0
        return Causes(
            spec=spec,
            accounts=accounts,
            campaigns=replace(campaigns, effect=campaigns.effect * per_effect),
            touches=touches,
            effect=relative * per_effect,
            organic=organic * (1.0 - spec.intent_share) * anyway / kept / organic.sum(),
            intended=intended * spec.intent_share * anyway / max(heard, 1.0),
        )

    candidates = float(conversions)
    for _ in range(TRIALS):
        found = len(draw_purchases(scaled(candidates), rng, TRIALS)) / TRIALS
        candidates *= conversions / max(found, 1.0)
    return scaled(candidates)


def draw_purchases(causes: Causes, rng: np.random.Generator, redraws: int = 1) -> Purchases:
    """Draw who buys when and why, so many times over, with the touches as they are."""
    spec = causes.spec
    account, at, touch = _candidates(causes, rng, redraws)
    redraw = rng.integers(redraws, size=len(account))
    inside = at < spec.days
    account, at, touch, redraw = account[inside], at[inside], touch[inside], redraw[inside]
    order = np.lexsort((at, account, redraw))
    account, at, touch, redraw = account[order], at[order], touch[order], redraw[order]
    group = redraw * len(causes.accounts) + account
    first = np.r_[True, group[1:] != group[:-1]][: len(group)]
    churned = np.full(len(group), np.inf)
    kept = first.copy()
    if spec.again:
        bought = at[first][np.cumsum(first) - 1]
        terms = rng.geometric(CHURN, int(first.sum()))[np.cumsum(first) - 1]
        churned = bought + YEAR * terms
        share = np.where(touch >= 0, CUSTOMER_TOUCHED, CUSTOMER_ORGANIC)
        kept |= (rng.random(len(group)) < share) & (at < churned)
    columns = (redraw, account, at, touch, first, churned)
    return Purchases(*(column[kept] for column in columns))


def _candidates(
    causes: Causes, rng: np.random.Generator, redraws: int
) -> tuple[IntArray, FloatArray, IntArray]:
    """Account, time and touch of everything that any cause would bring, in no order."""
    spec, accounts, touches = causes.spec, causes.accounts, causes.touches

    def drawn(expected: FloatArray) -> IntArray:
        return picked(expected, int(rng.poisson(redraws * expected.sum())), rng)

    touch = drawn(causes.effect)
    set_off = touches.at[touch] + _delays(spec, causes.campaigns, touches.campaign[touch], rng)
    organic = drawn(causes.organic)
    entered = accounts.entered[organic]
    comes = entered + rng.random(len(organic)) * (spec.days - entered)
    if spec.seasonal:
        in_season = rng.random(len(comes)) < season(comes)
        organic, comes = organic[in_season], comes[in_season]
    episode = drawn(causes.intended)
    return (
        np.r_[touches.account[touch], organic, accounts.intent_account[episode]],
        np.r_[set_off, comes, _intended_at(accounts.intent_at[episode], rng)],
        np.r_[touch, np.full(len(organic) + len(episode), -1)],
    )


def _intended_at(started: FloatArray, rng: np.random.Generator) -> FloatArray:
    """When an episode's purchase comes: four days after its start or, mostly, weeks."""
    return started + 4.0 + rng.gamma(2.0, 9.0, len(started))


def _delays(
    spec: Spec, campaigns: Campaigns, campaign: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Days from touches of these campaigns to what they set off."""
    channel = campaigns.channel[campaign]
    kind = np.array([DELAYS.index(one.delay) for one in spec.channels])[channel]
    scale = spec.delay_scale * np.array([one.delay_days for one in spec.channels])[channel]
    first, second = rng.exponential(size=(2, len(campaign)))
    relative = (first, first + second, np.sqrt(np.expm1(first)), first ** (1 / 0.7))
    return np.asarray(scale * np.choose(kind, relative))
