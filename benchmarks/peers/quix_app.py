"""A Quix Streams application: one topic into one table, each event once by its key.

Batches as large as ours (``commit_every``); a commit as often as latency wants (``commit_interval``
is also how long a sink keeps what it has). No imports of ours: it runs in its own environment.
"""

import os
from urllib.parse import urlsplit

from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink

COLUMNS = [
    "event_id", "source", "occurred_at", "channel", "campaign_id", "anonymous_id", "touch_type",
]  # fmt: skip


def main() -> None:
    database = urlsplit(os.environ["BIZOPS_DATABASE_URL"])
    schema, _, table = os.environ["BENCH_TABLE"].partition(".")
    app = Application(
        broker_address=os.environ["BIZOPS_KAFKA"],
        consumer_group=os.environ["BIZOPS_GROUP"],
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_interval=float(os.environ["BENCH_COMMIT_S"]),
        commit_every=8000,
        loglevel="WARNING",
        consumer_extra_config={"session.timeout.ms": 6000},
        use_changelog_topics=False,
    )
    sink = PostgreSQLSink(
        host=database.hostname or "",
        port=database.port or 5432,
        dbname=database.path.lstrip("/"),
        user=database.username or "",
        password=database.password or "",
        table_name=table,
        schema_name=schema,
        schema_auto_update=False,
        primary_key_columns="event_id",
        upsert_on_primary_key=True,
        include_metadata=False,
    )
    topic = app.topic(os.environ["BIZOPS_TOPIC_PREFIX"] + "touches", value_deserializer="json")
    app.dataframe(topic)[COLUMNS].sink(sink)
    app.run()


if __name__ == "__main__":
    main()
