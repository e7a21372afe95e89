"""On a real Kafka: what is acknowledged is there, byte for byte, and nothing else is claimed."""

import os
import random
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from bizops import local
from bizops.endpoints import Endpoints
from bizops.errors import ServiceError
from bizops.events import AnyEvent, build_event
from bizops.settings import Settings
from producers.publisher import Limits, Publisher, publish
from producers.source import Extracted, Rejected


def touch(number: int, **more: object) -> AnyEvent:
    return build_event(
        {
            "type": "touch",
            "event_id": f"web:{number}",
            "source": "web",
            "occurred_at": "2026-03-01T09:30:00Z",
            "channel": "paid_search",
            "account_id": f"account-{number % 97}",
            **more,
        }
    )


def spend(number: int) -> AnyEvent:
    return build_event(
        {
            "type": "spend",
            "event_id": f"ads:{number}",
            "source": "ads",
            "date": "2026-03-01",
            "campaign_id": f"campaign-{number % 5}",
            "channel": "paid_search",
            "amount": "10.00",
            "currency": "EUR",
        }
    )


def messages(settings: Settings, kafka: str, name: str) -> list[tuple[bytes, bytes, int]]:
    """Key, value and partition of all there is in a topic."""
    consumer = KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    try:
        topic = settings.topic(name)
        parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        found = []
        while any(consumer.position(part) < ends[part] for part in parts):
            for batch in consumer.poll(timeout_ms=1000).values():
                found += [(m.key, m.value, m.partition) for m in batch]
        return found
    finally:
        consumer.close()


def make_topic(settings: Settings, services: Endpoints, name: str, configs: dict[str, str]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=services.kafka)
    try:
        admin.create_topics([NewTopic(settings.topic(name), 1, 1, topic_configs=configs)])
    finally:
        admin.close()


def random_text(characters: int) -> str:
    """Text that compression can't shrink much."""
    return "".join(random.Random(1).choices(string.ascii_letters, k=characters))


def extracted(events: list[AnyEvent]) -> Iterator[Extracted | Rejected]:
    for number, event in enumerate(events, start=1):
        yield Extracted(f"test line {number}", event)


def test_all_is_delivered_once_and_exactly(settings: Settings, services: Endpoints) -> None:
    events = [touch(n) for n in range(5_000)] + [spend(n) for n in range(500)]
    rejections: list[Rejected] = []
    with Publisher(settings, services.kafka) as publisher:
        bad = Rejected("test line 0", "invalid_json", "not JSON")
        records = [bad, *extracted(events)]
        summary = publish(records, publisher, rejections.append)
    assert summary.published == Counter(touch=5_000, spend=500)
    assert (summary.acknowledged, summary.rejected) == (5_500, 1)
    assert rejections == [bad]
    for topic in ("touches", "spend"):
        sent = [(e.key.encode(), e.to_json()) for e in events if e.topic == topic]
        found = messages(settings, services.kafka, topic)
        assert sorted(m[:2] for m in found) == sorted(sent)
        # One key is in one partition, in the order in which it was sent.
        for key in {key for key, _ in sent}:
            mine = [(value, partition) for k, value, partition in found if k == key]
            assert len({partition for _, partition in mine}) == 1
            assert [value for value, _ in mine] == [value for k, value in sent if k == key]


def test_published_twice_is_the_same_bytes(settings: Settings, services: Endpoints) -> None:
    for _ in range(2):
        with Publisher(settings, services.kafka) as publisher:
            publish(extracted([touch(n) for n in range(50)]), publisher, print)
    counts = Counter(messages(settings, services.kafka, "touches"))
    assert len(counts) == 50
    assert set(counts.values()) == {2}


@pytest.mark.parametrize(
    "limits", [Limits(events=100), Limits(bytes=20_000), Limits(events=1), Limits(bytes=1)]
)
def test_what_is_in_flight_is_bounded(
    settings: Settings, services: Endpoints, limits: Limits
) -> None:
    many = 1_000 if limits.bytes > 1 and limits.events > 1 else 20
    with Publisher(settings, services.kafka, limits=limits) as publisher:
        for number in range(many):
            publisher.send(touch(number))
            assert publisher.waiting <= limits.events
            assert publisher.waiting_bytes <= limits.bytes or publisher.waiting == 1
        publisher.finish()
        assert (publisher.waiting, publisher.waiting_bytes) == (0, 0)
        assert publisher.summary.acknowledged == many


def test_leaving_the_publisher_waits_for_what_was_sent(
    settings: Settings, services: Endpoints
) -> None:
    with Publisher(settings, services.kafka) as publisher:
        publisher.send(touch(1))
    assert publisher.summary.acknowledged == 1


