"""Who gets a conversion: shares by rule or by the model, that sum to one with the baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attribution.contexts import Contexts
from attribution.features import Features, Terms, TouchExposures
from attribution.journeys import Journeys
from attribution.pairs import Pairs, within_lookback
from attribution.posterior import Posterior
from attribution.rules import Rule

__all__ = [
    "BASELINE",
    "Credit",
    "CreditRow",
    "DrawCredit",
    "added_draws",
    "bayesian_credit",
    "credit_rows",
    "incremental",
    "rule_credit",
    "share_draws",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BASELINE = "(baseline)"


@dataclass(frozen=True)
class Credit:
    """Shares of conversions, one entry a conversion and credited touch or baseline.

    Attributes
    ----------
    conversion, touch
        Indexes; ``touch`` is -1 for the baseline. Shape ``(entry,)``.
    share
        In (0, 1]; sums to one over each conversion. Shape ``(entry,)``.
    """

    conversion: IntArray
    touch: IntArray
    share: FloatArray

    def unit(self, touch_unit: IntArray) -> IntArray:
        """Campaign of each entry by that of each touch, -1 for the baseline."""
        return np.append(touch_unit, -1)[self.touch]


@dataclass(frozen=True)
class DrawCredit:
    """Draws of the model's shares, one row a conversion and campaign or baseline.

    Attributes
    ----------
    conversion, unit
        Indexes, by conversion; ``unit`` is -1 for the baseline. Shape ``(row,)``.
    shares
        Shape ``(row, draw)``; sums to one over each conversion in each draw.
    """

    conversion: IntArray
    unit: IntArray
    shares: NDArray[np.floating]


class CreditRow(NamedTuple):
    """A row of ``attribution.credit`` without its run."""

    model: str
    conversion_id: str
    touch_id: str | None
    channel: str
    campaign_id: str
    touched_at: datetime | None
    share: float


def rule_credit(
    journeys: Journeys, pairs: Pairs, rule: Rule, lookback_days: float | None
) -> Credit:
    """Credit by a rule; a conversion without a touch in the window is the baseline's."""
    kept = within_lookback(pairs, lookback_days)
    share = rule(kept.paths(journeys.touches.unit, _made_known(journeys, kept)))
    credited = share > 0
    alone = np.flatnonzero(kept.counts == 0)
    return _ordered(
        np.concatenate((kept.conversion[credited], alone)),
        np.concatenate((kept.touch[credited], np.full(len(alone), -1))),
        np.concatenate((share[credited], np.ones(len(alone)))),
    )


def _made_known(journeys: Journeys, pairs: Pairs) -> NDArray[np.bool_]:
    """Which pair has the newest touch up to the first lead of the account."""
    before = (
        journeys.touches.time_us[pairs.touch] <= journeys.conversions.known_us[pairs.conversion]
    )
    nexts = np.append(pairs.conversion[1:], -1) == pairs.conversion
    return np.asarray(before & ~(nexts & np.append(before[1:], False)))


def bayesian_credit(
    terms: Terms, touch_unit: IntArray, posterior: Posterior | None
) -> tuple[Credit, DrawCredit]:
    """Each term's share of the rate at the conversion: its posterior mean, and its draws.

    Parameters
    ----------
    touch_unit
        Campaign of each touch, shape ``(touch,)``.
    posterior
        None where no touch precedes any conversion: then all is the baseline's.
    """
    pairs, conversions = terms.pairs, len(terms.state)
    everyone = np.arange(conversions)
    if posterior is None:
        alone = Credit(everyone, np.full(conversions, -1), np.ones(conversions))
        return alone, DrawCredit(everyone, alone.touch, np.ones((conversions, 1), np.float32))
    touch_mean, base_mean = np.zeros(len(pairs)), np.zeros(conversions)
    rows = len(terms.conversion)
    conversion = np.concatenate((terms.conversion, everyone))
    units = np.concatenate((terms.unit, np.full(conversions, -1)))
    order = np.lexsort((units, conversion))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    draws = np.empty((len(order), len(posterior)), dtype=np.float32)
    for d, (share, base) in enumerate(share_draws(terms, touch_unit, posterior)):
        touch_mean += share
        base_mean += base
        draws[place[:rows], d] = np.bincount(terms.pair_of_touch, share, minlength=rows)
        draws[place[rows:], d] = base
    credit = _ordered(
        np.concatenate((pairs.conversion, everyone)),
        np.concatenate((pairs.touch, np.full(conversions, -1))),
        np.concatenate((touch_mean, base_mean)) / len(posterior),
    )
    return credit, DrawCredit(conversion[order], units[order], draws)


