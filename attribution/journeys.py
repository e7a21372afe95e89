"""Touches, conversions and accounts out of PostgreSQL, as compact arrays.

The rule of order, everywhere: a touch counts for a conversion when it is not after it; where
either is known to the day only, when its day is not after the conversion's day.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from attribution.experiments import NO_TESTS, LiftTests, load_lift_tests
from bizops.database import Connection, load_queries

__all__ = [
    "NEVER",
    "US_PER_DAY",
    "Conversions",
    "Journeys",
    "Revenue",
    "Touches",
    "build_journeys",
    "load_journeys",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

US_PER_DAY = 86_400_000_000
NEVER = int(np.iinfo(np.int64).min)
CONVERTING = ("new", "expansion")
UNKNOWN_SEGMENT = "unknown"

Units = tuple[tuple[str, str], ...]

QUERIES = load_queries("attribution")


@dataclass(frozen=True)
class Touches:
    """Touches of accounts, ordered by account, time, ``event_id``; all of shape ``(touch,)``.

    Attributes
    ----------
    account, unit
        Indexes into :attr:`Journeys.account_ids` and :attr:`Journeys.units`.
    time_us
        Microseconds since 1970 in UTC; the day's start where ``day_only``.
    event_ids
        Arrow strings.
    """

    account: IntArray
    time_us: IntArray
    day_only: BoolArray
    unit: IntArray
    event_ids: Any

    def __len__(self) -> int:
        return len(self.account)

    def only(self, kept: BoolArray) -> "Touches":
        """Some of them, by a mask of shape ``(touch,)``."""
        return Touches(
            self.account[kept],
            self.time_us[kept],
            self.day_only[kept],
            self.unit[kept],
            self.event_ids.filter(pa.array(kept)),
        )


@dataclass(frozen=True)
class Revenue:
    """Changes of contract value, ordered by account, time, ``event_id``; shape ``(event,)``."""

    account: IntArray
    time_us: IntArray
    day_only: BoolArray
    kind: NDArray[np.object_]
    event_ids: NDArray[np.object_]
    iacv: NDArray[np.object_]
    """Decimal text."""
    currency: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True)
class Conversions(Revenue):
    """The revenue that credit is given for: new or expansion, with IACV above zero."""

    row: IntArray
    """Index into the revenue."""
    known_us: IntArray
    """Touches up to then made the account known; :data:`NEVER` where no lead came before."""

    @property
    def amounts(self) -> FloatArray:
        """IACV as floats."""
        return self.iacv.astype(np.float64)


@dataclass(frozen=True)
class Journeys:
    """All that attribution reads.

    Attributes
    ----------
    account_ids
        Sorted; every account with a touch, revenue or a state.
    segment
        Index into ``segments``, shape ``(account,)``.
    units
        The ``(channel, campaign_id)`` pairs credit goes to, sorted.
    started_us
        When an account's risk starts: the first that is known of it, but not before the first
        touch or revenue of all, shape ``(account,)``.
    started_day_only
        Whether that is known to the day only, shape ``(account,)``.
    until_us
        End of the data: the latest touch or revenue, the end of its day where only that is known.
    lift_tests
        Of which a fit makes use; none where only some accounts are read.
    """

    account_ids: NDArray[np.object_]
    segments: tuple[str, ...]
    segment: IntArray
    units: tuple[tuple[str, str], ...]
    touches: Touches
    revenue: Revenue
    conversions: Conversions
    started_us: IntArray
    started_day_only: BoolArray
    until_us: int
    lift_tests: LiftTests = NO_TESTS

    def content_hash(self) -> str:
        """Changes when anything a fit depends on does."""
        digest = hashlib.blake2b(digest_size=16)
        touches, revenue = self.touches, self.revenue
        for array in (
            *(touches.account, touches.time_us, touches.day_only, touches.unit),
            *(revenue.account, revenue.time_us, revenue.day_only),
            *(self.segment, self.started_us, self.started_day_only),
            self.conversions.known_us,
            *(self.lift_tests.start_us, self.lift_tests.end_us),
            *(self.lift_tests.conversions, self.lift_tests.standard_error),
        ):
            digest.update(np.ascontiguousarray(array).data)
        tested = (self.lift_tests.channel, self.lift_tests.campaign)
        of_revenue = (revenue.kind, revenue.iacv, revenue.currency)
        for texts in (*of_revenue, self.segments, self.units, *tested):
            digest.update(repr([str(text) for text in texts]).encode())
        return digest.hexdigest()


def load_journeys(
    connection: Connection, among: list[str] | None = None, units: Units = ()
) -> Journeys:
    """Read what attribution needs, in the connection's transaction.

    644,000 touches of 165,000 accounts take some seconds and a few hundred megabytes.

    Parameters
    ----------
    among
        Only these accounts; None for all.
    units
        Campaigns to count first, in this order.
    """
    only = None if among is None else {"accounts": among}
    touches_query = "touches" if only is None else "touches_of"
    touches = copied(connection, touches_query, ("channel", "campaign_id", "account_id"), only)
    revenue = copied(connection, "revenue", (), only)
    accounts = copied(connection, "accounts", (), only)
    known = copied(connection, "known_accounts", (), only)
    tests = load_lift_tests(connection) if among is None else NO_TESTS
    return build_journeys(touches, revenue, accounts, units, known, tests)


def build_journeys(
    touches: Any,
    revenue: Any,
    accounts: Any,
    first: Units = (),
    known: Any = None,
    lift_tests: LiftTests = NO_TESTS,
) -> Journeys:
    """Journeys of Arrow tables with the columns of the queries of the same names.

    ``known`` is of ``known_accounts``; None where no account is known by a lead.
    """
    named = [_strings(table["account_id"]) for table in (touches, revenue, accounts)]
    account_ids = np.unique(np.concatenate(named)) if any(map(len, named)) else named[0]
    units, unit_of_row = numbered_units(touches, first)
    their_touches = ordered_touches(touches, account_ids, unit_of_row)
    ordered_revenue = _ordered_revenue(revenue, account_ids)
    segments, segment = _segments(accounts, account_ids)
    started_us, started_day_only = _starts(accounts, account_ids, their_touches, ordered_revenue)
    return Journeys(
        account_ids=account_ids,
        segments=segments,
        segment=segment,
        units=units,
        touches=their_touches,
        revenue=ordered_revenue,
        conversions=_conversions(ordered_revenue, *_known(known, account_ids)),
        started_us=started_us,
        started_day_only=started_day_only,
        until_us=_until(their_touches, ordered_revenue),
        lift_tests=lift_tests,
    )


def copied(
    connection: Connection,
    name: str,
    repeated: tuple[str, ...] = (),
    only: Mapping[str, Any] | None = None,
) -> Any:
    """The Arrow table of a named query; ``repeated`` columns are read as dictionaries.

    ``only`` names the ``accounts`` or ``leads`` that are asked for; all are unless told.
    """
    target = BytesIO()
    with connection.cursor() as cursor:
        everything = {"accounts": None, "leads": None}
        query = cursor.mogrify(QUERIES[name], everything | dict(only or {})).decode()
        cursor.copy_expert(f"copy ({query}) to stdout (format csv, header)", target)
    text = {"event_id", "account_id", "kind", "iacv", "currency", "channel", "campaign_id"}
    types = dict.fromkeys(text | {"segment", "lead_id", "person_id"}, pa.string())
    types |= {name: pa.dictionary(pa.int32(), pa.string()) for name in repeated}
    types |= {"time_us": pa.int64(), "until_us": pa.int64(), "day_only": pa.int8()}
    target.seek(0)
    return csv.read_csv(
        target,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )


def _strings(column: Any) -> NDArray[np.object_]:
    """The distinct values of a column."""
    return np.asarray(column.unique().to_pylist(), dtype=object)


def codes(column: Any, among: NDArray[np.object_]) -> IntArray:
    """Index of each value among sorted, distinct values that hold them all."""
    encoded = column.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else None
    if encoded is None or len(encoded) == 0:
        return np.zeros(0, dtype=np.int64)
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    values = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    return np.asarray(np.searchsorted(among, values)[encoded.indices.to_numpy()], dtype=np.int64)


def numbered_units(touches: Any, first: Units) -> tuple[Units, IntArray]:
    """Campaigns, those in ``first`` first and the others sorted, and that of each touch."""
    channels, campaigns = _strings(touches["channel"]), _strings(touches["campaign_id"])
    channels.sort()
    campaigns.sort()
    pair = codes(touches["channel"], channels) * max(len(campaigns), 1)
    pair += codes(touches["campaign_id"], campaigns)
    distinct, unit = np.unique(pair, return_inverse=True)
    number = {name: place for place, name in enumerate(first)}
    places = []
    for code in distinct.tolist():
        i, j = divmod(code, len(campaigns))
        places.append(number.setdefault((str(channels[i]), str(campaigns[j])), len(number)))
    return tuple(number), np.array(places, dtype=np.int64)[unit]


def _order(table: Any, account: IntArray) -> IntArray:
    keys = pa.table(
        {"account": account, "time": table["time_us"], "id": table["event_id"].cast(pa.binary())}
    )
    ascending = [(name, "ascending") for name in keys.column_names]
    return np.asarray(pa.compute.sort_indices(keys, sort_keys=ascending).to_numpy(), dtype=np.int64)


def ordered_touches(table: Any, account_ids: NDArray[np.object_], unit: IntArray) -> Touches:
    """Touches of a table, by account, time and ``event_id``; ``unit`` is of each of its rows."""
    account = codes(table["account_id"], account_ids)
    order = _order(table, account)
    return Touches(
        account=account[order],
        time_us=table["time_us"].to_numpy()[order],
        day_only=table["day_only"].to_numpy()[order].astype(bool),
        unit=unit[order],
        event_ids=table["event_id"].take(pa.array(order)),
    )


def _ordered_revenue(table: Any, account_ids: NDArray[np.object_]) -> Revenue:
    account = codes(table["account_id"], account_ids)
    order = _order(table, account)

    def texts(name: str) -> NDArray[np.object_]:
        return np.asarray(table[name].to_pylist(), dtype=object)[order]

    return Revenue(
        account=account[order],
        time_us=table["time_us"].to_numpy()[order],
        day_only=table["day_only"].to_numpy()[order].astype(bool),
        kind=texts("kind"),
        event_ids=texts("event_id"),
        iacv=texts("iacv"),
        currency=texts("currency"),
    )


def _known(known: Any, account_ids: NDArray[np.object_]) -> tuple[IntArray, IntArray]:
    """From when and until when a first lead may have made each account known."""
    since = np.full(len(account_ids), np.iinfo(np.int64).max)
    until = np.full(len(account_ids), NEVER)
    if known is not None and len(account_ids):
        names = np.asarray(known["account_id"].to_pylist(), dtype=object)
        here = np.isin(names, account_ids)
        account = np.searchsorted(account_ids, names[here])
        since[account] = known["time_us"].to_numpy()[here]
        until[account] = known["until_us"].to_numpy()[here]
    return since, until


def _conversions(revenue: Revenue, known_since: IntArray, known_until: IntArray) -> Conversions:
    converts = np.isin(revenue.kind.astype(str), CONVERTING)
    converts &= revenue.iacv.astype(np.float64) > 0
    row = np.flatnonzero(converts)
    account = revenue.account[row]
    bound = revenue.time_us[row] + np.where(revenue.day_only[row], US_PER_DAY - 1, 0)
    return Conversions(
        account=account,
        time_us=revenue.time_us[row],
        day_only=revenue.day_only[row],
        kind=revenue.kind[row],
        event_ids=revenue.event_ids[row],
        iacv=revenue.iacv[row],
        currency=revenue.currency[row],
        row=row,
        known_us=np.where(known_since[account] <= bound, known_until[account], NEVER),
    )


def _segments(accounts: Any, account_ids: NDArray[np.object_]) -> tuple[tuple[str, ...], IntArray]:
    names = sorted({UNKNOWN_SEGMENT, *accounts["segment"].to_pylist()})
    segment = np.full(len(account_ids), names.index(UNKNOWN_SEGMENT), dtype=np.int64)
    segment[codes(accounts["account_id"], account_ids)] = codes(
        accounts["segment"], np.asarray(names, dtype=object)
    )
    used, segment = np.unique(segment, return_inverse=True)
    return tuple(names[code] for code in used), segment.astype(np.int64)


def _starts(
    accounts: Any, account_ids: NDArray[np.object_], touches: Touches, revenue: Revenue
) -> tuple[IntArray, BoolArray]:
    never = np.iinfo(np.int64).max
    started = np.full(len(account_ids), never)
    day_only = np.zeros(len(account_ids), dtype=bool)
    for events in (touches, revenue):
        first = np.flatnonzero(np.diff(events.account, prepend=-1))
        account, time = events.account[first], events.time_us[first]
        earlier = time < started[account]
        started[account[earlier]] = time[earlier]
        day_only[account[earlier]] = events.day_only[first][earlier]
    begun = [int(events.time_us.min()) for events in (touches, revenue) if len(events)]
    stated = np.maximum(accounts["time_us"].to_numpy(), min(begun, default=0))
    account = codes(accounts["account_id"], account_ids)
    earlier = stated < started[account]
    started[account[earlier]] = stated[earlier]
    day_only[account[earlier]] = False
    return started, day_only


def _until(touches: Touches, revenue: Revenue) -> int:
    return max(
        (
            int((events.time_us + np.where(events.day_only, US_PER_DAY, 0)).max())
            for events in (touches, revenue)
            if len(events)
        ),
        default=0,
    )
