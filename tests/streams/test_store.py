"""The one transaction: what is stored, what is repeated, what is a dead letter."""

from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bizops.events import EVENT_TYPES
from streams.records import Record
from streams.store import Store
from streams.worker import PatientStore
from tests.every_type import EVENTS

TOUCH = {
    "type": "touch", "event_id": "t1", "source": "test", "occurred_at": "2026-03-01T10:00:00Z",
    "channel": "email", "lead_id": "L1",
}  # fmt: skip
SPEND = {
    "type": "spend", "event_id": "s1", "source": "test", "date": "2026-03-01",
    "campaign_id": "c", "channel": "email", "amount": "10.00", "currency": "EUR",
}  # fmt: skip
ACCOUNT = {
    "type": "account", "event_id": "a1", "source": "test", "occurred_at": "2026-03-01T10:00:00Z",
    "account_id": "A", "name": "Old",
}  # fmt: skip


@pytest.fixture
def store(connection: Any) -> Store:
    return Store(connection)


class Log:
    """Makes records with offsets that go on, as a partition does."""

    def __init__(self) -> None:
        self.offset = 0

    def __call__(self, *events: dict[str, Any] | bytes, topic: str | None = None) -> list[Record]:
        records = []
        for event in events:
            value = event if isinstance(event, bytes) else orjson.dumps(event)
            named = EVENT_TYPES[event["type"]].topic if isinstance(event, dict) else "touches"
            moment = 1_780_000_000 + self.offset
            records.append(Record(topic or named, 0, self.offset, moment, b"k", value))
            self.offset += 1
        return records


@pytest.fixture
def log() -> Log:
    return Log()


def test_every_field_of_a_touch_comes_back(store: Store, log: Log, rows: Any) -> None:
    hostile = "tab\t newline\n backslash\\ \\N quote' \"; drop table x --"
    event = TOUCH | {"utm_term": hostile, "properties": {"a": [1, {"b": hostile}], "é": None}}
    store.write(log(event))
    (row,) = rows(
        "select occurred_at, day_only, channel, campaign_id, utm_term, properties, received_at "
        "from stream.touches"
    )
    assert row == (
        datetime(2026, 3, 1, 10, tzinfo=UTC), False, "email", "(none)", hostile,
        event["properties"], datetime.fromtimestamp(1_780_000_000, UTC),
    )  # fmt: skip


def test_one_event_of_each_type_becomes_a_row(store: Store, log: Log, rows: Any) -> None:
    written = store.write(log(*EVENTS.values()))
    assert dict(written.stored) == dict.fromkeys(EVENT_TYPES, 1)
    for model in EVENT_TYPES.values():
        assert rows(f"select count(*) from stream.{model.topic}") == [(1,)]
    assert rows("select occurred_at, day_only from stream.revenue") == [
        (datetime(2026, 3, 1, tzinfo=UTC), True)
    ]


def test_reading_again_changes_nothing(store: Store, log: Log, rows: Any) -> None:
    records = log(TOUCH, b"{", SPEND)
    store.write(records)
    before = rows("select * from stream.touches, stream.spend, stream.dead_letters")
    again = store.write(records)
    assert rows("select * from stream.touches, stream.spend, stream.dead_letters") == before
    assert again.repeated == {"touch": 1, "spend": 1}
    assert not again.stored.total()


def test_same_id_with_other_content_is_a_dead_letter_in_a_batch_and_across(
    store: Store, log: Log, rows: Any
) -> None:
    other = TOUCH | {"channel": "webinar"}
    store.write(log(TOUCH, other, TOUCH))
    store.write(log(other))
    assert rows("select channel from stream.touches") == [("email",)]
    assert rows("select kafka_offset, reason, event_id from stream.dead_letters order by 1") == [
        (1, "conflicting_content", "t1"),
        (3, "conflicting_content", "t1"),
    ]


def test_a_state_is_corrected_by_a_later_time_only(store: Store, log: Log, rows: Any) -> None:
    new = ACCOUNT | {"occurred_at": "2026-03-02T10:00:00Z", "name": "New"}
    store.write(log(new, ACCOUNT))
    assert rows("select name from stream.accounts") == [("New",)]
    store.write(log(ACCOUNT))
    assert rows("select name from stream.accounts") == [("New",)]
    store.write(log(new | {"name": "Newer, at the same time"}))
    assert rows("select name from stream.accounts") == [("New",)]
    assert rows("select reason from stream.dead_letters") == [("conflicting_content",)]


