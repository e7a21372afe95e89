"""Which of a campaign's creatives work better than others: learned after the fit, with its doubt.

The model knows no effect of a creative: a touch adds what its campaign's touches add. Whether
conversions followed the touches of one creative more often than that explains can be seen
afterwards. In each posterior draw, of creatives ``k`` of campaign ``c``:

1. A touch of ``k`` adds ``r_k`` times what the model says. A campaign's creatives are all alike
   (``r = 1``) or differ, ``r_k ~ Gamma(1/t_c², rate 1/t_c²)`` with mean 1 and standard deviation
   ``t_c``, which is half-normal with scale 1. The share ``p`` of campaigns whose creatives differ
   is learned from all, ``p ~ Beta(1, 1)``. One campaign's star says nothing of others' spread: a
   spread that all shared let chance in campaigns beside it pass for a difference.
2. The campaign's level is the fit's, only its split is learned: ``ρ_k = r_k / Σ q_j r_j``, where
   ``q_k`` is the part of the campaign's expected conversions that ``k`` would have were all alike,
   by the exposure of its touches. So ``Σ q_k ρ_k = 1``.
3. A conversion's cause is a touch of ``k`` with probability
   ``s f_k ρ_k / (1 + Σ s f_j (ρ_j - 1))``, where ``s`` is its campaign's share in the draw, and
   ``f_k`` the part of that on touches of ``k``; the sum is over all campaigns. Drawing causes gives
   counts ``n_k``.
4. Given their sum, counts are multinomial in ``q_k r_k``. With ``g ~ Gamma(Σ n, rate Σ q r)`` that
   is a product of Poissons with means ``g q_k r_k``, so that ``r_k ~ Gamma(1/t_c² + n_k, rate
   1/t_c² + g q_k)``. Whether they differ, and ``t_c`` on a grid, is drawn from what integrating
   ``r`` out leaves: negative binomials, or Poissons where all are alike.

Steps 2 to 4 are a Gibbs sampler; it goes on from draw to draw, some sweeps in each. What it learns
does not flow back into the fit: a "cut" (Plummer 2015, "Cuts in Bayesian graphical models",
Statistics and Computing 25), so that one part of the model that is wrong does not bend the other.
``f_k`` is taken at its posterior mean: within a campaign it hardly varies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from attribution.credit import Credit, DrawCredit
from attribution.items import numbered

__all__ = ["Slots", "find_slots", "relative_effects"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SWEEPS = 5
WARM_UP = 100
SPREADS = np.linspace(0.05, 2.5, 50)
SHAPES = 1 / SPREADS**2
LOG_PRIOR = -0.5 * SPREADS**2 - np.log(np.exp(-0.5 * SPREADS**2).sum())


@dataclass(frozen=True)
class Slots:
    """Creatives of campaigns that have several, and where conversions may be theirs.

    Attributes
    ----------
    unit, item
        Campaign and creative, shape ``(slot,)``, by campaign.
    row, slot, part
        Of each row of :class:`attribution.credit.DrawCredit` that is of such a campaign, and each
        creative with touches in it: the part of the row that is its; by conversion, shape
        ``(entry,)``.
    conversion
        Of each entry.
    """

    unit: IntArray
    item: IntArray
    row: IntArray
    slot: IntArray
    part: FloatArray
    conversion: IntArray


def find_slots(
    unit: IntArray,
    item: IntArray,
    touch_unit: IntArray,
    touch_item: IntArray,
    credit: Credit,
    draws: DrawCredit,
) -> Slots:
    """Find them, and split the campaigns' credit.

    Parameters
    ----------
    unit, item
        Distinct pairs of campaign and creative that add anything, ordered.
    touch_unit, touch_item
        Of each touch, shape ``(touch,)``.
    credit, draws
        The model's, by touch and by campaign.
    """
    several = np.bincount(unit, minlength=1)[unit] > 1
    unit, item = unit[several], item[several]
    touched = credit.touch >= 0
    conversion, touch = credit.conversion[touched], credit.touch[touched]
    (of, in_unit, in_item), entry = numbered(conversion, touch_unit[touch], touch_item[touch])
    share = np.bincount(entry, credit.share[touched], minlength=len(of))
    pairs, pair = numbered(of, in_unit)
    whole = np.bincount(pair, share, minlength=len(pairs[0]))
    part = share / np.maximum(whole, np.finfo(float).tiny)[pair]
    number = {key: at for at, key in enumerate(zip(unit.tolist(), item.tolist(), strict=True))}
    names = zip(in_unit.tolist(), in_item.tolist(), strict=True)
    slot = np.array([number.get(key, -1) for key in names], dtype=np.int64)
    rows = np.flatnonzero(draws.unit >= 0)  # by conversion and campaign, as the pairs are
    units = int(touch_unit.max(initial=0)) + 1
    codes = draws.conversion[rows] * units + draws.unit[rows]
    row = rows[np.searchsorted(codes, of * units + in_unit)]
    kept = slot >= 0
    return Slots(unit, item, row[kept], slot[kept], part[kept], of[kept])


def relative_effects(
    slots: Slots, draws: DrawCredit, expected: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Draws of each creative's effect, relative to the mean of its campaign's touches.

    Parameters
    ----------
    expected
        Conversions that each slot's touches would add were all of a campaign alike, shape
        ``(draw, slot)``.

    Returns
    -------
    ``ρ``, shape ``(draw, slot)``; its mean over a campaign, weighted by ``expected``, is 1. Where a
    draw has all of a campaign alike it is exactly 1.
    """
    _, campaign = np.unique(slots.unit, return_inverse=True)
    sampler = _Sampler(slots, campaign, rng)
    effects = np.ones(expected.shape)
    if not len(campaign):
        return effects
    for d in range(len(expected)):
        total = np.bincount(campaign, expected[d])[campaign]
        exposed = expected[d] / np.where(total > 0, total, 1.0)
        alike = draws.shares[slots.row, d] * slots.part
        for _ in range(SWEEPS if d else WARM_UP):
            sampler.sweep(alike, exposed)
        effects[d] = sampler.effect
    return effects


