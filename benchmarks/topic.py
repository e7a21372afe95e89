"""The events of the benchmark, and the process that publishes them, as fast as it can or steadily.

Run by the benchmark as ``python -m benchmarks.topic``; what it prints are the events that a reader
looks for, each with the time just before it was handed to the producer.
"""

import argparse
import sys
import time

PARTITIONS = 8
LINGER_MS = 5  # librdkafka's own
AHEAD_S = 0.002


def event_id(number: int) -> str:
    return f"bench:touch:{number:09}"


def partition(number: int) -> int:
    """Every visitor's events are in one partition, as a key would have it."""
    return visitor(number) % PARTITIONS


def visitor(number: int) -> int:
    return number * 7919 % 320_009


def event(number: int) -> bytes:
    """A touch of about 220 bytes: one in ten names a lead, one in a hundred an account."""
    who = visitor(number)
    lead = f',"lead_id":"lead-{who}"' if number % 10 == 0 else ""
    account = f',"account_id":"account-{who % 5000}"' if number % 100 == 0 else ""
    return (
        f'{{"type":"touch","event_id":"{event_id(number)}","source":"bench",'
        f'"occurred_at":"2026-03-{number % 28 + 1:02}T10:{number % 60:02}:00Z","channel":"email",'
        f'"campaign_id":"campaign-{number % 40}","anonymous_id":"visitor-{who}",'
        f'"touch_type":"open"{lead}{account}}}'
    ).encode()


def last_ids(events: int) -> list[str]:
    """The last event of each partition: when all are visible, all events are."""
    last: dict[int, str] = {}
    for number in range(max(0, events - 50_000), events):
        last[partition(number)] = event_id(number)
    return list(last.values())


def publish(kafka: str, topic: str, events: int, rate: float, sample: int) -> None:
    """Publish; with a rate, event ``n`` is sent ``n / rate`` seconds after the first."""
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "linger.ms": LINGER_MS,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    failed: list[str] = []

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failed.append(str(error))

    began = time.time()
    for number in range(events):
        if rate and (early := began + number / rate - time.time()) > 0:
            producer.poll(0)
            time.sleep(max(early, AHEAD_S))
        if sample and number % sample == 0:
            print(number, time.time(), flush=True)
        while True:
            try:
                producer.produce(
                    topic, event(number), str(visitor(number)).encode(), partition(number),
                    on_delivery=delivered,
                )  # fmt: skip
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    if failed:
        sys.exit(f"{len(failed)} events were not delivered: {failed[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kafka")
    parser.add_argument("topic")
    parser.add_argument("events", type=int)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--sample", type=int, default=0)
    arguments = parser.parse_args()
    publish(arguments.kafka, arguments.topic, arguments.events, arguments.rate, arguments.sample)


if __name__ == "__main__":
    main()
