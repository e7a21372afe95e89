"""Our worker as it is, but for the store: the plain insert of the peers stands in its place."""

import os
from collections.abc import Sequence

from benchmarks.peers.plain import PlainTable
from bizops.database import Connection
from streams import worker
from streams.records import Record, Written


class PlainStore:
    """Takes what the store takes, and writes it as the peers do."""

    def __init__(self, connection: Connection, *_: object, **__: object) -> None:
        self.connection = connection
        self.plain = PlainTable(connection, os.environ["BENCH_TABLE"])

    def write(self, records: Sequence[Record]) -> Written:
        self.plain.write([record.value for record in records if record.value is not None])
        return Written()


if __name__ == "__main__":
    worker.Store = PlainStore  # type: ignore[misc, assignment]
    worker.main()
