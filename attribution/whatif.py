"""What one more touch of an account is expected to add, and whether that pays.

It is an expectation over accounts like this one, by the published run's model; whoever is touched
most often does not buy because of it, and the figures say how often.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.customers import deal_amounts, load_amounts, load_customers, retention_years
from attribution.explain import STATES
from attribution.kept import Kept
from attribution.one_account import (
    Prices,
    as_interval,
    choose_currency,
    find_account,
    find_model,
    load_prices,
    nearest,
)
from attribution.outlook import Candidate, load_outlook
from attribution.risk import CUSTOMER
from attribution.runs import Run
from bizops.database import Connection
from bizops.errors import UsageError

__all__ = ["what_if"]

FloatArray = NDArray[np.float64]

NEW_CAMPAIGNS = 8
"""New campaigns drawn for each draw of the posterior, whose 250 would be few of so wide a Gamma."""


def what_if(
    connection: Connection,
    account: str,
    *,
    channel: str | None = None,
    campaign_id: str | None = None,
    days: float = 90.0,
    at: datetime | None = None,
    margin: float | None = None,
    currency: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Say what one more touch of an account is expected to add, by channel, the best first.

    Parameters
    ----------
    account
        Its id, name or domain.
    channel
        None for all channels there are.
    campaign_id
        One of the channel's; None for a new one, like the channel's others.
    days
        Conversions count for so long.
    at
        When the touch is, in UTC, and what is known; None for the end of what is known.
    margin
        Share of IACV left after the cost of serving it; LTV needs it.
    currency
        Of the amounts, where there are several.
    seed
        Of new campaigns and of the doubt of amounts and retention.

    Returns
    -------
    As docs/worth.md has it; what cannot be known is None.

    Raises
    ------
    UsageError
        If there is no such account, channel, campaign, model or currency, or ``days`` is not above
        zero.
    """
    if not 0 < days <= 3650:
        raise UsageError(f"--days is {days:g}; expected days, above 0 and at most 3650")
    account_id = find_account(connection, account)
    run, kept = find_model(connection)
    if kept is None:
        raise UsageError(f"run {run.run_id} found no touch before any conversion: nothing to ask")
    candidates = _candidates(kept, channel, campaign_id)
    currency = choose_currency(connection, currency)
    outlook = load_outlook(connection, run, kept, account_id, at)
    at = outlook.at
    added, follows = outlook.one_more(candidates, days)
    random = np.random.default_rng(seed)
    added = np.stack(
        [
            _with_doubt(added[:, place], kept, candidate, random)
            for place, candidate in enumerate(candidates)
        ]
    )
    sizes = _sizes(
        connection, run, outlook.segment, outlook.state, currency, added.shape[1], random
    )
    prices = load_prices(connection, {candidate.channel for candidate in candidates}, currency)
    touches = [
        _touch(candidate, one, sizes, margin, prices, at)
        | {"repeat": follow.repeat, "follows": list(follow.channels)}
        for candidate, one, follow in zip(candidates, added, follows, strict=True)
    ]
    return {
        "account_id": account_id,
        "segment": outlook.segment,
        "state": STATES[outlook.state],
        "state_buys": outlook.at_risk,
        "activity_z": outlook.z,
        "run_id": run.run_id,
        "at": at,
        "days": days,
        "currency": currency,
        "margin": margin,
        "iacv_of_a_conversion": as_interval(sizes[0]),
        "retention_years": as_interval(sizes[1]),
        "comes_anyway": as_interval(outlook.comes_anyway(days)),
        "touches": sorted(touches, key=lambda touch: -touch["conversions"]["mean"]),
    }


def _candidates(kept: Kept, channel: str | None, campaign_id: str | None) -> list[Candidate]:
    if channel is None:
        if campaign_id is not None:
            raise UsageError("--campaign needs its channel: expected --touch CHANNEL too")
        return [Candidate(name) for name in kept.channels]
    if channel not in kept.channels:
        have = ", ".join(kept.channels)
        raise UsageError(
            f"no channel {channel!r}{nearest(channel, kept.channels)}; the run knows {have}"
        )
    if campaign_id is not None and (channel, campaign_id) not in kept.units:
        there = [campaign for of, campaign in kept.units if of == channel]
        some = ", ".join(there[:10]) + (", …" if len(there) > 10 else "")
        raise UsageError(
            f"no campaign {campaign_id!r} of channel {channel}{nearest(campaign_id, there)}; the "
            f"run knows {some}. Without --campaign it is a new one of the channel"
        )
    return [Candidate(channel, campaign_id)]


def _with_doubt(
    added: FloatArray, kept: Kept, candidate: Candidate, random: np.random.Generator
) -> FloatArray:
    """Draws of what a touch adds, several for each of the posterior's: of so many new campaigns."""
    drawn = np.repeat(added, NEW_CAMPAIGNS)
    if candidate.campaign_id is None:
        shape = np.repeat(kept.posterior.effect_shape, NEW_CAMPAIGNS)
        drawn = drawn * random.gamma(shape) / shape
    return drawn


def _sizes(
    connection: Connection,
    run: Run,
    segment: str,
    state: int,
    currency: str | None,
    draws: int,
    random: np.random.Generator,
) -> tuple[FloatArray | None, FloatArray | None]:
    """Draws of what a conversion of such an account is worth, and of the average retention."""
    kind = "expansion" if state == CUSTOMER else "new"
    segments, amounts = load_amounts(connection, run.run_id, kind, currency)
    iacv = deal_amounts(amounts, segments == segment, draws // NEW_CAMPAIGNS, random)
    iacv = None if iacv is None else np.resize(iacv, draws)  # over and over
    until = run.data_until or run.started_at
    customers = load_customers(connection, run.run_id, until, currency)
    return iacv, retention_years(customers, draws, random)


def _touch(
    candidate: Candidate,
    conversions: FloatArray,
    sizes: Sequence[FloatArray | None],
    margin: float | None,
    prices: Prices,
    at: datetime,
) -> dict[str, Any]:
    """One touch's figures."""
    amount, retention = sizes
    iacv = None if amount is None else conversions * amount
    ltv = None
    if iacv is not None and retention is not None and margin is not None:
        ltv = iacv * margin * retention
    cost = prices.of_next(candidate.channel, candidate.campaign_id, at)
    return {
        "channel": candidate.channel,
        "campaign_id": candidate.campaign_id,
        "conversions": as_interval(conversions),
        "iacv": as_interval(iacv),
        "ltv": as_interval(ltv),
        "cost": cost,
        "probability_it_pays": (
            None if ltv is None or cost is None else float((ltv > cost).mean())
        ),
    }