def test_nothing_to_publish(settings: Settings, services: Endpoints) -> None:
    with Publisher(settings, services.kafka) as publisher:
        assert publish([], publisher, print).acknowledged == 0


def test_an_event_beyond_the_contract_is_rejected(settings: Settings, services: Endpoints) -> None:
    large = touch(1, properties={"text": "x" * 900_000})
    largest = touch(2, properties={"text": random_text(899_700)})
    rejections: list[Rejected] = []
    with Publisher(settings, services.kafka, rejections.append) as publisher:
        publish(extracted([touch(0), large, largest]), publisher, rejections.append)
    assert (publisher.summary.acknowledged, publisher.summary.rejected) == (2, 1)
    assert rejections[0].origin == "test line 2"
    assert "takes 900,000" in rejections[0].sentence
    assert len(messages(settings, services.kafka, "touches")) == 2


def test_what_a_topic_finds_too_large_is_rejected(settings: Settings, services: Endpoints) -> None:
    make_topic(settings, services, "touches", {"max.message.bytes": "20000"})
    sizes = [10, 60_000, *([10] * 500), 19_300, 19_800, 10]
    events = [touch(n, properties={"text": random_text(size)}) for n, size in enumerate(sizes)]
    rejections: list[Rejected] = []
    with Publisher(settings, services.kafka, rejections.append) as publisher:
        publish(extracted(events), publisher, rejections.append)
    assert publisher.summary.acknowledged == len(sizes) - 2
    assert [(r.origin, r.reason) for r in rejections] == [
        ("test line 2", "too_long"),
        ("test line 504", "too_long"),
    ]
    assert "touches takes 19,744" in rejections[0].sentence


def test_events_not_acknowledged_are_counted(settings: Settings, services: Endpoints) -> None:
    """A topic that refuses a message older than a millisecond takes none that has lingered."""
    make_topic(settings, services, "spend", {"message.timestamp.before.max.ms": "1"})
    with Publisher(settings, services.kafka) as publisher:
        for number in range(100):
            publisher.send(touch(number))
        publisher.finish()
        for number in range(7):
            publisher.send(spend(number), f"line {number}")
        with pytest.raises(ServiceError) as caught:
            publisher.finish()
        assert (publisher.waiting, publisher.waiting_bytes) == (0, 0)
        publisher.send(touch(101), "line 101")
        with pytest.raises(ServiceError, match="1 events, the first from line 101"):
            publisher.finish()  # this producer is over, and says so
    assert "did not acknowledge 7 events, the first from line 0 (" in str(caught.value)
    assert "; 100 were acknowledged. Publish the same again" in str(caught.value)
    assert publisher.summary.published == Counter(touch=100)


# kafka-python leaves the sockets of refused connections to the garbage collector, which would
# show up as warnings in later tests: both run in processes of their own.


@pytest.mark.slow
def test_kafka_that_is_not_there_is_said_in_time(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_bytes(touch(1).to_json())
    environment = os.environ | {"BIZOPS_KAFKA": "127.0.0.1:1", "BIZOPS_DATABASE_URL": "none"}
    command = [sys.executable, "-c", "from bizops.cli import main; main()", "produce", "jsonl"]
    done = subprocess.run(
        [*command, tmp_path / "e.jsonl"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "bizops: Kafka cannot be reached at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


GOES_AWAY = """
import sys, time
from pathlib import Path
from bizops import local
from bizops.errors import ServiceError
from bizops.events import parse_event
from bizops.settings import Settings
from producers.publisher import Limits, Publisher

settings = Settings(home=Path(sys.argv[1]), database_url=sys.argv[2])
event = parse_event(sys.stdin.buffer.read())
with Publisher(settings, local.up(settings).kafka, limits=Limits(delivery_seconds=5)) as publisher:
    for number in range(100):
        publisher.send(event)
    publisher.finish()
    local.down(settings)
    started = time.monotonic()
    try:
        for number in range(30):
            publisher.send(event, f"line {number}")
        publisher.finish()
    except ServiceError as error:
        print(error)
print(time.monotonic() - started)
"""


@pytest.mark.slow
def test_kafka_that_goes_away_ends_it_in_time(services: Endpoints, tmp_path: Path) -> None:
    home = tmp_path / "own"
    try:
        done = subprocess.run(
            [sys.executable, "-c", GOES_AWAY, home, services.database_url],
            input=touch(1).to_json(),
            capture_output=True,
            timeout=120,
            check=True,
        )
    finally:
        local.purge(Settings(home=home, database_url=services.database_url))
    said, seconds = done.stdout.decode().splitlines()
    assert said.startswith("Kafka did not acknowledge 30 events, the first from line 0 (")
    assert "; 100 were acknowledged" in said
    assert float(seconds) < 25
