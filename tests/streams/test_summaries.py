"""Counts kept as touches are stored equal those counted from all rows, whatever came when."""

from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread
from typing import Any

import orjson
import psycopg2
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bizops.database import Connection
from bizops.events import EVENT_TYPES
from streams.records import Record
from streams.store import Store
from streams.summaries import AccountSummary, ChannelSummary, read_summary, recount

COUNTED = """
select account_id, null, channel, touches, first_at, last_at from stream.account_touches
union all
select null, identifier_id, channel, touches, first_at, last_at from stream.identifier_touches
order by 1, 2, 3
"""
FROM_SCRATCH = """
select account_id, case when account_id is null then identifier_id end as id, channel,
       count(*), min(occurred_at), max(occurred_at)
from stream.touches group by 1, 2, 3 order by 1, 2, 3
"""
VIEWED = "select * from stream.account_channels order by 1, 2"
VIEWED_FROM_SCRATCH = """
select account_id, channel, count(*), min(occurred_at), max(occurred_at)
from stream.resolved_touches where account_id is not null group by 1, 2 order by 1, 2
"""


def records(events: list[dict[str, Any]], start: int = 0) -> list[Record]:
    return [
        Record(EVENT_TYPES[e["type"]].topic, 0, n, 1e9 + n, None, orjson.dumps(e))
        for n, e in enumerate(events, start)
    ]


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


people = st.fixed_dictionaries(
    {},
    optional={
        "anonymous_id": st.sampled_from(["cookie 1", "cookie 2"]),
        "lead_id": st.sampled_from(["L1", "L2"]),
        "account_id": st.sampled_from(["acme", "bolt"]),
    },
)
moments = st.integers(0, 60 * 24 * 28 - 1).map(
    lambda m: f"2026-03-{1 + m // 1440:02}T{m // 60 % 24:02}:{m % 60:02}:00Z"
)
touches = st.builds(
    lambda who, number, channel, at: {
        "type": "touch", "event_id": f"t{number}", "source": "s", "channel": channel,
        "occurred_at": at, **who,
    },
    people.filter(bool), st.integers(0, 30), st.sampled_from(["web", "email"]), moments,
)  # fmt: skip
links = st.builds(
    lambda who, number, at: {
        "type": "identity", "event_id": f"i{number}", "source": "s", "occurred_at": at, **who,
    },
    people.filter(lambda who: len(who) > 1), st.integers(0, 30), moments,
)  # fmt: skip


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(
        st.lists(st.one_of(touches, touches, links), min_size=1, max_size=9), max_size=5
    ),
    again=st.lists(st.integers(0, 4), max_size=3),
)
def test_counts_are_those_of_the_rows(
    connection: Connection, batches: list[list[dict[str, Any]]], again: list[int]
) -> None:
    """With events repeated in a batch and across, contradicted, late, and batches read again."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "truncate stream.touches, stream.identities, stream.account_links, "
            "stream.identity_edges, stream.identifiers, stream.progress, stream.dead_letters, "
            "stream.account_touches, stream.identifier_touches"
        )
    store = Store(connection)
    for batch in [*batches, *(batches[n] for n in again if n < len(batches))]:
        store.write(records(batch))
    with connection, connection.cursor() as cursor:
        cursor.execute("discard temp")
    assert rows(connection, COUNTED) == rows(connection, FROM_SCRATCH)
    assert rows(connection, VIEWED) == rows(connection, VIEWED_FROM_SCRATCH)


def touch(number: int, at: str, **fields: Any) -> dict[str, Any]:
    return {"type": "touch", "event_id": f"t{number}", "source": "s", "channel": "web",
            "occurred_at": at, **fields}  # fmt: skip


def test_workers_that_count_the_same_accounts_do_not_wait_for_each_other(database_url: str) -> None:
    def work(number: int) -> None:
        connection = psycopg2.connect(database_url)
        store = Store(connection)
        for batch in range(20):
            events = [
                touch(number * 10_000 + batch * 100 + n, "2026-03-01T10:00:00Z",
                      account_id=f"A{(n * (2 * number + 1)) % 17}", channel=f"c{n % 3}")
                for n in range(100)
            ]  # fmt: skip
            store.write(records(events, batch * 100))
        connection.close()

    threads = [Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection = psycopg2.connect(database_url)
    assert rows(connection, "select sum(touches)::int from stream.account_touches") == [(6000,)]
    assert rows(connection, COUNTED) == rows(connection, FROM_SCRATCH)
    connection.close()


def test_a_merge_moves_touches_between_accounts_and_rewrites_no_count(
    connection: Connection,
) -> None:
    store = Store(connection)
    early, late = "2026-03-01T10:00:00Z", "2026-03-09T10:00:00Z"
    store.write(
        records(
            [
                touch(1, late, anonymous_id="cookie"),
                touch(2, early, anonymous_id="cookie", channel="email"),
                touch(3, late, account_id="acme"),
                {"type": "revenue", "event_id": "r", "source": "s", "occurred_on": "2026-03-20",
                 "account_id": "acme", "kind": "new", "iacv": "1200.00", "currency": "EUR"},
                {"type": "revenue", "event_id": "q", "source": "s", "occurred_on": "2026-03-21",
                 "account_id": "acme", "kind": "contraction", "iacv": "-200.00",
                 "currency": "EUR"},
            ]
        )
    )  # fmt: skip
    assert read_summary(connection, "acme").touches == 1
    before = rows(connection, "select xmin, * from stream.identifier_touches order by channel")
    link = {"type": "identity", "event_id": "i", "source": "s", "occurred_at": late,
            "anonymous_id": "cookie", "lead_id": "L1", "account_id": "acme"}  # fmt: skip
    store.write(records([link], 9))
    assert before == rows(
        connection, "select xmin, * from stream.identifier_touches order by channel"
    )
    first, last = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 9, 10, tzinfo=UTC)
    summary = read_summary(connection, "acme")
    assert summary == AccountSummary(
        1,
        (ChannelSummary("web", 2, last, last), ChannelSummary("email", 1, first, first)),
        {"EUR": Decimal(1200)},
        datetime(2026, 3, 21, tzinfo=UTC),
    )
    assert summary.sentences() == [
        "3 touches of 1 person from 2026-03-01 to 2026-03-09: web 2, email 1",
        "IACV won: 1,200.00 EUR; last revenue 2026-03-21",
    ]
    assert read_summary(connection, "nobody").sentences() == ["0 touches of 0 persons"]


def test_what_is_erased_is_counted_anew(connection: Connection) -> None:
    store = Store(connection)
    at = "2026-03-01T10:00:00Z"
    store.write(
        records(
            [
                touch(1, at, anonymous_id="gone"),
                touch(2, at, anonymous_id="gone", account_id="acme"),
                touch(3, at, anonymous_id="stays"),
                touch(4, at, anonymous_id="stays", account_id="acme"),
                touch(5, at, account_id="acme", channel="email"),
            ]
        )
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from stream.touches where anonymous_id = 'gone' "
            "returning identifier_id, account_id"
        )
        gone = cursor.fetchall()
        recount(cursor, [a for _, a in gone if a], [i for i, a in gone])
    assert rows(connection, COUNTED) == rows(connection, FROM_SCRATCH)