class _Sampler:
    """The state of the Gibbs sampler, and how it moves on."""

    def __init__(self, slots: Slots, campaign: IntArray, rng: np.random.Generator) -> None:
        self.slots, self.campaign, self.rng = slots, campaign, rng
        self.factor = self.effect = np.ones(len(campaign))  # r, and ρ
        self.differing = 0.5  # p
        changes = np.diff(slots.conversion, prepend=-1) != 0
        self.begins = np.flatnonzero(changes)
        self.ends = np.append(self.begins[1:], len(changes)) - 1

    def sweep(self, alike: FloatArray, exposed: FloatArray) -> None:
        """Causes given effects, then the spread and effects given causes."""
        counts = self._causes(alike)
        by_campaign = np.bincount(self.campaign, counts)
        level = np.bincount(self.campaign, exposed * self.factor)
        level = self.rng.gamma(by_campaign) / np.where(level > 0, level, 1.0)
        mean = level[self.campaign] * exposed
        shape = self._shapes(counts, mean)[self.campaign]
        same = np.isinf(shape)
        shape[same] = 1.0
        self.factor = self.rng.gamma(shape + counts) / (shape + mean)
        self.factor[same] = 1.0
        level = np.bincount(self.campaign, exposed * self.factor)
        self.effect = self.factor / np.where(level > 0, level, 1.0)[self.campaign]
        self.effect[same] = 1.0

    def _causes(self, alike: FloatArray) -> FloatArray:
        """How many conversions each slot's touches caused, drawn."""
        if not len(alike):
            return np.zeros(len(self.campaign))
        weight = alike * self.effect[self.slots.slot]
        passed = np.cumsum(weight)
        before = passed[self.begins] - weight[self.begins]
        theirs = passed[self.ends] - before
        total = 1 + theirs - np.add.reduceat(alike, self.begins)
        at = self.rng.random(len(total)) * total
        caused = at < theirs
        entry = np.searchsorted(passed, (before + at)[caused], side="right")
        entry = np.clip(entry, self.begins[caused], self.ends[caused])
        return np.bincount(self.slots.slot[entry], minlength=len(self.campaign)).astype(float)

    def _shapes(self, counts: FloatArray, mean: FloatArray) -> FloatArray:
        """A draw of ``1/t²`` of each campaign, infinite where its creatives are alike."""
        shape = SHAPES[:, None]
        differ = (
            gammaln(shape + counts) - gammaln(shape) + shape * np.log(shape)
            - (shape + counts) * np.log(shape + mean)
        )  # fmt: skip
        first = np.flatnonzero(np.diff(self.campaign, prepend=-1))
        log = np.add.reduceat(np.vstack((-mean, differ)), first, axis=1)
        log[0] += np.log1p(-self.differing)
        log[1:] += np.log(self.differing) + LOG_PRIOR[:, None]
        # the largest of the logs with Gumbel noise is a draw
        chosen = np.argmax(log + self.rng.gumbel(size=log.shape), axis=0)
        differing = int((chosen > 0).sum())
        self.differing = self.rng.beta(1 + differing, 1 + len(chosen) - differing)
        return np.append(np.inf, SHAPES)[chosen]
