"""What touches add in expectation: conversions and IACV, in parts by creative and collateral."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.copying import copy_columns, copy_draws
from attribution.credit import Credit, DrawCredit, incremental
from attribution.features import Features
from attribution.items import DIMENSIONS, Items, numbered
from attribution.journeys import Journeys, Units
from attribution.posterior import Posterior
from attribution.relative import find_slots, relative_effects
from attribution.risk import exposed_pairs
from attribution.sizes import size_draws
from bizops.database import Connection

__all__ = ["Added", "Parts", "Relative", "added_parts", "find_added", "save_added"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
EPOCH = date(1970, 1, 1).toordinal()
RELATIVE = ("run_id", "dimension", "channel", "campaign_id", "item_id", "effect")


@dataclass(frozen=True)
class Parts:
    """What a day's touches of a campaign add, in parts by what they carried and to whom.

    Attributes
    ----------
    group
        Index of each part's day and campaign, as in :class:`Added`, shape ``(part,)``.
    items
        By dimension, the index of what touches carried.
    baseline
        Segment and state of those whom they touched.
    part
        Of the conversions that the group adds; those of a group sum to one.
    """

    group: IntArray
    items: dict[str, IntArray]
    baseline: IntArray
    part: FloatArray


@dataclass(frozen=True)
class Relative:
    """Draws of effects relative to a campaign's mean, shape ``(slot, draw)``; their names."""

    unit: IntArray
    item: IntArray
    effect: NDArray[np.float32]


@dataclass(frozen=True)
class Added:
    """What touches add.

    Attributes
    ----------
    day, unit
        Of each group, shape ``(group,)``.
    conversions
        Draws of shape ``(group, draw)``.
    iacv
        By currency, draws of shape ``(group, draw)``.
    group, items, of_conversions, of_iacv
        Parts of groups by what touches carried, for groups in which they carried anything.
    relative
        By dimension.
    """

    day: IntArray
    unit: IntArray
    conversions: NDArray[np.float32]
    iacv: dict[str, NDArray[np.float32]]
    group: IntArray
    items: dict[str, IntArray]
    of_conversions: FloatArray
    of_iacv: FloatArray
    relative: dict[str, Relative]


def added_parts(
    journeys: Journeys,
    features: Features,
    posterior: Posterior,
    items: Items,
    groups: tuple[IntArray, IntArray],
) -> Parts:
    """Split what groups add, at the posterior mean of kernels and of what effects depend on.

    Within a day and a campaign only those tell touches apart, and they hardly vary from draw to
    draw; the campaign's effect, which does, is the same in all parts.

    Parameters
    ----------
    groups
        Day and campaign of each group, in order.
    """
    touches = journeys.touches
    day = touches.time_us // 86_400_000_000
    segment = journeys.segment[touches.account]
    carried = [items.of_touch[dimension] for dimension in DIMENSIONS]
    keys, cell = numbered(day, touches.unit, segment, *carried)
    weights = posterior.weights.mean(axis=0)[features.unit_channel]
    state, activity = posterior.state.mean(axis=0), posterior.activity.mean(axis=0)
    multiplier = posterior.multiplier(features.contexts).mean(axis=0)
    spells = features.spells
    added = np.zeros(2 * len(keys[0]))
    for touch, spell, kernel in exposed_pairs(journeys, spells):
        of_pair = np.einsum("pb,pb->p", kernel, weights[touches.unit[touch]])
        of_pair *= state[spells.state[spell]] * activity[spells.activity[spell]]
        of_pair *= multiplier[features.contexts.of_touch[touch]]
        code, row = np.unique(cell[touch] * 2 + spells.state[spell], return_inverse=True)
        added[code] += np.bincount(row, of_pair, minlength=len(code))

    there = np.flatnonzero(added)
    at, in_state = np.divmod(there, 2)
    places = np.empty((len(journeys.segments), 2), dtype=np.int64)
    for place, (name, of_state) in enumerate(features.baselines):
        places[journeys.segments.index(name), of_state] = place
    baseline = places[keys[2][at], in_state]
    found, row = numbered(*(key[at] for key in keys[:2]), baseline, *(key[at] for key in keys[3:]))
    part = np.bincount(row, added[there], minlength=len(found[0])).astype(np.float64)
    units = max(len(journeys.units), 1)
    group = np.searchsorted(groups[0] * units + groups[1], found[0] * units + found[1])
    part /= np.bincount(group, part, minlength=len(groups[0]))[group]
    return Parts(group, dict(zip(DIMENSIONS, found[3:], strict=True)), found[2], part)


