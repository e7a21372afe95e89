"""One world: what the product would see of it, and what of that touches really caused."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.experiments import LiftTests
from attribution.journeys import US_PER_DAY, Journeys, build_journeys
from benchmarks.worlds.causes import YEAR, Causes, Purchases, draw_purchases, scaled_causes
from benchmarks.worlds.lift import lift_test
from benchmarks.worlds.spec import SEGMENTS, WORLDS
from benchmarks.worlds.touches import draw_accounts, draw_campaigns, draw_touches
from bizops.errors import UsageError
from bizops.events import LiftTest

__all__ = ["REDRAWS", "START_US", "Truth", "World", "make_world"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

START_US = 1_704_067_200_000_000
"""The first day of every world, Monday, the first of January 2024."""
REDRAWS = 400
SIGMA_IACV = 0.5
EXPANSION_IACV = 0.4
"""What an expansion is worth, relative to the account's first deal."""


@dataclass(frozen=True)
class Truth:
    """What touches added, by campaign in the order of :attr:`Journeys.units`, ``(unit,)``.

    A conversion is a touch's if that touch's own draw set it off. ``conversions`` and ``iacv`` are
    its expectation up to the end of the data, with accounts and touches as they are: the mean of
    400 redraws of the purchases alone, amounts by their expectation. So the chance of the one
    history that was realised is not part of it; and where several causes would have made an account
    buy, the conversion is the earliest cause's, the only one that is still there to be caused:
    what a touch would add if it alone were taken away is less, by what others would have brought
    later. A touch that works only after another has the whole of its own effect, and what follows
    from touches that it set off is theirs.

    Attributes
    ----------
    realised
        The same of the one history that the journeys show.
    baseline, baseline_iacv
        What came anyway, in expectation.
    """

    conversions: FloatArray
    iacv: FloatArray
    realised: FloatArray
    baseline: float
    baseline_iacv: float


@dataclass(frozen=True)
class World:
    """A world as the product sees it, with its truth.

    ``tables`` are the Arrow tables (``touches``, ``revenue``, ``accounts``) that ``journeys`` were
    built of, with the columns of the product's queries.
    """

    name: str
    seed: int
    causes: Causes
    tables: dict[str, Any]
    journeys: Journeys
    truth: Truth
    lift_tests: tuple[LiftTest, ...]


def make_world(name: str, seed: int, conversions: int = 3000, *, redraws: int = REDRAWS) -> World:
    """Draw one world; the same arguments give the same world.

    Parameters
    ----------
    conversions
        How many to aim at; the number of accounts is chosen for it. What comes is within some
        percent.
    redraws
        How often purchases are drawn for the truth.

    Raises
    ------
    UsageError
        If there is no such world.
    """
    if name not in WORLDS:
        raise UsageError(f"no world '{name}'; have {', '.join(sorted(WORLDS))}")
    spec = WORLDS[name]
    rng = np.random.default_rng([seed, conversions, *name.encode()])
    accounts = draw_accounts(spec, round(conversions / spec.conversion_rate), rng)
    campaigns = draw_campaigns(spec, rng)
    touches = draw_touches(spec, accounts, campaigns, rng)
    causes = scaled_causes(spec, accounts, campaigns, touches, conversions, rng)
    happened = draw_purchases(causes, rng)
    tables = {
        "touches": _touches_table(causes),
        "revenue": _revenue_table(causes, happened, rng),
        "accounts": _accounts_table(causes),
    }
    tests = tuple(
        lift_test(causes, channel, seed=seed, starts=0.4 * spec.days, days=91)
        for channel in spec.lift_tests
    )
    journeys = build_journeys(**tables, lift_tests=_as_read(tests))
    return World(
        name=name,
        seed=seed,
        causes=causes,
        tables=tables,
        journeys=journeys,
        truth=_truth(causes, journeys, happened, rng, redraws),
        lift_tests=tests,
    )


def _as_read(tests: tuple[LiftTest, ...]) -> LiftTests:
    """Lift tests as the product reads them."""

    def start_us(days: list[date]) -> IntArray:
        return np.array(days, dtype="datetime64[us]").astype(np.int64)

    return LiftTests(
        ids=tuple(test.event_id for test in tests),
        channel=tuple(test.channel or "" for test in tests),
        campaign=tuple(test.campaign_id or "" for test in tests),
        start_us=start_us([test.starts_on for test in tests]),
        end_us=start_us([test.ends_on for test in tests]) + US_PER_DAY,
        conversions=np.array([test.incremental_conversions for test in tests], dtype=np.float64),
        standard_error=np.array([test.standard_error for test in tests], dtype=np.float64),
    )


