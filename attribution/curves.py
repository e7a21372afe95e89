"""What more of something would bring, by a run: further touches, more spend, other orders."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.model import load_priors
from attribution.modelled import load_modelled
from attribution.repeats import Repeat, Sizes, find_repeats
from attribution.responses import Response, find_responses
from attribution.rules import LOOKBACK_DAYS
from attribution.runs import Run
from attribution.sequences import Sequence, find_sequences
from attribution.spend import load_spend, periods_of
from attribution.versions import channel_draws
from bizops.database import Connection

__all__ = ["Curves", "read_curves", "sizes_of"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """What a run says of further touches, of more spend, and of orders."""

    run_id: str
    repeats: list[Repeat]
    responses: list[Response]
    sequences: list[Sequence]


def read_curves(connection: Connection, run: Run | None) -> Curves:
    """By the model of a run, over the timelines and the spend as they are now.

    It reads all touches: a second for each 200,000 or so.

    Raises
    ------
    UsageError
        As :func:`attribution.modelled.load_modelled`.
    """
    of = load_modelled(connection, run)
    assert run is not None
    spends = load_spend(connection, of.journeys.until_us)
    periods, paid = periods_of(spends, of.journeys)
    added = of.added(paid)
    sizes = sizes_of(channel_draws(connection, run.run_id))
    settings = run.settings
    kept = {name: (mean, sd) for name, (mean, sd) in settings.get("priors", {}).items()}
    priors = load_priors() | kept
    return Curves(
        run_id=run.run_id,
        repeats=find_repeats(added, sizes, priors),
        responses=find_responses(added, spends, periods, sizes, seed=settings.get("seed", 0)),
        sequences=find_sequences(added, priors, settings.get("lookback_days", LOOKBACK_DAYS)),
    )


def sizes_of(draws: Mapping[tuple[str, str], list[FloatArray]]) -> Sizes:
    """IACV in each currency for a conversion of the channel, whatever that one was paid in.

    Parameters
    ----------
    draws
        Of credited conversions and IACV by channel and currency, each of shape ``(draw,)``.

    Examples
    --------
    Two deals, of 100 USD and of 60 EUR, are 50 USD and 30 EUR a deal.

    >>> one = np.ones(1)
    >>> sizes = sizes_of({("ads", "USD"): [one, 100 * one], ("ads", "EUR"): [one, 60 * one]})
    >>> {currency: float(size[0]) for (_, currency), size in sizes.items()}
    {'USD': 50.0, 'EUR': 30.0}
    """
    conversions: dict[str, FloatArray] = {}
    for (channel, _), (count, _) in draws.items():
        conversions[channel] = conversions.get(channel, np.zeros(1)) + count
    return {
        (channel, currency): amounts / np.maximum(conversions[channel], 1e-300)
        for (channel, currency), (_, amounts) in draws.items()
    }
