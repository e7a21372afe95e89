"""Randomised holdouts in a world: what an experiment would have found."""

from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.worlds.causes import Causes, draw_purchases
from bizops.errors import UsageError
from bizops.events import LiftTest

__all__ = ["lift_test"]

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def lift_test(
    causes: Causes, channel: str, *, seed: int, starts: float, days: int, holdout: float = 0.5
) -> LiftTest:
    """Keep a channel from a random part of the accounts for some days, and compare.

    It is run in a parallel world: accounts and touches are as they are, but those who are held out
    lack the channel's touches of these days and what these set off, and purchases are drawn anew.
    What it finds is what the channel's touches in the window added to the conversions in the
    window, had nobody been held out: the difference of the groups' conversions per account, times
    all accounts. What comes after the window is not counted, as in any experiment that ends.

    Parameters
    ----------
    starts
        Day of the world on which it starts.
    holdout
        Share of the accounts that are held out, in (0, 1).

    Raises
    ------
    UsageError
        If the world has no such channel.
    """
    names = [one.name for one in causes.spec.channels]
    if channel not in names:
        raise UsageError(f"no channel '{channel}' in this world; have {', '.join(names)}")
    first = float(np.floor(starts))
    rng = np.random.default_rng([seed, int(first), days, *channel.encode()])
    touches, count = causes.touches, len(causes.accounts)
    held = rng.random(count) < holdout
    inside = (touches.at >= first) & (touches.at < first + days)
    theirs = causes.campaigns.channel[touches.campaign] == names.index(channel)
    found = draw_purchases(causes.without(theirs & inside & held[touches.account]), rng)
    counted = (found.at >= first) & (found.at < first + days)
    bought = np.bincount(held[found.account[counted]], minlength=2).astype(float)
    sizes = np.maximum(np.bincount(held, minlength=2), 1)
    treated, control = bought / sizes
    error = np.sqrt(np.maximum(bought, 1.0) / sizes**2).tolist()
    return LiftTest(
        event_id=f"lift-{channel}-{int(first)}-{seed}",
        source="worlds",
        channel=channel,
        starts_on=(FIRST_DAY + timedelta(days=first)).date(),
        ends_on=(FIRST_DAY + timedelta(days=first + days - 1)).date(),
        incremental_conversions=float(count * (treated - control)),
        standard_error=float(count * np.hypot(*error)),
        holdout_share=holdout,
    )