def test_spend_of_a_day_is_corrected_by_a_later_arrival(store: Store, log: Log, rows: Any) -> None:
    first, second = log(SPEND, SPEND | {"amount": "12.50"})
    store.write([first])
    store.write([second])
    store.write([first])  # delivered again, it is not later
    assert rows("select amount::text from stream.spend") == [("12.50",)]
    assert rows("select count(*) from stream.dead_letters") == [(0,)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe", "invalid_utf8"),
        (b'{"type":"touch"', "invalid_json"),
        (b"[1]", "not_an_object"),
        (orjson.dumps(TOUCH | {"type": "tuch"}), "unknown_type"),
        (orjson.dumps(TOUCH | {"occurred_at": "2026-03-01T10:00:00"}), "naive_time"),
        (orjson.dumps(TOUCH | {"channel": "a\0b"}), "nul_character"),
        (orjson.dumps(TOUCH | {"event_id": "x" * 201}), "too_long"),
        (orjson.dumps({k: v for k, v in TOUCH.items() if k != "channel"}), "missing_field"),
        (orjson.dumps(SPEND), "wrong_topic"),
        (orjson.dumps(TOUCH | {"schema_version": 2}), "unknown_version"),
    ],
)
def test_what_is_no_event_is_one_dead_letter_and_the_rest_goes_through(
    store: Store, log: Log, rows: Any, value: bytes, reason: str
) -> None:
    good, other = TOUCH, TOUCH | {"event_id": "t2"}
    written = store.write([*log(good), *log(value, topic="touches"), *log(other)])
    assert written.dead == {reason: 1}
    assert rows("select event_id from stream.touches order by 1") == [("t1",), ("t2",)]
    (letter,) = rows(
        "select topic, partition, kafka_offset, reason, payload from stream.dead_letters"
    )
    assert (*letter[:4], bytes(letter[4])) == ("touches", 0, 1, reason, value)


def test_a_row_the_database_refuses_is_found_and_set_aside(
    store: Store, connection: Any, log: Log, rows: Any
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("alter table stream.touches add check (channel <> 'cursed')")
    events = [TOUCH | {"event_id": f"t{n}", "channel": "cursed" if n == 7 else "email"}
              for n in range(20)]  # fmt: skip
    written = store.write(log(*events))
    assert written.stored == {"touch": 19}
    assert rows("select kafka_offset, reason from stream.dead_letters") == [
        (7, "refused_by_database")
    ]
    assert rows("select next_offset from stream.progress") == [(20,)]


def test_a_batch_that_does_not_start_where_the_last_one_ended_is_noticed(
    store: Store, log: Log
) -> None:
    first, _, third = log(*[TOUCH | {"event_id": f"t{n}"} for n in range(3)])
    assert store.write([first]).gaps == []
    assert store.write([third]).gaps == [("touches", 0, 1, 2)]


def test_a_tombstone_holds_nothing(store: Store, rows: Any) -> None:
    store.write([Record("touches", 0, 0, 1.0, b"k", None)])
    assert rows("select count(*) from stream.dead_letters") == [(0,)]


def test_waits_for_a_database_that_is_away_and_writes_then(database_url: str, log: Log) -> None:
    waits: list[float] = []

    def open_store() -> Store:
        if len(waits) < 3:
            raise psycopg2.OperationalError("connection refused")
        return Store(psycopg2.connect(database_url))

    patient = PatientStore(open_store, sleep=waits.append)
    assert patient.write(log(TOUCH)).stored == {"touch": 1}
    assert waits == [0.1, 0.2, 0.4]
    assert patient.store is not None
    patient.store.connection.close()


def test_a_connection_cut_in_mid_life_is_opened_again(database_url: str, log: Log) -> None:
    patient = PatientStore(lambda: Store(psycopg2.connect(database_url)), sleep=lambda _: None)
    patient.write(log(TOUCH))
    assert patient.store is not None
    pid = patient.store.connection.info.backend_pid
    with psycopg2.connect(database_url) as other, other.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s)", (pid,))
    other.close()
    assert patient.write(log(TOUCH | {"event_id": "t2"})).stored == {"touch": 1}
    patient.store.connection.close()


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        (
            "create function stream.refuse() returns trigger language plpgsql as "
            "$$ begin raise exception using errcode = '53100'; end $$; "
            "create trigger refuse before insert on stream.touches "
            "execute function stream.refuse()",
            "drop trigger refuse on stream.touches",
        ),
        (
            "alter database {} set default_transaction_read_only = on",
            "set transaction read write; alter database {} set default_transaction_read_only = off",
        ),
    ],
    ids=["disk full", "read-only after a failover"],
)
def test_what_passes_is_waited_for_and_puts_nothing_into_the_dead_letters(
    database_url: str, log: Log, rows: Any, broken: str, mended: str
) -> None:
    name = f'"{database_url.rpartition("/")[2]}"'
    waits: list[float] = []

    def run(statement: str) -> None:
        with psycopg2.connect(database_url) as other, other.cursor() as cursor:
            cursor.execute(statement.format(name))
        other.close()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            run(mended)

    patient = PatientStore(lambda: Store(psycopg2.connect(database_url)), sleep=sleep)
    patient.write(log(TOUCH))
    run(broken)
    patient._close()
    written = patient.write(log(TOUCH | {"event_id": "t2"}, TOUCH | {"event_id": "t3"}))
    assert (written.stored, written.dead, len(waits)) == ({"touch": 2}, {}, 3)
    assert rows("select count(*) from stream.dead_letters") == [(0,)]
    patient._close()


