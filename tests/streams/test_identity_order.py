"""Whatever the order, the batches and the repetition of events, the same people come of them."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values

from bizops.events import parse_event
from streams.identity import Facts, collect_facts
from streams.identity_rows import lock_identity, refresh_all, refresh_some, save_facts
from streams.known import Known
from streams.replay import rebuild
from streams.store import Store
from streams.tables import identifier_id
from streams.timelines import read_timeline

from .identity_world import (
    KINDS,
    Database,
    account,
    database,
    link,
    opportunity,
    random_events,
    records,
    touch,
)

CHANGED = "select c::text from stream.identity_changed_since(%s, %s::uuid[]) c"
USERS = [f"user_id:{value}" for value in KINDS["user_id"]]


@pytest.fixture
def base(database_url: str) -> Iterator[Database]:
    with database(database_url) as found:
        yield found


def shuffled(events: list[dict[str, Any]], draw: random.Random) -> list[dict[str, Any]]:
    """Another order, with a third of the events twice."""
    again = events + draw.sample(events, len(events) // 3)
    draw.shuffle(again)
    return again


def explicit_groups(events: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The users that events say are one, by user."""
    groups = {user: {user} for user in USERS}
    for event in events:
        if "previous_user_id" in event:
            joined = (
                groups[f"user_id:{event['user_id']}"]
                | groups[f"user_id:{event['previous_user_id']}"]
            )
            for user in joined:
                groups[user] = joined
    return groups


def cut(base: Database, pairs: list[tuple[str, str, bool]], *, late: bool) -> None:
    """Decide as an operator would: before anything is known, or after."""
    with base.connection, base.connection.cursor() as cursor:
        lock_identity(cursor)
        rows = [(n, *pair, "cut", [pair[0], pair[1]]) for n, pair in enumerate(pairs)]
        execute_values(
            cursor,
            "insert into stream.identity_decisions "
            "(version, lower_id, higher_id, equal, decision, about) values %s",
            rows,
            template="(%s, %s, %s, %s, %s, %s::uuid[])",
        )
        if late:
            refresh_some(cursor, sorted({end for pair in pairs for end in pair[:2]}))


FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(seed=st.integers(0, 10**6), batch=st.integers(2, 9), cuts=st.integers(0, 3))
def test_order_batches_and_repetition_do_not_matter(
    base: Database, seed: int, batch: int, cuts: int
) -> None:
    draw = random.Random(seed)
    events = random_events(seed)
    base.clear()
    base.write(events)
    edges = base.rows("select lower_id::text, higher_id::text, equal from stream.identity_edges")
    chosen = draw.sample(sorted(edges), min(cuts, len(edges)))
    if chosen:
        cut(base, chosen, late=True)
    expected = base.state()

    groups = explicit_groups(events)
    for person in base.persons():
        users = sorted(person.intersection(USERS))
        assert not users or set(users) <= groups[users[0]]

    for order in range(2):
        base.clear()
        if chosen and not order:
            cut(base, chosen, late=False)
        base.write(shuffled(events, draw), batch=batch if order else len(events) * 2)
        if chosen and order:
            cut(base, chosen, late=True)
        assert base.state() == expected

    with base.connection, base.connection.cursor() as cursor:
        assert refresh_all(cursor) == 0, "what is derived is a function of what is stored"


def test_writers_at_once_agree_and_never_deadlock(base: Database) -> None:
    events = [event for seed in range(12) for event in numbered(random_events(seed, 40), seed)]
    base.write(events, batch=50)
    expected = base.state()
    base.clear()

    failed: list[BaseException] = []

    def work(number: int) -> None:
        connection = psycopg2.connect(base.url)
        try:
            store = Store(connection)
            waiting = records(shuffled(events, random.Random(number)))
            for first in range(0, len(waiting), 20):
                store.write(waiting[first : first + 20])
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert base.state() == expected


