"""What touches add in expectation, by creative and collateral too, and which works best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bizops.arrays import decode_arrays
from bizops.best import Beside, beside
from bizops.database import Connection, load_queries
from warehouse.draws import BATCH, FloatArray, add_up, estimates
from warehouse.figures import Comparison, Group

__all__ = ["ITEMS", "AddedSums", "Relative", "compare", "read_added", "read_relative"]

QUERIES = load_queries("warehouse", "items.sql")
ITEMS = ("creative", "collateral")
Relative = dict[tuple[str, str, str], FloatArray]
"""Draws of effects relative to their campaign's mean, by channel, campaign and item."""


@dataclass
class AddedSums:
    """What is added to each group, draw by draw.

    Attributes
    ----------
    conversions, iacv
        Of shape ``(draw,)``; those of IACV are missing where a run does not say.
    alike
        Conversions were all of a campaign's touches alike.
    """

    conversions: dict[Group, FloatArray] = field(default_factory=dict)
    iacv: dict[Group, FloatArray] = field(default_factory=dict)
    alike: dict[Group, FloatArray] = field(default_factory=dict)


def read_added(
    connection: Connection, parameters: Mapping[str, Any], relative: Relative
) -> AddedSums:
    """Sum what a question's touches add, row by row: a row is a day's touches of a campaign."""
    sums = AddedSums()
    with connection.cursor(name="added") as cursor:
        cursor.itersize = BATCH
        cursor.execute(QUERIES["incremental_draws"], parameters)
        while rows := cursor.fetchmany(BATCH):
            _add(sums, rows, parameters["by"], relative)
    return sums


def _add(sums: AddedSums, rows: list[tuple[Any, ...]], by: str, relative: Relative) -> None:
    """Add rows of conversions or of IACV, each to all the items that have a part of it."""
    for of_iacv, held in ((False, sums.conversions), (True, sums.iacv)):
        chosen = [row for row in rows if (row[7] is None) == of_iacv]
        if not chosen:
            continue
        groups, at, parts, effects = [], [], [], []
        for place, (channel, campaign_id, start, items, *of_items, rate, _, _) in enumerate(chosen):
            for item, part in zip(items, of_items[of_iacv], strict=True):
                groups.append(_group(by, channel, campaign_id, item, start))
                at.append(place)
                parts.append(rate * part)
                effects.append(relative.get((channel, campaign_id, item), 1.0))
        draws = decode_arrays([row[8 if of_iacv else 7] for row in chosen]).astype(np.float64)
        added = draws[at] * np.array(parts)[:, None]
        if by in ITEMS:
            if not of_iacv:
                add_up(sums.alike, groups, added)
            for row, effect in zip(added, effects, strict=True):
                row *= effect
        add_up(held, groups, added)


def _group(by: str, channel: str, campaign_id: str, item: str, start: Any) -> Group:
    if by == "creative":
        return Group(channel, campaign_id, start, item)
    if by == "collateral":
        return Group(item, "", start)
    return Group(channel, campaign_id if by == "campaign" else "", start)


def read_relative(connection: Connection, parameters: Mapping[str, Any]) -> Relative:
    """Effects of creatives or collateral relative to their campaign's mean."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["relative_draws"], parameters)
        rows = cursor.fetchall()
    if not rows:
        return {}
    draws = decode_arrays([row[3] for row in rows]).astype(np.float64)
    return {row[:3]: effect for row, effect in zip(rows, draws, strict=True)}


def compare(added: AddedSums, relative: Relative, by: str) -> dict[Group, Comparison]:
    """Each group of a report beside others.

    A creative's effect is the same in each period; collateral's is the mean over the campaigns it
    was used in, which are not compared with each other.
    """
    effects = estimates(
        {
            group: added.conversions[group] / alike
            for group, alike in added.alike.items()
            if (alike > 0).all()
        }
    )
    campaigns: dict[tuple[str, str], list[str]] = {}
    if by == "creative":
        for channel, campaign_id, item in relative:
            campaigns.setdefault((channel, campaign_id), []).append(item)
    others: dict[tuple[str, str, str], tuple[Beside, str]] = {}
    for names, items in campaigns.items():
        draws = np.stack([relative[*names, item] for item in items])
        for item, found in zip(items, beside(draws), strict=True):
            others[*names, item] = (found, items[found.worst])
    return {
        group: Comparison(effect, *others.get((group.key, group.campaign_id, group.item), ()))
        for group, effect in effects.items()
    }
