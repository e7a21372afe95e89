"""The plain insert that the peers do: JSON parsed, seven columns, one table, a key and an index."""

import io
from collections.abc import Iterable
from operator import itemgetter

import orjson
import psycopg2

from benchmarks.peers.contestant import PLAIN_COLUMNS
from bizops.database import Connection

__all__ = ["PlainTable", "create_plain"]

CONFLUENT_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


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
        self.values = itemgetter(*PLAIN_COLUMNS)
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

    def write(self, payloads: Iterable[bytes]) -> None:
        """Write the events of some messages in one transaction."""
        loads, values = orjson.loads, self.values
        text = "\n".join(["\t".join(values(loads(payload))) for payload in payloads])
        if "\\" in text or text.count("\t") % (len(PLAIN_COLUMNS) - 1):
            raise ValueError("an event of the benchmark needs no escaping")
        try:
            with self.connection, self.connection.cursor() as cursor:
                cursor.copy_expert(self.copy, io.StringIO(text + "\n"))
        except psycopg2.errors.UniqueViolation:
            with self.connection, self.connection.cursor() as cursor:
                cursor.copy_expert("copy staging_plain from stdin", io.StringIO(text + "\n"))
                cursor.execute(self.insert)
