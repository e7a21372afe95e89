"""Markov attribution: what would be lost without a campaign, exactly, by an absorbing chain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from attribution.rules import Paths

__all__ = ["markov_totals", "removal_effects"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FEW_STATES = 1500
"""Up to so many the chain's fundamental matrix is made; beyond, sparse equations are iterated."""

TOLERANCE = 1e-13
"""Of the largest chance: where another step changes less, the iteration is done."""

BATCH = 2_000_000
"""Numbers in memory at once while iterating."""


def markov_totals(
    paths: Paths, converted: BoolArray, units: int, order: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Share all conversions out by removal effect, as is usual for a whole data set.

    Parameters
    ----------
    paths, converted, units, order
        As of :func:`removal_effects`.

    Returns
    -------
    Conversions of each unit, which sum to the journeys with touches that converted, and the removal
    effects themselves; both of shape ``(unit,)``.
    """
    effects = removal_effects(paths, converted, units, order)
    conversions = np.count_nonzero(converted & (paths.counts > 0))
    return conversions * effects / max(effects.sum(), np.finfo(np.float64).tiny), effects


def removal_effects(paths: Paths, converted: BoolArray, units: int, order: int = 1) -> FloatArray:
    """The share of conversions that would be lost if whoever meets a unit went away.

    A journey is a walk from the start over its touches to conversion or to null. The chain's states
    are the last ``order`` units (fewer at a journey's begin), its transitions those that were seen,
    as often as they were seen: equal journeys count each, by number and never by value. Taking a
    unit out sends all walks that come to it to null. The effect is
    ``1 − P(conversion without it) / P(conversion)``, from the linear equations of absorption, so
    that the same journeys, in whatever order, give the same numbers. Touches of the same unit in a
    row change nothing at order 1.

    Parameters
    ----------
    paths
        Journeys; those without touches have no say.
    converted
        Whether each journey ended in a conversion, shape ``(journey,)``.
    units
        How many there are; ``paths.unit`` is below.
    order
        Touches that a walk remembers, at least 1.

    Returns
    -------
    Within [0, 1], shape ``(unit,)``; above 0 for every unit of a journey that converted, and for
    those from which the chain can get to one.

    References
    ----------
    Anderl, Becker, von Wangenheim, Schumann (2016), Mapping the customer journey, International
    Journal of Research in Marketing 33; Kemeny, Snell (1960), Finite Markov Chains, for the
    fundamental matrix.

    >>> journeys = Paths.of([3.0, 2.0, 1.0], [1.0], [2.0, 1.0], unit=[0, 1, 2, 0, 1, 2])
    >>> removal_effects(journeys, np.array([True, False, False]), 3).round(3)
    array([0.5, 1. , 1. ])
    """
    effects = np.zeros(units)
    chain = _Chain.of(paths, converted, units, order)
    if not len(chain.unit):
        return effects
    lost = chain.lost_at_once if len(chain.unit) <= FEW_STATES else chain.lost_step_by_step
    for unit, share in lost().items():
        effects[unit] = min(share, 1.0)
    return effects


@dataclass(frozen=True)
class _Chain:
    """An absorbing chain, of the states only from which conversion can be reached.

    Attributes
    ----------
    moves
        Probability from state to other state, shape ``(state, state)``.
    converts
        Probability from state to conversion; what is lacking goes to null. Shape ``(state,)``.
    starts
        Probability of the first state, shape ``(state,)``.
    unit
        The unit whose touch leads to each state, shape ``(state,)``.
    """

    moves: csr_array
    converts: FloatArray
    starts: FloatArray
    unit: IntArray

    @classmethod
    def of(cls, paths: Paths, converted: BoolArray, units: int, order: int) -> "_Chain":
        first, last = paths.first, paths.last
        state = _states(paths, units, order)
        count = int(state.max(initial=-1)) + 1
        unit = np.zeros(count, dtype=np.int64)
        unit[state] = paths.unit
        goes_on = np.ones(len(state), dtype=bool)
        goes_on[last] = False
        come_from = np.flatnonzero(goes_on)
        pairs = (state[come_from], state[come_from + 1])
        seen = csr_array((np.ones(len(come_from)), pairs), shape=(count, count))
        # staying where one is changes neither where a walk ends nor what it meets
        seen.setdiag(0.0)
        seen.eliminate_zeros()
        sold = np.bincount(state[last[converted[paths.counts > 0]]], minlength=count)
        ended = np.bincount(state[last], minlength=count)
        out = seen.sum(axis=1) + ended
        moves = csr_array(diags_array(1.0 / out) @ seen)
        starts = np.bincount(state[first], minlength=count) / max(len(first), 1)
        chain = cls(moves, sold / out, starts, unit)
        return chain.only(chain.can_convert())

    def can_convert(self) -> BoolArray:
        """From which states conversion can be reached."""
        found = self.converts > 0
        while True:
            wider = found | (self.moves @ found.astype(np.float64) > 0)
            if (wider == found).all():
                return np.asarray(found)
            found = wider

    def only(self, kept: BoolArray) -> "_Chain":
        """Without the states that are not kept, as if they led to null."""
        moves = self.moves[kept][:, kept]
        return _Chain(moves, self.converts[kept], self.starts[kept], self.unit[kept])

    def lost_at_once(self) -> dict[int, float]:
        """Lost share of conversions by unit, from the fundamental matrix.

        With ``N = (I − Q)⁻¹``, of the states ``S`` that are taken out the first that a walk comes
        to is distributed as ``starts N[:, S] N[S, S]⁻¹``.
        """
        visits = np.linalg.inv(np.eye(len(self.unit)) - self.moves.toarray())
        from_start, convert = self.starts @ visits, visits @ self.converts
        all_ = self.starts @ convert
        lost = {}
        for unit, states in self._by_unit():
            first_met = np.linalg.solve(visits[np.ix_(states, states)], convert[states])
            lost[unit] = float(from_start[states] @ first_met / all_)
        return lost

    def lost_step_by_step(self) -> dict[int, float]:
        """The same without a matrix of all states by all states: the equations by iteration.

        What is solved for, by unit, is the chance to come to the unit's states and then convert.
        Each step adds the walks that are a touch longer, so that it converges in any case.
        """
        convert = _settled(self.moves, self.converts[:, None], False)
        all_ = self.starts @ convert
        present = np.unique(self.unit)
        lost: dict[int, float] = {}
        for units in np.array_split(present, 1 + len(present) * len(self.unit) // BATCH):
            theirs = self.unit[:, None] == units
            there = np.where(theirs, convert, 0.0)
            before = _settled(self.moves, self.moves @ there, theirs)
            shares = self.starts @ (there + before) / all_
            lost |= dict(zip(units.tolist(), shares.tolist(), strict=True))
        return lost

    def _by_unit(self) -> list[tuple[int, IntArray]]:
        order = np.argsort(self.unit, kind="stable")
        present, begin = np.unique(self.unit[order], return_index=True)
        return list(zip(present.tolist(), np.split(order, begin[1:]), strict=True))


def _states(paths: Paths, units: int, order: int) -> IntArray:
    """A number for each touch by its unit and the ones before it, ``order`` in all."""
    first = paths.first
    state = paths.unit
    for _ in range(1, order):
        before = np.zeros(len(state), dtype=np.int64)  # 0 is the start
        before[1:] = state[:-1] + 1
        before[first] = 0
        state = np.unique(before * units + paths.unit, return_inverse=True)[1]
    return np.unique(state, return_inverse=True)[1].astype(np.int64)


def _settled(moves: csr_array, given: FloatArray, out: BoolArray | bool) -> FloatArray:
    """``x = moves x + given`` for each column, with 0 where a state is out of the chain."""
    found = np.where(out, 0.0, given)
    while True:
        longer = np.where(out, 0.0, moves @ found + given)
        change = np.abs(longer - found).max(axis=0)
        if (change <= TOLERANCE * longer.max(axis=0)).all():
            return np.asarray(longer)
        found = longer
