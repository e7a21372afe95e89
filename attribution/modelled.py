"""A run's model over the touches of the timelines as they are now: what each kind of touch adds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attribution.activity import ACTIVITY_BINS, activity_at, cut_by_activity
from attribution.contexts import Contexts, find_contexts
from attribution.journeys import Journeys, load_journeys
from attribution.kept import Kept, load_kept
from attribution.posterior import Posterior
from attribution.risk import Spells, risk_spells, summed_exposures
from attribution.runs import Run
from bizops.database import Connection
from bizops.errors import UsageError

__all__ = ["Added", "Modelled", "build_modelled", "load_modelled"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Modelled:
    """Touches, with the model that says what they add.

    Attributes
    ----------
    channels, unit_channel
        Of the model and the journeys; index of each campaign's channel, shape ``(unit,)``.
    contexts
        Of the touches, with the model's first channels.
    spells
        When accounts are at risk, cut by their activity.
    posterior
        With all campaigns of the journeys, and the activity of these bins.
    """

    journeys: Journeys
    channels: tuple[str, ...]
    unit_channel: IntArray
    contexts: Contexts
    spells: Spells
    posterior: Posterior

    @property
    def touch_channel(self) -> IntArray:
        """Index of each touch's channel, shape ``(touch,)``."""
        return self.unit_channel[self.journeys.touches.unit]

    def added(self, mark: NDArray[np.bool_] | None = None) -> "Added":
        """Sum up what follows touches, over those that are alike.

        Parameters
        ----------
        mark
            Of each touch, shape ``(touch,)``: those that are marked are kept apart.
        """
        touches, spells = self.journeys.touches, self.spells
        units, contexts = max(len(self.journeys.units), 1), max(len(self.contexts.channel), 1)
        marked = np.zeros(len(touches), dtype=bool) if mark is None else mark

        def like(touch: IntArray, spell: IntArray) -> IntArray:
            code = marked[touch] * units + touches.unit[touch]
            code = (code * contexts + self.contexts.of_touch[touch]) * 2 + spells.state[spell]
            return np.asarray(code * ACTIVITY_BINS + spells.activity[spell])

        code, sums = summed_exposures(self.journeys, spells, like)
        code, activity = np.divmod(code, ACTIVITY_BINS)
        code, state = np.divmod(code, 2)
        code, context = np.divmod(code, contexts)
        is_marked, unit = np.divmod(code, units)
        return Added(self, unit, context, state, activity, is_marked.astype(bool), sums)


@dataclass(frozen=True)
class Added:
    """Touches that have all of this in common, shape ``(row,)``, and the integral of each kernel
    over the risk that follows them, ``sums``, shape ``(row, kernel)``.
    """

    of: Modelled
    unit: IntArray
    context: IntArray
    state: IntArray
    activity: IntArray
    marked: NDArray[np.bool_]
    sums: NDArray[np.floating]

    def draws(self) -> Iterator[FloatArray]:
        """Conversions that the touches of each row add up to the end of the data, by draw.

        As ``incremental_conversions`` in docs/metrics.md; each of shape ``(row,)``.
        """
        posterior, channel = self.of.posterior, self.of.unit_channel[self.unit]
        multiplier = posterior.multiplier(self.of.contexts)
        for d in range(len(posterior)):
            added = np.einsum("rb,rb->r", self.sums, posterior.weights[d][channel])
            added *= posterior.effect[d][self.unit] * posterior.state[d][self.state]
            added *= posterior.activity[d][self.activity] * multiplier[d][self.context]
            yield added


def load_modelled(connection: Connection, run: Run | None) -> Modelled:
    """Read the timelines and the model of a run.

    Raises
    ------
    UsageError
        If there is no run, or it kept no model: one of rules only, or one that needed no fit.
    """
    if run is None:
        raise UsageError("no run is published; expected one with a model: run `bizops attribute`")
    kept = load_kept(connection, run.run_id)
    if kept is None:
        why = "it is of rules only" if run.settings.get("rules_only") else "it needed no fit"
        raise UsageError(
            f"run {run.run_id} has no draws of the model, as {why}; expected a run with them: "
            "`bizops attribute`"
        )
    levels = (run.diagnostics or {}).get("activity_levels")
    return build_modelled(load_journeys(connection, units=kept.units), kept, levels)


def build_modelled(
    journeys: Journeys, kept: Kept, activity_levels: list[float] | None = None
) -> Modelled:
    """Put a model and timelines together.

    Parameters
    ----------
    journeys
        That count the model's campaigns first.
    activity_levels
        ``z`` of the bins that the model's activity is of; None for those of the journeys.

    Raises
    ------
    UsageError
        If the journeys have other bins and it is not known which the model's were.
    """
    wider = kept.extended(journeys.units, [])
    unit_channel = np.array([wider.channels.index(c) for c, _ in journeys.units], dtype=np.int64)
    channel = unit_channel[journeys.touches.unit]
    levels, spells, _ = cut_by_activity(journeys, risk_spells(journeys)[0])
    activity = _activity(wider.posterior.activity, activity_levels, levels)
    return Modelled(
        journeys,
        wider.channels,
        unit_channel,
        find_contexts(journeys.touches, channel, wider.posterior.first),
        spells,
        replace(wider.posterior, activity=activity),
    )


def _activity(fitted: FloatArray, levels: list[float] | None, now: FloatArray) -> FloatArray:
    """What bins of activity multiply rates by, for other bins than the fit had, ``(draw, bin)``."""
    if levels is None:
        if fitted.shape[1] != len(now):
            raise UsageError(
                "the run does not say which bins of activity its model has: it was made before "
                "runs kept that; run `bizops attribute` again"
            )
        return fitted
    return activity_at(fitted, np.asarray(levels), now)
