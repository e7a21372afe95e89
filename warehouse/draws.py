"""Sums over posterior draws: added up draw by draw first, so that intervals of sums are honest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bizops.arrays import decode_arrays
from bizops.database import Connection
from bizops.intervals import interval
from warehouse.figures import Draws, Estimate, Group

__all__ = ["DrawSums", "add_up", "estimates", "read_draw_sums"]

FloatArray = NDArray[np.float64]

BATCH = 2_000


@dataclass
class DrawSums:
    """Sums of shares, and of share x what a conversion came to, for each group, draw by draw.

    Attributes
    ----------
    shares, amounts, kept, earned
        By group, arrays of shape ``(draw,)``; the last two as in :class:`Draws`.
    """

    shares: dict[Group, FloatArray] = field(default_factory=dict)
    amounts: dict[Group, FloatArray] = field(default_factory=dict)
    kept: dict[Group, FloatArray] = field(default_factory=dict)
    earned: dict[Group, FloatArray] = field(default_factory=dict)

    def of(self, group: Group) -> Draws | None:
        """What a group was credited, nothing where it was not; None where there are no draws."""
        if not self.shares:
            return None
        nothing = np.zeros_like(next(iter(self.shares.values())))
        held = (self.shares, self.amounts, self.kept, self.earned)
        return Draws(*(figure.get(group, nothing) for figure in held))

    def add(self, groups: list[Group], shares: FloatArray, worth: FloatArray) -> None:
        """Add rows: ``shares`` of shape ``(row, draw)``, what each is a share of ``(row, 3)``."""
        for held, column in zip(
            (self.shares, self.amounts, self.kept, self.earned),
            (np.ones(len(worth)), *worth.T),
            strict=True,
        ):
            add_up(held, groups, shares * column[:, None])


def add_up(held: dict[Group, FloatArray], groups: list[Group], draws: FloatArray) -> None:
    """Add each row of ``draws``, of shape ``(row, draw)``, to what is held of its group."""
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    at = np.array([places[group] for group in groups])
    order = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[order], np.arange(len(places)))
    sums = np.add.reduceat(draws[order], starts, axis=0)
    for group, place in places.items():
        held[group] = held.get(group, 0.0) + sums[place]


def read_draw_sums(connection: Connection, query: str, parameters: Mapping[str, Any]) -> DrawSums:
    """Sum the draws that ``query`` finds, batch by batch.

    The query gives key, campaign_id, start, item, amount, what of it is kept and earned (None where
    that is not known), the part of the draws that is meant, and ``array_send`` of a ``real[]``.
    """
    sums = DrawSums()
    with connection.cursor(name="draws") as cursor:
        cursor.itersize = BATCH
        cursor.execute(query, parameters)
        while rows := cursor.fetchmany(BATCH):
            groups = [Group(*row[:4]) for row in rows]
            worth = np.array([row[4:7] for row in rows], dtype=np.float64)  # None is NaN
            parts = np.array([row[7] for row in rows])
            shares = decode_arrays([row[8] for row in rows]).astype(np.float64)
            sums.add(groups, shares * parts[:, None], worth)
    return sums


def estimates[Key](
    draws: Mapping[Key, FloatArray], *, zero_below: float = 0.0
) -> dict[Key, Estimate]:
    """Mean, 90 % and 50 % interval of each figure's draws, of shape ``(draw,)`` each.

    The narrower interval lies in the wider one.
    """
    if not draws:
        return {}
    stacked = np.stack(list(draws.values()), axis=1)
    mean, low, high = interval(stacked, zero_below=zero_below)
    _, low_50, high_50 = interval(stacked, probability=0.5, zero_below=zero_below)
    ends = (mean, low, high, np.maximum(low, low_50), np.minimum(high, high_50))
    return dict(zip(draws, map(Estimate, *(array.tolist() for array in ends)), strict=True))