def test_a_fault_of_ours_is_raised_at_once(database_url: str, log: Log, rows: Any) -> None:
    patient = PatientStore(lambda: Store(psycopg2.connect(database_url)), sleep=lambda _: None)
    patient.write(log(TOUCH))
    with psycopg2.connect(database_url) as other, other.cursor() as cursor:
        cursor.execute("alter table stream.touches rename to moved")
    other.close()
    with pytest.raises(psycopg2.errors.UndefinedTable):
        patient.write(log(TOUCH | {"event_id": "t2"}))
    assert rows("select count(*) from stream.dead_letters") == [(0,)]
    patient._close()


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.dictionaries(text, text, max_size=3), min_size=1, max_size=5))
def test_any_text_survives_copy(
    store: Store, rows: Any, connection: Any, values: list[dict[str, str]]
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("truncate stream.touches")
    events = [TOUCH | {"event_id": f"t{n}", "properties": v} for n, v in enumerate(values)]
    store.write(Log()(*events))
    assert [r[0] for r in rows("select properties from stream.touches order by event_id")] == values


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.lists(
        st.tuples(st.sampled_from([TOUCH, SPEND, ACCOUNT]), st.integers(0, 2)), max_size=12
    ),
    cuts=st.sets(st.integers(1, 11)),
)
def test_how_records_are_cut_into_batches_changes_nothing(
    store: Store, rows: Any, connection: Any, drawn: list[Any], cuts: set[int]
) -> None:
    """The same log in other batches, as after a fault: the same rows and dead letters."""
    named = {"touch": "channel", "spend": "amount", "account": "name"}
    events = [event | {named[event["type"]]: f"{content}.00"} for event, content in drawn]
    records = Log()(*events)
    found = []
    for ends in ([len(records)], [*sorted(cuts), len(records)]):
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "truncate stream.touches, stream.spend, stream.accounts, stream.dead_letters, "
                "stream.progress"
            )
        start = 0
        for end in ends:
            if records[start:end]:
                store.write(records[start:end])
            start = max(start, end)
        found.append(
            [
                rows("select event_id, channel, received_at from stream.touches"),
                rows("select event_id, amount, received_at, kafka_offset from stream.spend"),
                rows("select event_id, name, received_at from stream.accounts"),
                rows("select topic, kafka_offset, reason from stream.dead_letters order by 1, 2"),
            ]
        )
    assert found[0] == found[1]


def test_what_is_new_since_a_snapshot_is_exact(
    store: Store, log: Log, rows: Any, database_url: str
) -> None:
    """A transaction that was open when a reader looked is new to it, however early it began."""
    store.write(log(TOUCH, ACCOUNT))
    slow = psycopg2.connect(database_url)
    slow.cursor().execute("select stream.current_transaction()")
    store.write(log(TOUCH | {"event_id": "t2"}))
    ((seen,),) = rows("select pg_current_snapshot()::text")
    slow.cursor().execute(
        "insert into stream.lift_tests select 'l1', 'test', now(), '', 'web', null, now(), now(), "
        "1, 1, null, null, null"
    )
    slow.commit()
    slow.close()
    later = ACCOUNT | {"occurred_at": "2026-03-02T10:00:00Z", "name": "New"}
    store.write(log(TOUCH | {"event_id": "t3"}, later))
    new = "select event_id from stream.{} where stream.is_new(stored_in, '{}'::pg_snapshot)"
    assert rows(new.format("touches", seen)) == [("t3",)]
    assert rows(new.format("accounts", seen)) == [("a1",)]
    assert rows(new.format("lift_tests", seen)) == [("l1",)]
