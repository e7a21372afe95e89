"""Conversions, each with what really caused it.

An account's rate is a sum of independent terms, so each term is drawn by itself: a touch has a
Poisson number of effects, each at its own delay, and what would have come anyway comes as a Poisson
process with seasons. The earliest of all is the first deal; what made it is its cause.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bizops.simulation.accounts import Accounts, season_by_day
from bizops.simulation.plan import CAMPAIGNS, CHANNELS, EXPANSION_EFFECT, SEGMENTS, Knobs
from bizops.simulation.touches import Touches

__all__ = ["Caused", "draw_expansions", "draw_first_deals", "expected_effects", "expected_organic"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

HALF_LIVES = np.array([CHANNELS[plan.channel].half_life_days for plan in CAMPAIGNS])
EFFECTS = np.array([plan.effect for plan in CAMPAIGNS])


@dataclass(frozen=True)
class Caused:
    """Conversions in order of time, all of shape ``(conversion,)``.

    ``touch`` is the index of the touch that caused it, or -1 if it would have come anyway.
    """

    at: FloatArray
    account: IntArray
    touch: IntArray


def draw_first_deals(
    knobs: Knobs, accounts: Accounts, touches: Touches, rng: np.random.Generator
) -> Caused:
    """The first deal of each account that makes one."""
    rate = np.array([s.organic_new_per_day for s in SEGMENTS])
    found = _draw(knobs, accounts, touches, rate, 1.0, accounts.arrived, rng)
    order = np.lexsort((found.at, found.account))
    account = found.account[order]
    first = order[np.r_[True, account[1:] != account[:-1]]] if len(order) else order
    return _chosen(found, first)


def draw_expansions(
    knobs: Knobs, accounts: Accounts, touches: Touches, bought: FloatArray, churned: FloatArray,
    rng: np.random.Generator,
) -> Caused:  # fmt: skip
    """Expansions of customers; any touch of the account counts, before the first deal or after."""
    rate = np.array([s.organic_expansion_per_day for s in SEGMENTS])
    from_day = np.minimum(bought, float(knobs.days))
    found = _draw(knobs, accounts, touches, rate, EXPANSION_EFFECT, from_day, rng)
    inside = (found.at > bought[found.account]) & (found.at < churned[found.account])
    return _chosen(found, np.flatnonzero(inside))


def expected_effects(
    knobs: Knobs, accounts: Accounts, touches: Touches, bought: FloatArray, churned: FloatArray
) -> FloatArray:
    """Conversions each touch adds in expectation while its account is at risk, shape ``(touch,)``.

    The integral of the touch's term of the rate: for first deals up to the first deal or the end,
    for expansions from the first deal to churn or the end.
    """
    end = float(knobs.days)
    sold, left = (np.minimum(when, end)[touches.account] for when in (bought, churned))
    half_life = HALF_LIVES[touches.campaign]

    def arrived(until: FloatArray) -> FloatArray:
        share: FloatArray = 1.0 - 2.0 ** (-np.maximum(until - touches.at, 0.0) / half_life)
        return share

    as_prospect = arrived(sold)
    as_customer = arrived(left) - arrived(np.minimum(np.maximum(sold, touches.at), left))
    total: FloatArray = _effects(knobs, accounts, touches) * (
        as_prospect + EXPANSION_EFFECT * as_customer
    )
    return total


def expected_organic(
    knobs: Knobs, accounts: Accounts, bought: FloatArray, churned: FloatArray
) -> float:
    """Conversions that were to be expected anyway while the accounts were at risk."""
    season = np.r_[0.0, np.cumsum(season_by_day(knobs))]
    days = np.arange(knobs.days + 1.0)
    end = float(knobs.days)
    start, sold, left = (
        np.interp(np.minimum(when, end), days, season)
        for when in (accounts.arrived, bought, churned)
    )
    new, expansion = (
        np.array(rates)[accounts.segment]
        for rates in (
            [s.organic_new_per_day for s in SEGMENTS],
            [s.organic_expansion_per_day for s in SEGMENTS],
        )
    )
    return float(accounts.propensity @ (new * (sold - start) + expansion * (left - sold)))


def _effects(knobs: Knobs, accounts: Accounts, touches: Touches) -> FloatArray:
    effects: FloatArray = (
        knobs.effect_scale * EFFECTS[touches.campaign] * accounts.propensity[touches.account]
    )
    return effects


def _draw(
    knobs: Knobs, accounts: Accounts, touches: Touches, organic_per_day: FloatArray, scale: float,
    from_day: FloatArray, rng: np.random.Generator,
) -> Caused:  # fmt: skip
    """All effects of touches and all that comes anyway, before it is known who is at risk when."""
    effects = np.repeat(
        np.arange(len(touches)), rng.poisson(scale * _effects(knobs, accounts, touches))
    )
    delay_scale = HALF_LIVES[touches.campaign[effects]] / np.log(2)
    caused_at = touches.at[effects] + rng.exponential(delay_scale)

    season = season_by_day(knobs)
    length = knobs.days - from_day
    rate = organic_per_day[accounts.segment] * accounts.propensity
    account = np.repeat(np.arange(len(rate)), rng.poisson(rate * season.max() * length))
    organic_at = from_day[account] + rng.random(len(account)) * length[account]
    in_season = rng.random(len(account)) * season.max() < season[organic_at.astype(np.int64)]
    account, organic_at = account[in_season], organic_at[in_season]

    found = Caused(
        at=np.r_[caused_at, organic_at],
        account=np.r_[touches.account[effects], account],
        touch=np.r_[effects, np.full(len(account), -1)],
    )
    return _chosen(found, np.flatnonzero(found.at < knobs.days))


def _chosen(found: Caused, which: IntArray) -> Caused:
    which = which[np.argsort(found.at[which], kind="stable")]
    return Caused(found.at[which], found.account[which], found.touch[which])