def _truth(
    causes: Causes,
    journeys: Journeys,
    happened: Purchases,
    rng: np.random.Generator,
    redraws: int,
) -> Truth:
    campaigns = causes.campaigns
    names = [campaigns.names.index(campaign) for _, campaign in journeys.units]
    by_campaign = np.append(causes.touches.campaign, len(campaigns.names))
    redrawn = draw_purchases(causes, rng, redraws)

    def summed(purchases: Purchases, weights: FloatArray | None = None) -> FloatArray:
        campaign = by_campaign[purchases.touch]  # the last is of what came anyway
        return np.bincount(campaign, weights, minlength=len(campaigns.names) + 1).astype(float)

    count = summed(redrawn) / redraws
    mean = np.exp(SIGMA_IACV**2 / 2)
    value = summed(redrawn, mean * _median_iacv(causes, redrawn)) / redraws
    return Truth(
        conversions=count[names],
        iacv=value[names],
        realised=summed(happened)[names],
        baseline=float(count[-1]),
        baseline_iacv=float(value[-1]),
    )


def _median_iacv(causes: Causes, purchases: Purchases) -> FloatArray:
    median = np.array([segment.median_iacv for segment in SEGMENTS])
    paid = median[causes.accounts.segment[purchases.account]]
    return np.asarray(paid * np.where(purchases.is_first, 1.0, EXPANSION_IACV))


def _moments(causes: Causes, at: FloatArray) -> dict[str, Any]:
    """Days of a world as the columns of time: full seconds, or days where these alone are known."""
    day_only = causes.spec.day_only
    time_us = START_US + np.floor(at * 86_400).astype(np.int64) * 1_000_000
    if day_only:
        time_us -= time_us % US_PER_DAY
    return {
        "time_us": pa.array(time_us, pa.int64()),
        "day_only": pa.array(np.full(len(at), day_only), pa.int8()),
    }


def _ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:07}" for number in range(count)]


def _coded(code: IntArray, names: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(code, pa.int32()), pa.array(names, pa.string()))


def _touches_table(causes: Causes) -> Any:
    touches, campaigns = causes.touches, causes.campaigns
    channels = [channel.name for channel in causes.spec.channels]
    return pa.table(
        {
            "event_id": pa.array(_ids("touch", len(touches)), pa.string()),
            "account_id": _coded(touches.account, _ids("account", len(causes.accounts))),
            "channel": _coded(campaigns.channel[touches.campaign], channels),
            "campaign_id": _coded(touches.campaign, list(campaigns.names)),
            **_moments(causes, touches.at),
        }
    )


def _accounts_table(causes: Causes) -> Any:
    accounts = causes.accounts
    entered = START_US + np.floor(accounts.entered * 86_400).astype(np.int64) * 1_000_000
    return pa.table(
        {
            "account_id": _coded(np.arange(len(accounts)), _ids("account", len(accounts))),
            "segment": _coded(accounts.segment, [segment.name for segment in SEGMENTS]),
            "time_us": pa.array(entered, pa.int64()),
        }
    )


def _revenue_table(causes: Causes, happened: Purchases, rng: np.random.Generator) -> Any:
    paid = _median_iacv(causes, happened) * np.exp(SIGMA_IACV * rng.normal(size=len(happened)))
    account, at = happened.account, happened.at
    kind = np.where(happened.is_first, "new", "expansion").astype(object)
    if causes.spec.again:
        account, at, kind, paid = _with_renewals(causes, happened, kind, paid)
    return pa.table(
        {
            "event_id": pa.array(_ids("revenue", len(account)), pa.string()),
            "account_id": _coded(account, _ids("account", len(causes.accounts))),
            "kind": pa.array(kind, pa.string()),
            "iacv": pa.array([f"{amount:.2f}" for amount in paid.tolist()], pa.string()),
            "currency": pa.array(["USD"] * len(account), pa.string()),
            **_moments(causes, at),
        }
    )


def _with_renewals(
    causes: Causes, happened: Purchases, kind: NDArray[np.object_], paid: FloatArray
) -> tuple[IntArray, FloatArray, NDArray[np.object_], FloatArray]:
    """What customers do at each anniversary too: renew, which adds nothing, or leave."""
    days = causes.spec.days
    first = np.flatnonzero(happened.is_first)
    parts = [(happened.account, happened.at, kind, paid)]
    for year in range(1, int(days // YEAR) + 1):
        due = happened.at[first] + YEAR * year
        there = (due < days) & (due <= happened.churned[first])
        leaves = due[there] == happened.churned[first[there]]
        what = np.where(leaves, "churn", "renewal").astype(object)
        worth = np.where(leaves, -paid[first[there]], 0.0)
        parts.append((happened.account[first[there]], due[there], what, worth))
    account, at, kind, paid = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((at, account))
    return account[order], at[order], kind[order], paid[order]