def numbered(events: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Events whose ids are their own, of touches and links; states would be corrected by others."""
    return [
        event | {"event_id": f"{event['event_id']}-{seed}"}
        for event in events
        if event["type"] in ("touch", "identity")
    ]


def test_merging_rewrites_no_touch(base: Database) -> None:
    people, each = 500, 20
    base.write(
        [
            touch(person * each + n, event_id=f"{person}-{n}", occurred_at="2026-03-01T10:00:00Z",
                  anonymous_id=f"v{person}")
            for person in range(people)
            for n in range(each)
        ],
        batch=2000,
    )  # fmt: skip
    where = "select event_id, ctid::text, xmin::text, stored_in from stream.touches order by 1"
    before = base.rows(where)
    base.write(
        [
            link(0, event_id=f"first-{person}", anonymous_id=f"v{person}", user_id=f"u{person}",
                 account_id="acme")
            for person in range(people)
        ]
        + [
            link(1, event_id=f"same-{person}", user_id=f"u{person}",
                 previous_user_id=f"u{person + 1}")
            for person in range(0, people, 2)
        ],
        batch=100,
    )  # fmt: skip
    assert base.rows(where) == before
    counts = base.rows(
        "select count(*), count(distinct person_id) from stream.resolved_touches "
        "where account_id = 'acme'"
    )
    assert counts == [(people * each, people // 2)]


def test_what_changed_since_a_snapshot_is_told(base: Database) -> None:
    base.write(
        [
            touch(1, anonymous_id="v1"),
            touch(2, anonymous_id="v2"),
            link(1, anonymous_id="v1", email="a@acme.com"),
        ]
    )
    ((seen,),) = base.rows("select pg_current_snapshot()::text")
    changed = "select identifier_id from stream.identity_changed_since(%s) as c (identifier_id)"
    assert base.rows(changed, seen) == []
    base.write([link(2, email="a@acme.com", lead_id="L1", account_id="acme")])
    found = {row[0] for row in base.rows(changed, seen)}
    assert found == {
        str(identifier_id(*pair))
        for pair in (("anonymous_id", "v1"), ("email", "a@acme.com"), ("lead_id", "L1"))
    }


def test_who_was_left_behind_is_told_as_changed(base: Database) -> None:
    base.write(
        [
            account(1, "acme", "acme.com"),
            link(1, email="ada@acme.com", lead_id="L1"),
            touch(1, lead_id="L1"),
        ]
    )
    assert base.accounts() == {"t1": "acme"}
    ((seen,),) = base.rows("select pg_current_snapshot()::text")
    base.write([link(2, email="ada@acme.com", user_id="u")])
    found = {row[0] for row in base.rows(CHANGED, seen, [])}
    assert str(identifier_id("lead_id", "L1")) in found


@pytest.mark.parametrize("correction", [
    opportunity(2, "O", lead_id="L2", account_id="acme"),
    account(2, "acme", "other.com", event_id="a1"),
    account(2, "acme", "other.com"),
])  # fmt: skip
def test_whom_a_corrected_event_named_before_is_told_as_changed(
    base: Database, correction: dict[str, Any]
) -> None:
    base.write(
        [
            opportunity(1, "O", lead_id="L1", account_id="acme"),
            account(1, "acme", "acme.com"),
            touch(1, lead_id="L1"),
            touch(2, email="ada@acme.com"),
        ]
    )
    before = base.accounts()
    assert before == {"t1": "acme", "t2": "acme"}
    ((seen,),) = base.rows("select pg_current_snapshot()::text")
    base.write([correction])
    (lost,) = [touch for touch, name in base.accounts().items() if name is None]
    told = {row[0] for row in base.rows(CHANGED, seen, [])}
    ((identifier,),) = base.rows(
        "select identifier_id::text from stream.touches where event_id = %s", lost
    )
    assert identifier in told
    ((seen,),) = base.rows("select pg_current_snapshot()::text")
    base.write([correction])
    assert base.rows(CHANGED, seen, []) == []


@FEW
@given(seed=st.integers(0, 10**6), cuts=st.integers(0, 2))
def test_what_changed_and_what_a_timeline_has_leave_nothing_out(
    base: Database, seed: int, cuts: int
) -> None:
    draw = random.Random(seed)
    events = random_events(seed)
    middle = draw.randint(4, len(events) - 1)
    base.clear()
    base.write(events[:middle])
    resolved = "select identifier_id, person_id, account_id from stream.identifier_accounts"
    before = {row[0]: row[1:] for row in base.rows(resolved)}
    ((seen,),) = base.rows("select pg_current_snapshot()::text")
    base.write(events[middle:])
    edges = base.rows("select lower_id::text, higher_id::text, equal from stream.identity_edges")
    chosen = draw.sample(sorted(edges), min(cuts, len(edges)))
    if chosen:
        cut(base, chosen, late=True)
    ends = [end for pair in chosen for end in pair[:2]]
    told = {row[0] for row in base.rows(CHANGED, seen, ends)}
    changed = {row[0] for row in base.rows(resolved) if before.get(row[0]) != row[1:]}
    assert changed <= told

    for name in ("acme", "bolt", "coda"):
        entries = read_timeline(base.connection, name)
        found = sorted(entry.event_id for entry in entries if entry.entry == "touch")
        assert found == sorted(t for t, owner in base.accounts().items() if owner == name)


def test_of_one_moment_the_first_is_so_in_python_and_in_any_database(base: Database) -> None:
    same = {"occurred_at": "2026-03-01T10:00:00Z", "user_id": "u", "email": "a@acme.com"}
    events = [link(0, event_id=name, account_id="acme", **same) for name in ("a", "B", "_", "é")]
    said = "select event_id from stream.{} where event_id is not null"
    for batch in (1, 4):
        for order in (events, events[::-1]):
            base.clear()
            base.write(order, batch=batch)
            for table in ("identity_edges", "account_links"):
                assert base.rows(said.format(table)) == [("B",)]
            assert rebuild(base.url).changes == {}


def test_a_writer_stores_again_what_others_removed(base: Database) -> None:
    events = [touch(n, anonymous_id="v1", email="a@acme.com", account_id="acme") for n in (1, 2)]
    base.write(events[:1])
    expected = base.state()
    again = Known()
    facts = collect_facts([parse_event(orjson.dumps(event)) for event in events])
    with base.connection, base.connection.cursor() as cursor:
        for _ in range(2):
            save_facts(cursor, facts, again)
            again.remember()
    assert not again.waiting.identifiers
    for table in ("account_links", "identity_edges", "identifiers"):
        base.rows(
            f"with gone as (delete from stream.{table} returning 1) select count(*) from gone"
        )
    base.write(events)
    state = base.state()
    assert {name: state[name] for name in ("identifiers", "edges", "links")} == {
        name: expected[name] for name in ("identifiers", "edges", "links")
    }


def test_facts_of_a_transaction_that_failed_are_not_known() -> None:
    known, said = Known(), (datetime(2026, 3, 1, tzinfo=UTC), "t1")
    edge = (identifier_id("email", "a@acme.com"), identifier_id("user_id", "u"))
    facts = Facts(edges={edge: said})
    assert known.unknown(facts, (1,)).edges
    known.drop()
    known.remember()
    assert known.unknown(facts, (1,)).edges == {edge: said}
    known.remember()
    assert not known.unknown(facts, (1,)).edges
    earlier = (datetime(2026, 2, 1, tzinfo=UTC), "t2")
    assert known.unknown(Facts(edges={edge: earlier}), (1,)).edges
    assert known.unknown(facts, (2,)).edges, "another epoch: all is forgotten"


@FEW
@given(seed=st.integers(0, 10**6), cuts=st.integers(0, 3))
def test_looked_up_for_some_accounts_it_is_what_it_is_for_all(
    base: Database, seed: int, cuts: int
) -> None:
    base.clear()
    base.write(random_events(seed, 40), batch=40)
    edges = base.rows("select lower_id::text, higher_id::text, equal from stream.identity_edges")
    cut(base, random.Random(seed).sample(sorted(edges), min(cuts, len(edges))), late=True)
    for accounts in (["acme"], ["bolt"], ["acme", "coda"], ["nobody"], ["acme", "bolt", "coda"]):
        expected = base.rows(
            "select identifier_id, account_id from stream.identifier_accounts "
            "where account_id = any(%s)",
            accounts,
        )
        found = base.rows("select * from stream.identifiers_of_accounts(%s)", accounts)
        assert sorted(found) == sorted(expected), accounts