def share_draws(
    terms: Terms, touch_unit: IntArray, posterior: Posterior
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Shares draw by draw: of each conversion's touches, and of its baseline.

    What goes with touches uncaused is the baseline's.

    Yields
    ------
    Shapes ``(touch pair,)`` and ``(conversion,)``; they sum to one over each conversion.
    """
    pairs, conversions = terms.pairs, len(terms.state)
    unit = touch_unit[pairs.touch]
    channel = terms.unit_channel[unit]
    state = terms.state[pairs.conversion]
    context = terms.contexts.of_touch[pairs.touch]
    multiplier = posterior.multiplier(terms.contexts)
    tied = np.flatnonzero(posterior.associated[channel])
    for d in range(len(posterior)):
        rate = np.einsum("pb,pb->p", terms.touch_kernels, posterior.weights[d][channel])
        rate *= posterior.effect[d][unit] * posterior.state[d][state] * multiplier[d][context]
        base = posterior.baseline[d][terms.baseline] * np.exp(terms.season @ posterior.season[d])
        if len(tied):
            goes = rate[tied] * posterior.association[d][channel[tied]]
            base += np.bincount(pairs.conversion[tied], goes, minlength=conversions)
        total = base + np.bincount(pairs.conversion, rate, minlength=conversions)
        yield rate / total[pairs.conversion], base / total


def incremental(
    features: Features, posterior: Posterior
) -> tuple[IntArray, IntArray, NDArray[np.float32]]:
    """Conversions that a day's touches of a campaign add in expectation, to the end of the data.

    Returns
    -------
    Day since 1970 and campaign of each group, shape ``(group,)``, and draws ``(group, draw)``.
    """
    from attribution.factors import add_draws  # a compiler, which only fits need to load

    rows = features.touch_exposures
    units = max(len(features.unit_channel), 1)
    code, group = np.unique(rows.day * units + rows.unit, return_inverse=True)
    draws = np.zeros((len(code), len(posterior)), dtype=np.float32)
    add_draws(
        draws, group, rows.sums, features.unit_channel[rows.unit], rows.unit, rows.context,
        rows.state, rows.activity, np.ascontiguousarray(posterior.weights.transpose(1, 2, 0)),
        *(np.ascontiguousarray(factor.T) for factor in (
            posterior.effect, posterior.multiplier(features.contexts), posterior.state,
            posterior.activity,
        )),
    )  # fmt: skip
    return code // units, code % units, draws


def added_draws(
    rows: TouchExposures, contexts: Contexts, unit_channel: IntArray, posterior: Posterior
) -> Iterator[FloatArray]:
    """Conversions that like touches add in expectation, draw by draw, each of shape ``(row,)``."""
    channel = unit_channel[rows.unit]
    multiplier = posterior.multiplier(contexts)
    for d in range(len(posterior)):
        added = np.einsum("rb,rb->r", rows.sums, posterior.weights[d][channel])
        added *= posterior.effect[d][rows.unit] * posterior.state[d][rows.state]
        added *= posterior.activity[d][rows.activity] * multiplier[d][rows.context]
        yield added


def credit_rows(journeys: Journeys, model: str, credit: Credit) -> list[CreditRow]:
    """Credit with names in place of indexes."""
    touches = journeys.touches
    touched = np.flatnonzero(credit.touch >= 0)
    names = dict(
        zip(
            touched.tolist(), touches.event_ids.take(credit.touch[touched]).to_pylist(), strict=True
        )
    )
    rows = []
    ids = journeys.conversions.event_ids
    for entry, (conversion, touch, share) in enumerate(
        zip(credit.conversion, credit.touch, credit.share, strict=True)
    ):
        if touch < 0:
            place: tuple[str, str] = (BASELINE, BASELINE)
            moment = None
        else:
            place = journeys.units[touches.unit[touch]]
            moment = datetime.fromtimestamp(touches.time_us[touch] / 1e6, UTC)
        rows.append(
            CreditRow(model, ids[conversion], names.get(entry), *place, moment, float(share))
        )
    return rows


def _ordered(conversion: IntArray, touch: IntArray, share: FloatArray) -> Credit:
    order = np.lexsort((touch, conversion))
    return Credit(conversion[order], touch[order], share[order])