def find_added(
    journeys: Journeys,
    features: Features,
    posterior: Posterior,
    items: Items,
    credit: tuple[Credit, DrawCredit],
    seed: int,
) -> Added:
    """What touches add in conversions and IACV, and by what they carried.

    Parameters
    ----------
    credit
        The model's, by touch and its draws by campaign.
    """
    day, unit, conversions = incremental(features, posterior)
    parts = added_parts(journeys, features, posterior, items, (day, unit))
    rngs = np.random.default_rng(seed).spawn(1 + len(DIMENSIONS))
    shape = (len(features.baselines), len(journeys.units))
    sizes = size_draws(journeys.conversions, features.baseline, credit[1], shape, rngs[0])

    carried = [parts.items[dimension] for dimension in DIMENSIONS]
    (group, *kinds), row = numbered(parts.group, *carried)
    of_conversions = np.bincount(row, parts.part, minlength=len(group)).astype(np.float64)
    usual = next(iter(sizes.values())).mean(axis=0)  # of the currency of most conversions
    worth = parts.part * usual[parts.baseline, unit[parts.group]]
    of_iacv = np.bincount(row, worth, minlength=len(group)).astype(np.float64)
    of_iacv /= np.bincount(group, of_iacv, minlength=len(day))[group]

    relative = {}
    for dimension, kind, rng in zip(DIMENSIONS, kinds, rngs[1:], strict=True):
        (in_unit, item), slot = numbered(unit[group], kind)
        slots = find_slots(in_unit, item, journeys.touches.unit, items.of_touch[dimension], *credit)
        place = np.full(len(in_unit), -1)
        place[np.bincount(in_unit, minlength=1)[in_unit] > 1] = np.arange(len(slots.unit))
        expected = _expected(conversions, group, place[slot], of_conversions, len(slots.unit))
        effects = relative_effects(slots, credit[1], expected, rng)
        relative[dimension] = Relative(slots.unit, slots.item, effects.T.astype(np.float32))

    told = np.bincount(group, (kinds[0] > 0) | (kinds[1] > 0), minlength=len(day))[group] > 0
    return Added(
        day=day,
        unit=unit,
        conversions=conversions,
        iacv={name: _worth(conversions, parts, unit, size) for name, size in sizes.items()},
        group=group[told],
        items={name: kind[told] for name, kind in zip(DIMENSIONS, kinds, strict=True)},
        of_conversions=of_conversions[told],
        of_iacv=of_iacv[told],
        relative=relative,
    )


def _expected(
    conversions: NDArray[np.float32], group: IntArray, slot: IntArray, part: FloatArray, slots: int
) -> FloatArray:
    """Conversions of each slot were all of its campaign alike, shape ``(draw, slot)``."""
    kept = slot >= 0
    group, slot, part = group[kept], slot[kept], part[kept]
    out = np.empty((conversions.shape[1], slots))
    for d in range(len(out)):
        out[d] = np.bincount(slot, conversions[group, d] * part, minlength=slots)
    return out


def _worth(
    conversions: NDArray[np.float32], parts: Parts, unit: IntArray, sizes: FloatArray
) -> NDArray[np.float32]:
    """Conversions of groups times the mean size of whom they are, shape ``(group, draw)``."""
    (group, baseline), row = numbered(parts.group, parts.baseline)
    part = np.bincount(row, parts.part, minlength=len(group))
    out = np.empty_like(conversions)
    for d in range(len(sizes)):
        size = sizes[d][baseline, unit[group]]
        out[:, d] = conversions[:, d] * np.bincount(group, part * size, minlength=len(out))
    return out


def save_added(
    connection: Connection, run_id: str, units: Units, items: Items, added: Added
) -> None:
    """Write it as the run's."""
    days = [date.fromordinal(EPOCH + int(day)) for day in added.day]
    columns = ("run_id", "touched_on", "channel", "campaign_id")
    names = [units[unit] for unit in added.unit.tolist()]
    keys: list[Any] = [(run_id, day, *name) for day, name in zip(days, names, strict=True)]
    table = "attribution.incremental_draws"
    copy_draws(connection, table, (*columns, "conversions"), keys, added.conversions)
    table = "attribution.incremental_iacv_draws"
    for currency, iacv in added.iacv.items():
        with_currency = [(*key, currency) for key in keys]
        copy_draws(connection, table, (*columns, "currency", "iacv"), with_currency, iacv)
    of = [keys[group] for group in added.group.tolist()]
    copy_columns(
        connection,
        "attribution.incremental_parts",
        {
            **{name: pa.array([key[i] for key in of]) for i, name in enumerate(columns)},
            **{
                f"{dimension}_id": pa.array([items.names[dimension][i] for i in kind], pa.string())
                for dimension, kind in added.items.items()
            },
            "of_conversions": added.of_conversions,
            "of_iacv": added.of_iacv,
        },
    )
    for dimension, relative in added.relative.items():
        slots = zip(relative.unit.tolist(), relative.item.tolist(), strict=True)
        keys = [
            (run_id, dimension, *units[unit], items.names[dimension][item]) for unit, item in slots
        ]
        copy_draws(connection, "attribution.relative_draws", RELATIVE, keys, relative.effect)
