"""Which orders of channels work, each with its evidence, or with none.

A touch that comes within 30 days after another channel adds ``e^η`` times what it would otherwise,
with one ``η`` for each ordered pair of channels (``attribution/model.py``). Its prior, a logistic
with a scale of 0.07, has most orders make next to no difference.

Verdict
-------
``for``: touches add more in this order, and ``against``: they add less. Both of

1. the probability that ``e^η`` is above (below) one is 0.95 or more, and
2. the data are 10 times as likely with ``η`` free as with ``η = 0``: by Savage and Dickey the ratio
   of prior to posterior density at zero (Dickey, Annals of Mathematical Statistics 42, 1971;
   Wagenmakers and others, Cognitive Psychology 60, 2010). Jeffreys (Theory of Probability, 1961)
   calls that strong evidence; 3 would be "substantial", and let by some of thirty pairs in worlds
   where no order matters (docs/curves.md).

Either alone says too much. With thirty pairs the first is passed by chance now and then, and where
much is known also by an ``η`` that is next to nothing; the second has no direction. Else the
verdict is ``none``: what is known of most pairs, whatever their mean. A Bayes factor under 1/3 says
more: that the order makes no difference.

What it cannot know is in docs/curves.md; above all, whether who had decided anyway goes from one
channel to the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import logistic

from attribution.bands import Band, signed_band
from attribution.model import Priors
from attribution.modelled import Added, Modelled
from attribution.pairs import counted_pairs, within_lookback

__all__ = ["Sequence", "find_sequences", "savage_dickey", "verdict"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SURE = 0.95
STRONG = 10.0
MOST = 1000.0
"""Bayes factors beyond it are given as this: 250 draws say no more."""
FOR, AGAINST, NONE = "for", "against", "none"


@dataclass(frozen=True)
class Sequence:
    """One channel after another one.

    Attributes
    ----------
    touches, others
        Touches of ``then`` that follow the first channel, and those that don't.
    conversions
        Those that such a touch came before, within the lookback of the run's rules. What is
        learned of the order rests on them.
    times
        ``e^η``, with equal-tailed intervals.
    above
        Probability that it is above one; that it is below is the rest.
    bayes_factor
        Of some difference against none.
    added
        Conversions that these touches add because of the order: with it less without it.
    """

    first: str
    then: str
    touches: int
    others: int
    conversions: int
    times: Band
    above: float
    bayes_factor: float
    verdict: str
    added: Band


def find_sequences(added: Added, priors: Priors, lookback_days: float) -> list[Sequence]:
    """Every ordered pair of channels that the model knows, surest first.

    Pairs that never came in the data of the fit have no parameter, and are left out.
    """
    of = added.of
    pairs = _known(of)
    if not len(pairs):
        return []
    because = _because(added, pairs)
    touches, others = _touches(of, pairs)
    conversions = _conversions(of, pairs, lookback_days)
    found = []
    for place, (first, then) in enumerate(pairs.tolist()):
        eta = of.posterior.synergy[:, first, then]
        above = float((eta > 0).mean() + 0.5 * (eta == 0).mean())
        factor = savage_dickey(eta, *priors["synergy"])
        found.append(
            Sequence(
                first=of.channels[of.posterior.first[first]],
                then=of.channels[then],
                touches=int(touches[place]),
                others=int(others[place]),
                conversions=int(conversions[place]),
                times=signed_band(np.exp(eta)),
                above=above,
                bayes_factor=factor,
                verdict=verdict(above, factor),
                added=signed_band(because[:, place]),
            )
        )
    sure = {FOR: 0, AGAINST: 1, NONE: 2}
    return sorted(found, key=lambda one: (sure[one.verdict], -abs(one.added.mean)))


def verdict(above: float, bayes_factor: float) -> str:
    """Whether there is evidence for or against an order, by both of the rules above.

    >>> verdict(0.99, 12.0), verdict(0.01, 12.0), verdict(0.99, 4.0), verdict(0.7, 12.0)
    ('for', 'against', 'none', 'none')
    """
    if bayes_factor < STRONG:
        return NONE
    return FOR if above >= SURE else AGAINST if above <= 1 - SURE else NONE


def savage_dickey(eta: FloatArray, location: float, scale: float) -> float:
    """How many times as likely the data are with ``η`` free as with ``η = 0``, at most 1000.

    The posterior's density at zero is that of a normal kernel over the draws, whose width is
    Silverman's (1986). It errs to wide, and so to a factor near one.

    Parameters
    ----------
    eta
        Shape ``(draw,)``.
    location, scale
        Of the logistic that is its prior.
    """
    prior = float(logistic.pdf(0.0, location, scale))
    middle = np.subtract(*np.quantile(eta, (0.75, 0.25))) / 1.34
    width = 0.9 * min(float(np.std(eta)), float(middle)) * len(eta) ** -0.2
    if width <= 0:
        return MOST if float(np.mean(eta)) != 0 else 1.0
    kernel = np.exp(-0.5 * (eta / width) ** 2).mean() / (width * np.sqrt(2 * np.pi))
    return float(min(prior / max(float(kernel), 1e-300), MOST))


def _known(of: Modelled) -> IntArray:
    """Places of the first channel and of the second, of pairs with draws, ``(pair, 2)``."""
    return np.argwhere((of.posterior.synergy != 0).any(axis=0))


def _in_order(of: Modelled, pairs: IntArray) -> NDArray[np.bool_]:
    """Whether touches of a context are of a pair, shape ``(context, pair)``."""
    after = of.contexts.after[:, pairs[:, 0]]
    return np.asarray(after & (of.contexts.channel[:, None] == pairs[:, 1]))


def _because(added: Added, pairs: IntArray) -> FloatArray:
    """Conversions that are added because of each order, shape ``(draw, pair)``."""
    synergy = added.of.posterior.synergy
    rows = _in_order(added.of, pairs)[added.context]
    out = np.empty((len(synergy), len(pairs)))
    for d, conversions in enumerate(added.draws()):
        eta = synergy[d, pairs[:, 0], pairs[:, 1]]
        out[d] = (conversions @ rows) * -np.expm1(-eta)
    return out


def _touches(of: Modelled, pairs: IntArray) -> tuple[IntArray, IntArray]:
    """Touches of each pair, and the other touches of its second channel, shape ``(pair,)``."""
    contexts = of.contexts
    count = np.bincount(contexts.of_touch, minlength=len(contexts.channel))
    theirs = count @ _in_order(of, pairs)
    every = np.bincount(contexts.channel, count, minlength=len(of.channels))[pairs[:, 1]]
    return theirs, every.astype(np.int64) - theirs


def _conversions(of: Modelled, pairs: IntArray, lookback_days: float) -> IntArray:
    """Conversions that a touch of each pair came before, shape ``(pair,)``."""
    journeys, moments = of.journeys, of.journeys.conversions
    before = within_lookback(
        counted_pairs(journeys.touches, moments.account, moments.time_us, moments.day_only),
        lookback_days,
    )
    context = of.contexts.of_touch[before.touch]
    count = max(len(of.contexts.channel), 1)
    conversion, context = np.divmod(np.unique(before.conversion * count + context), count)
    held = _in_order(of, pairs)[context]
    return np.array([len(np.unique(conversion[held[:, pair]])) for pair in range(len(pairs))])
