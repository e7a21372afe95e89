"""What the n-th touch of a campaign on an account still adds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from attribution.bands import Band, band
from attribution.contexts import LOG_REPEATS, REPEATS_FROM
from attribution.model import Priors
from attribution.modelled import Added, Modelled

__all__ = ["Repeat", "Sizes", "find_repeats", "still_added"]

FloatArray = NDArray[np.float64]

Sizes = Mapping[tuple[str, str], FloatArray]
"""Draws of IACV for each conversion, by channel and currency, shape ``(draw,)``."""
PARTS, MOVED = 10, 0.3
SUMMED = 64


@dataclass(frozen=True)
class Repeat:
    """Touches of a channel by their number among their campaign's on the account.

    Attributes
    ----------
    first, last
        The numbers; ``last`` is None where all later ones are meant.
    touches
        How many there are.
    relative
        What one adds relative to a first touch; None where the model never saw a second one.
    conversions, iacv
        What one adds, and IACV of that by currency.
    is_evidence
        Whether the data say something of it: the posterior is not where the prior was.
    """

    channel: str
    first: int
    last: int | None
    touches: int
    relative: Band | None
    conversions: Band
    iacv: dict[str, Band]
    is_evidence: bool


def find_repeats(added: Added, sizes: Sizes, priors: Priors) -> list[Repeat]:
    """By channel and number of the touch, in the model's bins.

    By the model the n-th touch adds ``n^(-δ)`` of the first. What a first one adds is the mean over
    the channel's touches as they were (of these campaigns, accounts and orders), were they all
    first ones. So figures of a channel's bins differ by the number of the touch alone.
    """
    of = added.of
    channels = len(of.channels)
    counts = _touches(of)
    power = of.posterior.saturation
    of_row = of.unit_channel[added.unit]
    log_repeats = of.contexts.log_repeats[added.context]
    firsts = np.empty((len(of.posterior), channels))
    for d, conversions in enumerate(added.draws()):
        as_first = conversions * np.exp(power[d, of_row] * log_repeats)
        firsts[d] = np.bincount(of_row, as_first, minlength=channels)
    firsts /= np.maximum(counts.sum(axis=1), 1)
    found = []
    for channel in np.flatnonzero(counts.sum(axis=1)).tolist():
        delta = power[:, channel]
        knows = bool(delta.any())
        evidence = knows and _is_evidence(delta, priors)
        for place, log in enumerate(LOG_REPEATS.tolist()):
            relative = np.exp(-delta * log)
            conversions = firsts[:, channel] * relative
            last = int(REPEATS_FROM[place + 1]) - 1 if place + 1 < len(REPEATS_FROM) else None
            found.append(
                Repeat(
                    channel=of.channels[channel],
                    first=int(REPEATS_FROM[place]),
                    last=last,
                    touches=int(counts[channel, place]),
                    relative=band(relative) if knows else None,
                    conversions=band(conversions),
                    iacv={
                        currency: band(conversions * size)
                        for (name, currency), size in sorted(sizes.items())
                        if name == of.channels[channel]
                    },
                    is_evidence=evidence,
                )
            )
    return found


def _touches(of: Modelled) -> NDArray[np.int64]:
    """Touches by channel and bin of their number, shape ``(channel, bin)``."""
    place = np.searchsorted(LOG_REPEATS, of.contexts.log_repeats)
    code = of.contexts.channel * len(LOG_REPEATS) + place
    count = np.bincount(code[of.contexts.of_touch], minlength=len(of.channels) * len(LOG_REPEATS))
    return count.reshape(len(of.channels), len(LOG_REPEATS))


def _is_evidence(delta: FloatArray, priors: Priors) -> bool:
    """Whether the posterior of ``δ`` is elsewhere, or much narrower, than its prior.

    By their total variation distance, over ten parts that the prior finds equally likely. It is the
    same for ``δ`` as for what the n-th touch adds, whatever n. Halving the standard deviation of a
    normal takes it to 0.3.
    """
    mean, sd = priors["log_saturation"]
    edges = mean + sd * ndtri(np.arange(1, PARTS) / PARTS)
    share = np.bincount(np.searchsorted(edges, np.log(delta)), minlength=PARTS) / len(delta)
    return float(0.5 * np.abs(share - 1 / PARTS).sum()) >= MOVED


def still_added(touches: FloatArray, delta: FloatArray) -> FloatArray:
    """What a number of touches of a campaign on one account adds, relative to a first touch.

    ``Σ_{k=1..N} k^(-δ)``, linear between whole numbers up to 64, and from there by the integral,
    from the middle between two numbers to the middle between two others.

    Parameters
    ----------
    touches
        Not negative, shape ``(account,)``, or ``(draw, account)`` where draws differ.
    delta
        Shape ``(draw,)``.

    Returns
    -------
    Shape ``(draw, account)``.

    Examples
    --------
    >>> still_added(np.array([0.5, 1.0, 2.5]), np.array([0.0, 1.0])).round(3).tolist()
    [[0.5, 1.0, 2.5], [0.5, 1.0, 1.667]]
    """
    touches = np.broadcast_to(touches, (len(delta), np.shape(touches)[-1]))
    sums = np.zeros((len(delta), SUMMED + 1))
    sums[:, 1:] = np.cumsum(np.arange(1.0, SUMMED + 1) ** -delta[:, None], axis=1)
    low = np.minimum(np.floor(touches).astype(np.int64), SUMMED - 1)
    rest = np.minimum(touches - low, 1.0)
    below = np.take_along_axis(sums, low, axis=1)
    total = below + rest * (np.take_along_axis(sums, low + 1, axis=1) - below)
    power = 1.0 - delta[:, None]
    power = np.where(np.abs(power) < 1e-9, 1e-9, power)
    log = np.log(np.maximum(touches, SUMMED) + 0.5)
    start = np.log(SUMMED + 0.5)
    return np.asarray(total + np.exp(power * start) * np.expm1(power * (log - start)) / power)
