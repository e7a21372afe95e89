"""Intervals of what is credited, by whatever marts are by: draws are added up before they are read.

dbt adds up mean shares; the ends of intervals don't add up, so that draws are summed here, by
campaign, channel, organization, lead and collateral, and by each period of the conversion.
"""

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bizops.arrays import decode_arrays
from bizops.bounds import bounded_channels
from bizops.calendar import PERIODS, Calendar
from bizops.database import Connection, Cursor, load_queries
from bizops.intervals import interval
from warehouse.changes import (
    credit_changed,
    credited_by,
    find_changes,
    keep_identifiers,
    made_of,
)
from warehouse.figures import Retention

__all__ = ["Sums", "sum_credit"]

QUERIES = load_queries("warehouse", "sums.sql")
PASSES = (
    ("campaigns", ("campaign", "channel")),
    ("organizations", ("organization",)),
    ("members", ("lead",)),
    ("members", ("collateral",)),
)
"""Queries, and the dimensions whose sums are made of what each gives."""
BATCH = 2_000
ALL_TIME = np.datetime64("0001-01-01")
ONE_CONVERSION = 1.0
COPY = "copy warehouse.credit_intervals from stdin with (format csv)"

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Key = tuple[str, ...]
"""Dimension, channel, campaign, account, lead and collateral, '' for what the dimension is not by;
then the period, its first day and the currency."""
NAMES = 5


@dataclass(frozen=True)
class Sums:
    """What the marts are made of.

    Attributes
    ----------
    now
        The moment they are made.
    currency
        What amounts are told in where they have a rate; None leaves each in its own.
    margin
        Of products of which no event says it.
    """

    now: datetime
    currency: str | None
    margin: float | None
    calendar: Calendar


def sum_credit(connection: Connection, sums: Sums) -> bool:
    """Write what dbt reads of credit, and what changed since the last time; in one transaction.

    Parameters
    ----------
    connection
        Of isolation level REPEATABLE READ, so that all is of one moment.

    Returns
    -------
    Whether it is enough to bring the marts up to date, rather than make them anew.
    """
    settings: dict[str, Any] = {
        "currency": sums.currency,
        "margin": sums.margin,
        "week_start": sums.calendar.week_start,
        "fiscal_year_start": sums.calendar.fiscal_year_start,
    }
    with connection, connection.cursor() as cursor:
        made, credited = made_of(cursor, settings), credited_by(cursor)
        run_id = (credited or "").partition(" ")[0]
        parameters = settings | {"now": sums.now, "run_id": run_id}
        cursor.execute(QUERIES["value_conversions"], parameters)
        known = find_changes(cursor, parameters, made, credited)
        as_before = known and not credit_changed(cursor)
        cursor.execute(QUERIES["begin"], parameters | {"made_of": made, "credited_by": credited})
        cursor.execute(QUERIES["keep_conversions"])
        keep_identifiers(cursor)
        if not as_before:
            cursor.execute(QUERIES["clear"])
        if run_id and not as_before:
            _sum_draws(connection, cursor, parameters, sums.calendar)
    return known


def _sum_draws(
    connection: Connection, cursor: Cursor, parameters: dict[str, Any], calendar: Calendar
) -> None:
    """Retention, bounds and intervals of a run's credit."""
    cursor.execute(QUERIES["retention"], parameters)
    retention = Retention(*cursor.fetchall()[0])
    if retention.churned:
        low, high = retention.ends
        kept = {"years": retention.mean_years, "low": low, "high": high}
        cursor.execute(QUERIES["keep_retention"], kept)
    cursor.execute(QUERIES["diagnostics"], parameters)
    bounded = bounded_channels(cursor.fetchall()[0][0])
    cursor.execute(QUERIES["bound"], {"channels": list(bounded)})
    figures = _Figures(retention, frozenset(bounded))
    cursor.execute(QUERIES["look_up"])
    for query, dimensions in PASSES:
        for keys, totals in _groups(connection, query, dimensions, parameters, calendar):
            lines = io.StringIO()
            csv.writer(lines, quoting=csv.QUOTE_NOTNULL).writerows(figures.rows(keys, totals))
            lines.seek(0)
            cursor.copy_expert(COPY, lines)


