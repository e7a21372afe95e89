"""The floor: a bare confluent-kafka loop, with our real SQL or with the plain insert."""

import os

from confluent_kafka import Consumer

from benchmarks.peers.plain import PlainTable
from bizops.database import connect
from bizops.endpoints import find_endpoints
from bizops.settings import Settings
from streams.records import Record
from streams.store import Store
from streams.worker import collect_garbage_seldom

BATCH_MESSAGES, WAIT_S = 8000, 0.02


def main() -> None:
    collect_garbage_seldom()  # as our workers do
    settings = Settings.from_environment()
    endpoints = find_endpoints(settings)
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints.kafka,
            "group.id": settings.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([settings.topic("touches")])
    connection = connect(endpoints.database_url, application="bare")
    table = os.environ["BENCH_TABLE"]
    if table == "stream.touches":
        store = Store(connection, settings.topic_prefix)
    else:
        plain = PlainTable(connection, table)
    while True:
        messages = consumer.consume(BATCH_MESSAGES, WAIT_S)
        if not messages:
            continue
        if table == "stream.touches":
            store.write(
                [
                    Record(
                        m.topic(), m.partition(), m.offset(), m.timestamp()[1] / 1000, m.key(),
                        m.value(),
                    )
                    for m in messages
                ]
            )  # fmt: skip
        else:
            plain.write([message.value() for message in messages])
        consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main()
