"""Accounts, campaigns and the touches of a world: everything that happens before anyone buys."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds.spec import SEGMENTS, Follow, Spec

__all__ = [
    "STRENGTH_SPREAD", "Accounts", "Campaigns", "Touches", "draw_accounts", "draw_campaigns",
    "draw_touches", "picked", "season",
]  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

YEAR = 365.0
STRENGTH_SPREAD = 0.4
"""Standard deviation of the log of channels' strengths, from one world to another."""


@dataclass(frozen=True)
class Accounts:
    """Shape ``(account,)``: since which day they are known, how busy and how apt to buy they are.

    ``intent_account`` and ``intent_at`` are the hidden episodes, shape ``(episode,)``.
    """

    segment: IntArray
    entered: FloatArray
    activity: FloatArray
    propensity: FloatArray
    intent_account: IntArray
    intent_at: FloatArray

    def __len__(self) -> int:
        return len(self.segment)


@dataclass(frozen=True)
class Campaigns:
    """Shape ``(campaign,)``; ``effect`` is what a touch adds in expectation, ``size`` relative."""

    channel: IntArray
    names: tuple[str, ...]
    size: FloatArray
    opens: FloatArray
    closes: FloatArray
    effect: FloatArray


@dataclass(frozen=True)
class Touches:
    """By account and time, shape ``(touch,)``; ``parent`` is what set a touch off, or -1.

    ``parent`` is a ``number``, which a touch keeps when others are taken away.
    """

    account: IntArray
    at: FloatArray
    campaign: IntArray
    number: IntArray
    parent: IntArray

    def __len__(self) -> int:
        return len(self.account)

    def only(self, kept: BoolArray | IntArray) -> "Touches":
        """Some of the touches, or all in another order."""
        return Touches(*(array[kept] for array in vars(self).values()))


