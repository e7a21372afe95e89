"""How much a conversion that touches add is worth: by segment and campaign, with its doubt.

What happened has the amounts it had. What a touch adds in expectation has none yet, so it is given
a size: the mean IACV of conversions like it. Within a segment (and state: a first sale is not an
expansion) sizes are taken as Gamma with one shape ``a``; a campaign's mean lies around its
segment's by an inverse Gamma as strong as ``k`` conversions (the gamma-gamma model of Fader, Hardie
and Lee 2005, "RFM and CLV", Journal of Marketing Research 42), so that given ``n`` credited
conversions worth ``x`` in all

    1/m  ~  Gamma(a (k + n) + 1,  rate a (k m_segment + x)),      E m = (k m_segment + x) / (k + n)

``a`` and ``k`` are by moments: the spread of sizes within segments, and of campaigns' means beyond
what that spread explains (Bühlmann and Straub 1970). ``n`` and ``x`` are the shares of each
posterior draw, and ``m`` is drawn anew with each: what is not known of who gets the credit, and of
what the credited would be worth, is in it.
"""

import numpy as np
from numpy.typing import NDArray

from attribution.credit import DrawCredit
from attribution.journeys import Conversions

__all__ = ["size_draws"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STEADIEST = 1e6  # no shape and no strength is above it: sizes that never differ
WEAKEST = 0.05
BLOCK = 16
"""Draws at once: all, in twice their size, were twice the memory of everything else."""


def size_draws(
    conversions: Conversions,
    baseline: IntArray,
    credit: DrawCredit,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draws of the IACV in each currency that a conversion is expected to bring.

    With several currencies it is the mean size in one times the share of the segment's conversions
    that are in it.

    Parameters
    ----------
    baseline
        Segment and state of each conversion, shape ``(conversion,)``.
    shape
        How many baselines and campaigns there are.

    Returns
    -------
    By currency, that of most conversions first, of shape ``(draw, baseline, campaign)``.
    """
    currencies = conversions.currency.astype(str)
    names, counts = np.unique(currencies, return_counts=True)
    in_currency = [
        np.bincount(baseline[currencies == name], minlength=shape[0])[None].astype(np.float64)
        for name in names
    ]
    draws = credit.shares.shape[1]
    weights = [  # a Dirichlet, with one conversion of the overall mix before any is seen
        rng.gamma(np.broadcast_to(of + count / counts.sum(), (draws, shape[0])))
        for of, count in zip(in_currency, counts, strict=True)
    ]
    total = np.maximum(sum(weights), np.finfo(float).tiny)
    sizes = {}
    for place in np.argsort(-counts, kind="stable").tolist():
        counted = currencies == names[place]
        amounts = np.where(counted, conversions.amounts, 0.0)
        drawn = _of_currency(amounts, counted, baseline, credit, shape, rng)
        part = weights[place] / total if len(names) > 1 else np.ones_like(weights[place])
        sizes[str(names[place])] = drawn * part[:, :, None]
    return sizes


def _of_currency(
    amounts: FloatArray,
    counted: NDArray[np.bool_],
    baseline: IntArray,
    credit: DrawCredit,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> FloatArray:
    """Mean sizes of the conversions that are ``counted``, shape ``(draw, baseline, campaign)``."""
    kept = (credit.unit >= 0) & counted[credit.conversion]
    conversion = credit.conversion[kept]
    code = baseline[conversion] * shape[1] + credit.unit[kept]
    amount, cells = amounts[conversion], shape[0] * shape[1]
    count = np.bincount(baseline[counted], minlength=shape[0])
    worth = np.bincount(baseline, amounts, minlength=shape[0])
    mean = amounts[counted].mean()
    around = (worth + mean) / (count + 1)  # a segment without sales has the mean of all
    spread = _spread(amounts[counted] / around[baseline[counted]], len(np.flatnonzero(count)))
    a = np.clip(1 / max(spread, 1 / STEADIEST), WEAKEST, STEADIEST)
    relative = amount / around[baseline[conversion]]
    share = credit.shares.mean(axis=1, dtype=np.float64)[kept]
    k = _strength(share, relative, code, cells, 1 / a)

    draws = credit.shares.shape[1]
    segment = a * (worth + mean) / rng.gamma(a * (count + 1) + 1, size=(draws, shape[0]))
    sizes = np.empty((draws, *shape))
    for first in range(0, draws, BLOCK):
        block = credit.shares[kept, first : first + BLOCK].astype(np.float64)
        for d, shares in enumerate(block.T, first):
            n = np.bincount(code, shares, minlength=cells).reshape(shape)
            x = np.bincount(code, shares * amount, minlength=cells).reshape(shape)
            sizes[d] = a * (k * segment[d][:, None] + x) / rng.gamma(a * (k + n) + 1)
    return sizes


def _spread(relative: FloatArray, groups: int) -> float:
    """Squared coefficient of variation within groups, of sizes relative to their group's mean."""
    freedom = len(relative) - groups
    return float(((relative - 1) ** 2).sum() / freedom) if freedom > 0 else 1.0


def _strength(
    share: FloatArray, relative: FloatArray, code: IntArray, cells: int, spread: float
) -> float:
    """Of how many conversions a segment's mean is worth for a campaign's: ``spread / between``."""
    n = np.bincount(code, share, minlength=cells)
    seen = n > 0
    means = np.bincount(code, share * relative, minlength=cells)[seen] / n[seen]
    by_chance = np.bincount(code, share**2, minlength=cells)[seen] / n[seen]
    beyond = (n[seen] * (means - 1) ** 2 - spread * by_chance).sum()
    between = max(beyond, 0.0) / max(n.sum(), 1e-12)
    return float(np.clip(spread / max(between, 1e-12), 1.0, STEADIEST))