def _groups(
    connection: Connection,
    query: str,
    dimensions: tuple[str, ...],
    parameters: dict[str, Any],
    calendar: Calendar,
) -> Iterator[tuple[list[Key], FloatArray]]:
    """Groups that are complete, with their sums, shape ``(group, 4, draw)``: rows come in order."""
    asked = QUERIES["shares"].replace("{keys}", QUERIES[query])
    waiting: dict[Key, FloatArray] = {}
    with connection.cursor(name=f"draws_{dimensions[0]}") as cursor:
        cursor.itersize = BATCH
        cursor.execute(asked, parameters | {"member": dimensions[0]})
        while rows := cursor.fetchmany(BATCH):
            batch = _Batch.of(rows)
            for dimension in dimensions:
                of_rows = [_named(dimension, row) for row in rows]
                last = of_rows[-1]
                complete: list[Key] = []
                sums: list[FloatArray] = []
                for keys, totals in batch.added_up(of_rows, calendar):
                    for key, total in zip(keys, totals, strict=True):
                        whole = waiting.pop(key) + total if key in waiting else total
                        if key[: NAMES + 1] == last:
                            waiting[key] = whole
                        else:
                            complete.append(key)
                            sums.append(whole)
                ended = [key for key in waiting if key[0] == dimension and key[: NAMES + 1] != last]
                complete += ended
                sums += [waiting.pop(key) for key in ended]
                if complete:
                    yield complete, np.stack(sums)
    if waiting:
        yield list(waiting), np.stack(list(waiting.values()))


def _named(dimension: str, row: tuple[Any, ...]) -> Key:
    """What a row counts for in a dimension; a campaign's for its channel too."""
    return (dimension, row[0], "" if dimension == "channel" else row[1], *row[2:NAMES])


@dataclass(frozen=True)
class _Batch:
    """Rows of draws: whose they are, of which conversion, and what that came to."""

    conversion: list[str]
    days: NDArray[np.datetime64]
    currency: list[str]
    worth: FloatArray
    """IACV, kept and earned, shape ``(row, 3)``."""
    shares: FloatArray

    @classmethod
    def of(cls, rows: list[tuple[Any, ...]]) -> "_Batch":
        """As the query gives them."""
        columns = list(zip(*rows, strict=True))[NAMES:]
        worth = np.column_stack([np.array(c, dtype=np.float64) for c in columns[3:6]])  # None: NaN
        shares = decode_arrays(list(columns[7])).astype(np.float64)
        parts = np.array(columns[6], dtype=np.float64)
        if (parts != 1).any():
            shares *= parts[:, None]
        days = np.array(columns[1], dtype="datetime64[D]")
        return cls(list(columns[0]), days, list(columns[2]), worth, shares)

    def added_up(
        self, of_rows: list[Key], calendar: Calendar
    ) -> Iterator[tuple[list[Key], FloatArray]]:
        """Sums by name, currency and each period in turn.

        Rows of one conversion that count for the same follow each other, and are made one first.
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
        for period in PERIODS:
            starts = calendar.starts(days, period)
            order = np.lexsort((starts, of_run))
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


@dataclass(frozen=True)
class _Figures:
    """Rows of the table, of groups' sums."""

    retention: Retention
    bounded: frozenset[str]

    def rows(self, keys: list[Key], totals: FloatArray) -> Iterator[tuple[Any, ...]]:
        """One row a group; ``totals`` as :func:`_groups` gives them."""
        shares, iacv, kept, earned = (totals[:, column].T for column in range(4))
        counted = interval(shares, zero_below=ONE_CONVERSION)[1:]
        amounts = interval(iacv)[1:]
        value = kept
        if self.retention.churned:
            value = kept + earned * self.retention.draws(len(earned))[:, None]
        else:
            value = np.where((earned > 0).any(axis=0), np.nan, kept)
        some = np.where(shares > 0, shares, np.nan)
        ends = (*counted, *amounts, *_known_ends(value), *_known_ends(value / some))
        for place, key in enumerate(keys):
            row = [_cell(end[place]) for end in ends]
            if key[1] in self.bounded:  # it may be nothing
                row[::2] = [None if low is None else 0.0 for low in row[::2]]
            yield (*key, *row)


def _known_ends(draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of intervals of the draws that are not NaN; NaN where all are."""
    lost = np.isnan(draws)
    known = ~lost.any(axis=0)
    low, high = np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    if known.any():
        _, low[known], high[known] = interval(draws[:, known])
    for place in np.flatnonzero(~known & ~lost.all(axis=0)):
        _, low[place], high[place] = interval(draws[~lost[:, place], place])
    return low, high


def _cell(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
