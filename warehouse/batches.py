"""Draws as they are read, added up by whose they are, currency and period."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bizops.arrays import decode_arrays
from bizops.calendar import Calendar

__all__ = ["NAMES", "Batch", "FloatArray", "Key", "named"]

ALL_TIME = np.datetime64("0001-01-01")

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Key = tuple[str, ...]
"""Dimension, channel, campaign, account, lead and collateral, '' for what the dimension is not by;
then the period, its first day and the currency."""
NAMES = 5


def named(dimension: str, row: tuple[Any, ...]) -> Key:
    """What a row counts for in a dimension; a campaign's for its channel too."""
    return (dimension, row[0], "" if dimension == "channel" else row[1], *row[2:NAMES])


@dataclass(frozen=True)
class Batch:
    """Rows of draws: whose they are, of which conversion, and what that came to."""

    conversion: list[str]
    days: NDArray[np.datetime64]
    currency: list[str]
    worth: FloatArray
    """IACV, kept and earned, shape ``(row, 3)``; NaN where it is not known what is kept."""
    shares: FloatArray
    """Draws of the share that is whose the row is, shape ``(row, draw)``."""

    @classmethod
    def of(cls, rows: list[tuple[Any, ...]]) -> "Batch":
        """Rows as the named query ``shares`` gives them."""
        columns = list(zip(*rows, strict=True))[NAMES:]
        worth = np.column_stack([np.array(c, dtype=np.float64) for c in columns[3:6]])  # None: NaN
        shares = decode_arrays(list(columns[7])).astype(np.float64)
        parts = np.array(columns[6], dtype=np.float64)
        if (parts != 1).any():
            shares *= parts[:, None]
        days = np.array(columns[1], dtype="datetime64[D]")
        return cls(list(columns[0]), days, list(columns[2]), worth, shares)

    def added_up(
        self,
        of_rows: list[Key],
        calendar: Calendar,
        periods: tuple[str, ...],
        near: NDArray[np.datetime64] | None = None,
    ) -> Iterator[tuple[list[Key], FloatArray]]:
        """Sums by name, currency and each period in turn; of the periods with days ``near`` alone.

        Rows of one conversion that count for the same follow each other, and are made one first.

        Yields
        ------
        Keys, and sums of shape ``(key, 4, draw)``: of shares alone, and times IACV, kept, earned.
        """
        named = list(zip(of_rows, self.conversion, self.currency, strict=True))
        new = [True, *(one != other for one, other in itertools.pairwise(named))]
        begins: IntArray = np.flatnonzero(new)
        whole = len(begins) == len(named)
        shares = self.shares if whole else np.add.reduceat(self.shares, begins, axis=0)
        number: dict[tuple[Key, str], int] = {}
        for place in begins:
            number.setdefault((of_rows[place], self.currency[place]), len(number))
        of_run = np.array([number[of_rows[place], self.currency[place]] for place in begins])
        listed, days, worth = list(number), self.days[begins], self.worth[begins]
        for period in periods:
            starts = calendar.starts(days, period)
            order = np.lexsort((starts, of_run))
            if near is not None:
                order = order[np.isin(starts[order], calendar.starts(near, period))]
            if not len(order):
                continue
            place, started = of_run[order], starts[order]
            differs = (place[1:] != place[:-1]) | (started[1:] != started[:-1])
            firsts: IntArray = np.flatnonzero(np.r_[True, differs])
            keys: list[Key] = []
            for which, start in zip(place[firsts], started[firsts], strict=True):
                name, currency = listed[which]
                first = "-infinity" if start == ALL_TIME else str(start)
                keys.append((*name, period, first, currency))
            yield keys, _weighted(shares[order], worth[order], firsts)


def _weighted(shares: FloatArray, worth: FloatArray, begins: IntArray) -> FloatArray:
    """Sums of shares alone, and times each of ``worth``, from each beginning to the next."""
    totals = np.empty((len(begins), 4, shares.shape[1]))
    totals[:, 0] = np.add.reduceat(shares, begins, axis=0)
    for column, figure in enumerate(worth.T, start=1):
        if (figure == 0).all():
            totals[:, column] = 0.0
        else:
            totals[:, column] = np.add.reduceat(shares * figure[:, None], begins, axis=0)
    return totals
