"""Arrays into PostgreSQL by COPY: text columns as CSV, draws as binary arrays of floats."""

import struct
from collections.abc import Iterable, Sequence
from datetime import date
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from bizops.database import Connection

__all__ = ["copy_columns", "copy_draws"]

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
OIDS = {4: 700, 8: 701}  # PostgreSQL's types of float by their bytes
END = struct.pack(">h", -1)
FIRST_DAY = date(2000, 1, 1).toordinal()  # PostgreSQL counts days from here
BATCH = 8 << 20
CHUNK = 4_096


def copy_columns(connection: Connection, table: str, columns: dict[str, Any]) -> None:
    """Copy Arrow or numpy columns of one length, all by name, into ``table``; null stays null."""
    target = BytesIO()
    rows = pa.table(columns)
    csv.write_csv(rows, target, csv.WriteOptions(include_header=False))
    target.seek(0)
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"copy {table} ({names}) from stdin (format csv)", target)


def copy_draws(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    keys: Iterable[Sequence[str | date]],
    draws: NDArray[np.floating],
) -> None:
    """Copy rows of key columns, texts or days, and one array, the last of ``columns``.

    It is a ``real[]`` or a ``double precision[]``, by the precision of ``draws``.
    """
    width, size = draws.shape[1], draws.itemsize
    head = struct.pack(">iiiiii", 20 + (4 + size) * width, 1, 0, OIDS[size], width, 1)
    items = chain.from_iterable(
        _items(draws[at : at + CHUNK]) for at in range(0, len(draws), CHUNK)
    )
    with connection.cursor() as cursor:
        statement = f"copy {table} ({', '.join(columns)}) from stdin (format binary)"
        rows: Any = _Rows(_encoded(keys, head, items, len(columns)))  # copying only ever reads
        cursor.copy_expert(statement, rows)


def _items(draws: NDArray[np.floating]) -> NDArray[Any]:
    """Each number as PostgreSQL sends it: twice the memory, so that not all are at once."""
    items = np.zeros(
        draws.shape, dtype=[("size", ">i4"), ("value", f">f{draws.itemsize}")]
    )  # fmt: skip
    items["size"], items["value"] = draws.itemsize, draws
    return items


def _encoded(
    keys: Iterable[Sequence[str | date]], head: bytes, items: Iterable[NDArray[Any]], columns: int
) -> Iterable[bytes]:
    yield SIGNATURE
    count = struct.pack(">h", columns)
    for key, row in zip(keys, items, strict=True):
        fields = b"".join(_field(value) for value in key)
        yield count + fields + head + row.tobytes()
    yield END


def _field(value: str | date) -> bytes:
    if isinstance(value, date):
        return struct.pack(">ii", 4, value.toordinal() - FIRST_DAY)
    encoded = value.encode()
    return struct.pack(">i", len(encoded)) + encoded


class _Rows:
    """A file of encoded rows that is never whole in memory."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._rows = iter(rows)
        self._rest = b""

    def read(self, size: int = BATCH) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while length < size:
            row = next(self._rows, None)
            if row is None:
                break
            parts.append(row)
            length += len(row)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