def picked(weights: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Indexes drawn in proportion to weights, shape ``(count,)``."""
    edges = np.cumsum(weights)
    if not count:
        return np.zeros(0, dtype=np.int64)
    found = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)


def season(at: FloatArray) -> FloatArray:
    """How much of the most that comes anyway comes now, in (0, 1]: week, quarter's end, summer.

    Days are counted from a Monday, the first of January.
    """
    day = np.floor(at)
    weekend = np.where(day % 7 >= 5, 0.25, 1.0)
    of_year = day % YEAR
    closing = np.where(of_year % 91.25 >= 73, 1.0, 0.55)
    summer = np.where((of_year >= 182) & (of_year < 244), 0.5, 1.0)
    return np.asarray(weekend * closing * summer)


def draw_accounts(spec: Spec, count: int, rng: np.random.Generator) -> Accounts:
    """Accounts, 60 % of them known from the start unless the world has them late."""
    latest = 0.9 if spec.late else 0.6
    entered = rng.random(count) * latest * spec.days
    if not spec.late:
        entered[rng.random(count) < 0.6] = 0.0
    spread = spec.propensity
    episodes = rng.poisson(spec.intents_per_year * (spec.days - entered) / YEAR)
    account = np.repeat(np.arange(count), episodes)
    return Accounts(
        segment=picked(np.array([segment.share for segment in SEGMENTS]), count, rng),
        entered=entered,
        activity=rng.gamma(2.0, 0.5, count),
        propensity=np.exp(spread * rng.normal(size=count) - spread**2 / 2),
        intent_account=account,
        intent_at=entered[account] + rng.random(len(account)) * (spec.days - entered[account]),
    )


def draw_campaigns(spec: Spec, rng: np.random.Generator) -> Campaigns:
    """Campaigns, as many in each channel, with effects that are relative still."""
    channel = np.sort(np.arange(spec.campaigns) % len(spec.channels))
    strength = np.array([one.strength for one in spec.channels])
    strength = strength * np.exp(STRENGTH_SPREAD * rng.normal(size=len(strength)))
    effect = strength[channel] * np.exp(spec.campaign_spread * rng.normal(size=len(channel)))
    effect[rng.permutation(len(channel))[: round(spec.null_share * len(channel))]] = 0.0
    opens = rng.uniform(-0.3, 0.8, len(channel)) * spec.days
    closes = opens + rng.uniform(0.3, 0.8, len(channel)) * spec.days
    return Campaigns(
        channel=channel,
        names=tuple(f"{spec.channels[c].name}-{n:03}" for n, c in enumerate(channel)),
        size=np.exp(spec.size_spread * rng.normal(size=len(channel))),
        opens=np.maximum(opens, 0.0),
        closes=np.minimum(closes, spec.days),
        effect=effect,
    )


def draw_touches(
    spec: Spec, accounts: Accounts, campaigns: Campaigns, rng: np.random.Generator
) -> Touches:
    """Touches that campaigns make, those that intent brings, and those that others set off."""
    parts = [_reached(spec, accounts, campaigns, rng)]
    if spec.intents_per_year:
        parts.append(_searches(spec, accounts, campaigns, rng))
    made = _numbered(parts, spec.days)
    followers = [_followers(spec, follow, campaigns, made, rng) for follow in spec.follows]
    everything = [(made.account, made.at, made.campaign, made.parent), *followers]
    joined = _numbered(everything, spec.days) if followers else made
    return joined.only(np.lexsort((joined.at, joined.account)))


Rows = tuple[IntArray, FloatArray, IntArray, IntArray]
"""Account, time, campaign and parent of touches."""


def _numbered(parts: list[Rows], days: float) -> Touches:
    account, at, campaign, parent = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    inside = at < days
    number = np.arange(int(inside.sum()))
    return Touches(account[inside], at[inside], campaign[inside], number, parent[inside])


def _reached(
    spec: Spec, accounts: Accounts, campaigns: Campaigns, rng: np.random.Generator
) -> Rows:
    per_year = np.array([one.touches_per_year for one in spec.channels])
    share = campaigns.size * (campaigns.closes - campaigns.opens)
    share /= np.bincount(campaigns.channel, share)[campaigns.channel]
    mean = spec.touch_scale * per_year[campaigns.channel] * share * spec.days / YEAR
    campaign = np.repeat(np.arange(len(mean)), rng.poisson(mean * len(accounts)))
    account = picked(accounts.activity * accounts.propensity, len(campaign), rng)
    opens, closes = campaigns.opens[campaign], campaigns.closes[campaign]
    at = opens + rng.random(len(campaign)) * (closes - opens)
    kept = at >= accounts.entered[account]
    if spec.seasonal:
        kept &= rng.random(len(at)) < np.sqrt(season(at))
    return account[kept], at[kept], campaign[kept], np.full(int(kept.sum()), -1)


def _searches(
    spec: Spec, accounts: Accounts, campaigns: Campaigns, rng: np.random.Generator
) -> Rows:
    """One search an episode or more, within days of its start."""
    search = [one.name for one in spec.channels].index("paid_search")
    episode = np.repeat(
        np.arange(len(accounts.intent_at)), 1 + rng.poisson(1.5, len(accounts.intent_at))
    )
    at = accounts.intent_at[episode] + rng.exponential(3.0, len(episode))
    campaign = picked(campaigns.size * (campaigns.channel == search), len(episode), rng)
    return accounts.intent_account[episode], at, campaign, np.full(len(episode), -1)


def _followers(
    spec: Spec, follow: Follow, campaigns: Campaigns, made: Touches, rng: np.random.Generator
) -> Rows:
    names = [one.name for one in spec.channels]
    leads = np.isin(campaigns.channel, [names.index(name) for name in follow.after])
    source = np.flatnonzero(leads[made.campaign])
    source = np.repeat(source, rng.poisson(follow.mean, len(source)))
    at = made.at[source] + rng.exponential(follow.days, len(source))
    own = campaigns.channel == names.index(follow.channel)
    campaign = picked(campaigns.size * own, len(source), rng)
    return made.account[source], at, campaign, made.number[source]
