"""The plain insert that the peers do: JSON parsed, seven columns, one table, a key and an index."""

from collections.abc import Sequence
from itertools import batched
from operator import itemgetter

import orjson
import psycopg2

from benchmarks.peers.contestant import PLAIN_COLUMNS
from bizops.database import Connection

__all__ = ["PlainTable", "create_plain"]

VALUES = itemgetter(*PLAIN_COLUMNS)
PART = 500


def create_plain(connection: Connection, table: str) -> None:
    """Make an empty table that one contestant writes, the same for all."""
    name = table.partition(".")[2]
    with connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists bench")
        cursor.execute(f"drop table if exists {table}")
        columns = ", ".join(f"{column} text" for column in PLAIN_COLUMNS[1:])
        cursor.execute(f"create table {table} (event_id text primary key, {columns})")
        cursor.execute(f"create index {name}_by_visitor on {table} (anonymous_id)")


class PlainTable:
    """COPY into the table, without a word about what the events mean.

    A batch of which a row stands already, as after a kill, goes through a temporary table instead.
    """

    def __init__(self, connection: Connection, table: str) -> None:
        self.connection = connection
        columns = ", ".join(PLAIN_COLUMNS)
        self.copy = f"copy {table} ({columns}) from stdin"
        self.insert = (
            f"insert into {table} ({columns}) select distinct on (event_id) {columns} "
            "from staging_plain order by event_id on conflict do nothing"
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(
                f"create temporary table staging_plain on commit delete rows as "
                f"select {columns} from {table} with no data"
            )

    def write(self, payloads: Sequence[bytes]) -> None:
        """Write the events of some messages in one transaction."""
        try:
            with self.connection, self.connection.cursor() as cursor:
                cursor.copy_expert(self.copy, Rows(payloads))
        except psycopg2.errors.UniqueViolation:
            with self.connection, self.connection.cursor() as cursor:
                cursor.copy_expert("copy staging_plain from stdin", Rows(payloads))
                cursor.execute(self.insert)


class Rows:
    """Lines for COPY, made while PostgreSQL takes those before them."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.parts = batched(payloads, PART)

    def read(self, _: int) -> bytes:
        """The next lines, however many bytes are asked for; nothing at the end."""
        part = next(self.parts, ())
        loads = orjson.loads
        text = "".join(["\t".join(VALUES(loads(payload))) + "\n" for payload in part])
        if "\\" in text or text.count("\t") != len(part) * (len(PLAIN_COLUMNS) - 1):
            raise ValueError("an event of the benchmark needs no escaping")
        return text.encode()
