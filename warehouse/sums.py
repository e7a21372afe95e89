"""Intervals of what is credited, by whatever marts are by: draws are added up before they are read.

dbt adds up mean shares; the ends of intervals don't add up, so that draws are summed here, by
campaign, channel, organization, lead and collateral, and by each period of the conversion.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from psycopg2.extras import execute_values

from bizops.arrays import decode_arrays
from bizops.bounds import bounded_channels
from bizops.calendar import PERIODS, Calendar
from bizops.database import Connection, Cursor, load_queries
from bizops.intervals import interval
from warehouse.batches import NAMES, Batch, FloatArray, Key, named
from warehouse.changes import (
    CreditChange,
    credit_change,
    credited_by,
    find_changes,
    keep_seen,
    made_of,
)
from warehouse.figures import Retention

__all__ = ["Sums", "sum_credit"]

QUERIES = load_queries("warehouse", "sums.sql")
LONG = ("all",)
SHORT = tuple(period for period in PERIODS if period not in LONG)
BATCH = 2_000
ONE_CONVERSION = 1.0
KEPT_ROW = f"(%s, %s, %s, %s, %s{', %s::double precision[]' * 4})"
KEPT = ("campaign", "channel", "collateral")
"""Dimensions of whose sums over all time any conversion is a part, so that those are kept."""


@dataclass(frozen=True)
class _Pass:
    """One reading of draws in the order of what they are summed for.

    Attributes
    ----------
    query
        Gives whose each share is.
    dimensions
        Whose sums are made of what it gives.
    periods
        Of which lengths.
    chosen
        The query that chooses conversions.
    near
        Whether only periods are summed that conversions have come in.
    adds
        Whether they are added to sums that were kept.
    leads
        Of which leads alone: those that ``moved``, or ``others`` that new conversions credit.
    """

    query: str
    dimensions: tuple[str, ...]
    periods: tuple[str, ...] = PERIODS
    chosen: str = "choose_all"
    near: bool = False
    adds: bool = False
    leads: str = ""


WHOLE = (
    _Pass("campaigns", ("campaign", "channel")),
    _Pass("organizations", ("organization",)),
    _Pass("members", ("lead",)),
    _Pass("members", ("collateral",)),
)
OF_NEW = (
    _Pass("campaigns", ("campaign", "channel"), SHORT, "choose_near", near=True),
    _Pass("campaigns", ("campaign", "channel"), LONG, "choose_new", adds=True),
    _Pass("members", ("collateral",), SHORT, "choose_near", near=True),
    _Pass("members", ("collateral",), LONG, "choose_new", adds=True),
    _Pass("organizations", ("organization",), PERIODS, "choose_accounts"),
    _Pass("members", ("lead",), PERIODS, "choose_leads", near=True, leads="others"),
)
OF_MOVED = (_Pass("members", ("lead",), PERIODS, "choose_leads", leads="moved"),)
"""What conversions that have come change, and what leads do to whom touches have moved."""


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


def sum_credit(connection: Connection, sums: Sums, *, full: bool = False) -> bool:
    """Write what dbt reads of credit, and what changed since the last time; in one transaction.

    Parameters
    ----------
    connection
        Of isolation level REPEATABLE READ, so that all is of one moment.
    full
        Make all of it anew, whatever changed.

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
        known = find_changes(cursor, parameters, made, credited) and not full
        change = credit_change(cursor, run_id) if known else CreditChange(whole=True)
        cursor.execute(QUERIES["begin"], parameters | {"made_of": made, "credited_by": credited})
        cursor.execute(QUERIES["keep_conversions"])
        keep_seen(cursor)
        if change.whole:
            cursor.execute(QUERIES["clear"])
        if run_id and not change.is_none:
            _Summing(connection, cursor, parameters, sums.calendar, change).sum_draws()
    return known


class _Summing:
    """Retention, bounds and intervals of a run's credit."""

    def __init__(
        self,
        connection: Connection,
        cursor: Cursor,
        parameters: dict[str, Any],
        calendar: Calendar,
        change: CreditChange,
    ) -> None:
        self.connection, self.cursor, self.calendar = connection, cursor, calendar
        self.whole = change.whole
        self.leads = {"moved": list(change.moved), "others": list(change.others)}
        self.parameters = parameters | {"new": list(change.conversions), "leads": None}
        self.before: dict[Key, FloatArray] = {}
        self.kept: dict[Key, FloatArray] = {}

    def sum_draws(self) -> None:
        """Make all sums, or those that are others now."""
        cursor = self.cursor
        figures = self._figures()
        for query in ("look_up", "chosen"):
            cursor.execute(QUERIES[query])
        passes = WHOLE
        if not self.whole:
            new, moved = self.parameters["new"], self.leads["moved"]
            passes = (*(OF_NEW if new else ()), *(OF_MOVED if moved else ()))
            for query in ("forget_leads", "new_intervals"):
                cursor.execute(QUERIES[query], {"leads": moved})
            if new:
                self._read_kept()
        for one in passes:
            parameters = self.parameters | {"leads": self.leads.get(one.leads)}
            for query in ("clear_chosen", one.chosen, "analyze_chosen"):
                cursor.execute(QUERIES[query], parameters)
            for keys, totals in self._groups(one, parameters):
                self._write(figures, keys, self._whole_sums(one, keys, totals))
        if not self.whole:
            cursor.execute(QUERIES["put_intervals"])
        self._keep()

    def _figures(self) -> "_Figures":
        """What rows are told with: the years that customers stay, and channels that are bounded."""
        self.cursor.execute(QUERIES["retention"], self.parameters)
        retention = Retention(*self.cursor.fetchall()[0])
        if retention.churned:
            low, high = retention.ends
            kept = {"years": retention.mean_years, "low": low, "high": high}
            self.cursor.execute(QUERIES["keep_retention"], kept)
        self.cursor.execute(QUERIES["diagnostics"], self.parameters)
        bounded = bounded_channels(self.cursor.fetchall()[0][0])
        if self.whole:
            self.cursor.execute(QUERIES["bound"], {"channels": list(bounded)})
        return _Figures(retention, frozenset(bounded))

    def _write(self, figures: "_Figures", keys: list[Key], totals: FloatArray) -> None:
        lines = io.StringIO()
        csv.writer(lines, quoting=csv.QUOTE_NOTNULL).writerows(figures.rows(keys, totals))
        lines.seek(0)
        self.cursor.copy_expert(QUERIES["copy_all" if self.whole else "copy_new"], lines)

    def _whole_sums(self, one: _Pass, keys: list[Key], totals: FloatArray) -> FloatArray:
        """Totals with what was kept of before, and kept for the next time."""
        for place, key in enumerate(keys):
            if key[0] in KEPT and key[NAMES + 1] in LONG:
                if one.adds and key in self.before:
                    totals[place] += self.before[key]
                self.kept[key] = totals[place].copy()
        return totals

    def _read_kept(self) -> None:
        self.cursor.execute(QUERIES["kept_sums"])
        for dimension, channel, campaign_id, collateral_id, currency, *sums in self.cursor:
            names = (dimension, channel, campaign_id, "", "", collateral_id)
            self.before[*names, *LONG, "-infinity", currency] = _decoded(sums)

    def _keep(self) -> None:
        rows = [
            (*key[:3], key[NAMES], key[-1], *map(_literal, sums)) for key, sums in self.kept.items()
        ]
        execute_values(self.cursor, QUERIES["keep_sums"], rows, template=KEPT_ROW, page_size=100)

    def _days(self) -> NDArray[np.datetime64]:
        """Those on which conversions have come."""
        self.cursor.execute(QUERIES["days_of_new"], self.parameters)
        return np.array([day for (day,) in self.cursor], dtype="datetime64[D]")

    def _groups(
        self, one: _Pass, parameters: dict[str, Any]
    ) -> Iterator[tuple[list[Key], FloatArray]]:
        """Groups that are complete, with their sums, shape ``(group, 4, draw)``: rows in order."""
        asked = QUERIES["shares"].replace("{keys}", QUERIES[one.query])
        days = self._days() if one.near else None
        waiting: dict[Key, FloatArray] = {}
        with self.connection.cursor(name=f"draws_{one.dimensions[0]}") as cursor:
            cursor.itersize = BATCH
            cursor.execute(asked, parameters | {"member": one.dimensions[0]})
            while rows := cursor.fetchmany(BATCH):
                batch = Batch.of(rows)
                for dimension in one.dimensions:
                    of_rows = [named(dimension, row) for row in rows]
                    last = of_rows[-1]
                    complete: list[Key] = []
                    sums: list[FloatArray] = []
                    for keys, totals in batch.added_up(of_rows, self.calendar, one.periods, days):
                        for key, total in zip(keys, totals, strict=True):
                            whole = waiting.pop(key) + total if key in waiting else total
                            if key[: NAMES + 1] == last:
                                waiting[key] = whole
                            else:
                                complete.append(key)
                                sums.append(whole)
                    ended = [
                        key for key in waiting if key[0] == dimension and key[: NAMES + 1] != last
                    ]
                    complete += ended
                    sums += [waiting.pop(key) for key in ended]
                    if complete:
                        yield complete, np.stack(sums)
        if waiting:
            yield list(waiting), np.stack(list(waiting.values()))


def _literal(draws: FloatArray) -> str:
    """An array as PostgreSQL reads it; psycopg2 takes ten times as long to write one."""
    text = orjson.dumps(draws, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return f"{{{text[1:-1]}}}".replace("null", "NaN")


def _decoded(sums: list[bytes]) -> FloatArray:
    return decode_arrays(sums, bits=64).astype(np.float64)


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
