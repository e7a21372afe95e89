"""A forgotten person is nowhere, stays nowhere, and takes nobody else along."""

import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson
import psycopg2
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from attribution.fit import Options, attribute
from attribution.runs import exclusive
from bizops.cli import app
from bizops.endpoints import Endpoints
from bizops.errors import BizopsError, UsageError
from bizops.events import EVENT_TYPES, parse_event
from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams import erasure
from streams.decisions import merge
from streams.erasure import Erasure, forget
from streams.export import export_person
from streams.pool import WorkerPool
from streams.records import Record, Written
from streams.replay import rebuild
from streams.store import Store
from streams.subject import parse_identifier
from streams.suppression import emails_in
from streams.suppression_key import SuppressionKeyError, find_key

Event = dict[str, Any]
ADA = "ada.lovelace@example.com"
ADAS = ("t1", "t2", "t3", "i1", "i2", "i3", "r1", "o1", "s1", "u1")
HERS = [ADA, "lead-4711", "user-ada-1", "cookie-ada-1", "cookie-ada-2"]


def touch(event_id: str, **more: Any) -> Event:
    return {"type": "touch", "event_id": event_id, "source": "test", "channel": "web",
            "occurred_at": "2026-03-01T10:00:00Z"} | more  # fmt: skip


def identity(event_id: str, **more: Any) -> Event:
    return {"type": "identity", "event_id": event_id, "source": "test",
            "occurred_at": "2026-03-02T10:00:00Z"} | more  # fmt: skip


def revenue(event_id: str, **more: Any) -> Event:
    return {"type": "revenue", "event_id": event_id, "source": "test", "account_id": "acme",
            "occurred_at": "2026-04-01T10:00:00Z", "kind": "new", "iacv": "1200.00",
            "currency": "EUR"} | more  # fmt: skip


def deal(event_id: str, **more: Any) -> Event:
    return {"type": "opportunity", "event_id": event_id, "source": "test", "account_id": "acme",
            "opportunity_id": "O1", "stage": "won", "occurred_at": "2026-04-01T10:00:00Z",
            } | more  # fmt: skip


def lead_status(event_id: str, **more: Any) -> Event:
    return {"type": "lead_status", "event_id": event_id, "source": "test", "status": "mql",
            "occurred_at": "2026-03-03T10:00:00Z"} | more  # fmt: skip


def usage(event_id: str, **more: Any) -> Event:
    return {"type": "usage", "event_id": event_id, "source": "test", "feature": "boards",
            "occurred_at": "2026-03-04T10:00:00Z"} | more  # fmt: skip


EVENTS = [
    touch("t1", anonymous_id="cookie-ada-1", utm_campaign="spring"),
    touch("t2", email=ADA, properties={"note": "called"}),
    touch("t3", user_id="user-ada-1", anonymous_id="cookie-ada-2", account_id="acme"),
    identity("i1", anonymous_id="cookie-ada-1", email=ADA),
    identity("i2", email=ADA, lead_id="lead-4711", account_id="acme"),
    identity("i3", lead_id="lead-4711", user_id="user-ada-1"),
    revenue("r1", lead_id="lead-4711", properties={"signed_by": ADA}),
    deal("o1", lead_id="lead-4711"),
    lead_status("s1", lead_id="lead-4711", email=ADA),
    usage("u1", user_id="user-ada-1", account_id="acme"),
    # somebody else, on one of her devices too, and at her account
    touch("b1", email="bob@example.com", anonymous_id="cookie-ada-2"),
    touch("b2", email="bob@example.com", account_id="acme", properties={"cc": [ADA.upper()]}),
    identity("b3", email="bob@example.com", account_id="acme"),
    revenue("r2", lead_id="lead-bob"),
]
DEAD = [
    b'{"type":"touch", "email": "ada.lovelace@example.com"',
    rb'{"type":"touch","email":"\u0061da.lovelace@EXAMPLE.com","occurred_at":"2026"}',
    orjson.dumps(touch("t9", lead_id="lead-4711", schema_version=9)),
    b'{"type":"touch","lead_id":"lead-471"}',
]


def records(*values: Event | bytes, first: int = 0, prefix: str = "") -> list[Record]:
    found = []
    for offset, value in enumerate(values, start=first):
        name = "touches" if isinstance(value, bytes) else EVENT_TYPES[value["type"]].topic
        payload = value if isinstance(value, bytes) else orjson.dumps(value)
        found.append(Record(prefix + name, 0, offset, 1.7e9 + offset, b"k", payload))
    return found


class Company:
    """A database, with what one worker and one operator do to it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        self.settings, self.url = settings, settings.database_url

    def write(self, some: list[Record]) -> Written:
        connection = psycopg2.connect(self.url)
        try:
            return Store(connection, find_key=lambda: find_key(self.settings)).write(some)
        finally:
            connection.close()

    def forget(self, text: str, **more: Any) -> Erasure:
        connection = psycopg2.connect(self.url)
        try:
            return forget(connection, self.settings, parse_identifier(text), **more)
        finally:
            connection.close()

    def export(self, text: str) -> Any:
        connection = psycopg2.connect(self.url)
        try:
            return export_person(connection, parse_identifier(text))
        finally:
            connection.close()

    def rows(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def places_of(self, *texts: str) -> set[tuple[str, str]]:
        """Every column of any table in which one of the texts stands, in any case, as bytes too."""
        columns = self.rows("""
            select format('%I.%I', table_schema, table_name), quote_ident(column_name), udt_name
            from information_schema.columns join information_schema.tables
                using (table_schema, table_name)
            where table_type = 'BASE TABLE' and table_schema <> 'information_schema'
              and table_schema not like 'pg\\_%'""")
        assert len(columns) > 100
        values = [text.lower() for text in texts]
        parts = []
        for table, column, kind in columns:
            text = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            parts.append(
                f"select '{table}', '{column}' where exists "
                f"(select from {table}, unnest(%(texts)s) x where position(x in lower({text})) > 0)"
            )
        return set(self.rows(" union all ".join(parts), {"texts": values}))


@pytest.fixture
def company(settings: Settings) -> Company:
    return Company(settings)


@pytest.fixture
def told(company: Company) -> Company:
    company.write(records(*EVENTS, *DEAD))
    return company


def test_nothing_of_the_person_is_left_and_reading_again_brings_nothing_back(
    told: Company,
) -> None:
    assert len(told.places_of(*HERS)) > 10
    erased = told.forget(f"email:{ADA}")
    assert {value for _, value in erased.person.identifiers} == set(HERS)
    assert erased.accounts == {"acme"}
    assert told.places_of(*HERS) == set()
    again = told.write(records(*EVENTS, *DEAD))
    assert again.suppressed == {"touch": 3, "identity": 3, "lead_status": 1, "usage": 1}
    assert not again.stored.total()
    assert told.places_of(*HERS) == set()
    # in other spelling, in new records
    shouted = [
        touch("n1", email=f" {ADA.upper()} "),
        identity("n2", email=ADA.title(), user_id="user-new"),
    ]
    assert told.write(records(*shouted, DEAD[1], first=100)).suppressed == {
        "touch": 1,
        "identity": 1,
    }
    assert told.places_of(*HERS, "user-new") == set()


def test_others_keep_their_events_and_accounts_theirs(told: Company) -> None:
    told.forget("user_id:user-ada-1")
    assert told.rows("select event_id, email, anonymous_id from stream.touches order by 1") == [
        ("b1", "bob@example.com", None), ("b2", "bob@example.com", None),
    ]  # fmt: skip
    assert told.rows("select event_id, lead_id, iacv::text from stream.revenue order by 1") == [
        ("r1", None, "1200.00"), ("r2", "lead-bob", "1200.00"),
    ]  # fmt: skip
    assert told.rows("select lead_id, stage from stream.opportunities") == [(None, "won")]
    assert told.rows("select value from stream.identifiers order by 1") == [
        ("bob@example.com",), ("lead-bob",),
    ]  # fmt: skip
    assert told.rows("select account_id from stream.resolved_touches") == [("acme",)] * 2
    assert told.rows("select payload is null from stream.dead_letters order by kafka_offset") == [
        (True,), (True,), (True,), (False,),
    ]  # fmt: skip


def test_what_was_stripped_is_no_conflict_when_read_again_or_corrected(told: Company) -> None:
    told.forget(f"email:{ADA}")
    again = told.write(records(*EVENTS))
    assert not again.dead
    later = deal("o1", lead_id="lead-4711", stage="lost", occurred_at="2026-05-01T10:00:00Z")
    told.write(records(later, first=50))
    assert told.rows("select stage, lead_id from stream.opportunities") == [("lost", None)]
    new = revenue("r3", lead_id="lead-4711", properties={"signed_by": ADA})
    for _ in range(2):
        assert not told.write(records(new, first=60)).dead
    assert told.rows("select lead_id, properties from stream.revenue where event_id = 'r3'") == [
        (None, {})
    ]


@pytest.mark.parametrize(
    "text", ["user_id:null", "lead_id: UNDEFINED", "device_id:00000000-0000", "email:test@x.com"]
)
def test_nobody_is_not_forgotten(text: str) -> None:
    """What programs send when they know nobody stands in everybody's events."""
    with pytest.raises(UsageError, match="names nobody: programs send"):
        parse_identifier(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://x/u?email={}&utm=1", "mailto:{}?subject=hi", "call {}!", "{}/", "b@y.com|{}",
        "https://x/?to=%22{}%22", "'{}'", "*{}*", "{{\"to\":\"{}\"}}", "..{}.", "a@{}", "{}_",
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ["o'brien@x.com", "ada%40x.com", "ADA@X.com", "%61da@x.com"])
def test_an_address_is_found_in_whatever_text(text: str, address: str) -> None:
    found = set(emails_in({"a": [text.format(address)]}))
    assert unquote(address).lower() in found
    assert set(emails_in({text.format(address): 1})) == found


def test_a_long_text_is_searched_in_time_that_grows_with_it() -> None:
    begun = time.process_time()
    for text in ("/" * 300_000 + "@x.com", "@" * 300_000, "a@" + "a." * 300_000, "a /@x" * 60_000):
        assert all(len(address) <= 401 for address in emails_in(text))
    assert time.process_time() - begun < 10


def test_an_address_within_a_text_is_taken_out_and_kept_out(company: Company) -> None:
    texts = ["https://x/u?email=ada.lovelace%40example.com&utm=1", f"https://x/u?e={ADA}&utm=1",
             f"mailto:{ADA}?subject=hi", "20% of people@example.com"]  # fmt: skip
    some = records(
        *(touch(f"t{n}", email="bob@example.com", properties={"url": text})
          for n, text in enumerate(texts)),
    )  # fmt: skip
    stored = "select event_id, properties from stream.touches order by 1"
    left = [("t0", {}), ("t1", {}), ("t2", {}), ("t3", {"url": texts[3]})]
    company.write(some)
    company.forget(f"email:{ADA}")
    assert company.rows(stored) == left
    company.rows(EMPTY)
    company.write(some)
    assert company.rows(stored) == left
    letters = records(*(text.encode() for text in texts), first=100)
    company.write(letters)
    kept = company.rows("select payload is not null from stream.dead_letters order by kafka_offset")
    assert kept == [(False,), (False,), (False,), (True,)]


def test_a_placeholder_beside_a_device_is_nobody_else(company: Company) -> None:
    """Stored or not yet: what names the forgotten device and nobody goes, or is not stored."""
    some = records(
        touch("p1", anonymous_id="cookie-ada-1", user_id="undefined"),
        touch("p2", anonymous_id="cookie-ada-1", user_id="user-bob"),
        identity("p3", anonymous_id="cookie-ada-1", user_id="user-ada-1"),
        identity("p4", anonymous_id="cookie-ada-1", user_id="null", account_id="acme"),
        identity("p5", user_id="user-bob", email="bob@example.com"),
    )
    company.write(some)
    company.forget("anonymous_id:cookie-ada-1")
    left = company.rows("select event_id from stream.touches union select event_id "
                        "from stream.identities order by 1")  # fmt: skip
    company.write(some)
    again = company.rows("select event_id from stream.touches union select event_id "
                         "from stream.identities order by 1")  # fmt: skip
    assert left == again == [("p2",), ("p5",)]


def test_a_touch_that_stays_counts_under_what_is_left(told: Company) -> None:
    """A guard that was there when it was stored is gone: the device was the strongest then."""
    told.rows("""update stream.touches set identifier_id =
        (select id from stream.identifiers where value = 'cookie-ada-2') where event_id = 'b1'""")
    told.forget(f"email:{ADA}")
    assert told.rows("""select i.value from stream.touches t
        join stream.identifiers i on i.id = t.identifier_id where event_id = 'b1'""") == [
        ("bob@example.com",)
    ]  # fmt: skip
    assert told.rows("""select value, touches from stream.identifier_touches
        join stream.identifiers on id = identifier_id""") == [("bob@example.com", 1)]  # fmt: skip


def test_tables_of_others_in_the_same_database_are_left_alone(told: Company) -> None:
    told.rows("""
        create schema crm; create table crm.people (id uuid, lead_id text, event_id text);
        insert into crm.people select id, 'lead-4711', 't1' from stream.identifiers;
        create schema marts; create table marts.leads (lead_id text, touches integer);
        insert into marts.leads values ('lead-4711', 3), ('lead-bob', 1)""")
    theirs = told.rows("select * from crm.people")
    told.forget(f"email:{ADA}")
    assert told.rows("select * from crm.people") == theirs
    assert told.rows("select * from marts.leads order by 1") == [("lead-bob", 1), (None, 3)]


def test_what_may_not_be_looked_at_is_not_passed_over(told: Company) -> None:
    """Who has no right on a table is told so; nothing is erased."""
    told.rows("""
        create schema marts; create table marts.leads (lead_id text);
        create role forgets_only;
        grant all on all tables in schema stream, attribution to forgets_only;
        grant usage on all sequences in schema stream to forgets_only;
        grant usage on schema stream, attribution, marts to forgets_only""")
    connection = psycopg2.connect(told.url, options="-c role=forgets_only")
    try:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="leads"):
            forget(connection, told.settings, ("email", ADA))
    finally:
        connection.close()
        told.rows("drop owned by forgets_only; drop role forgets_only")
    assert told.rows("select count(*) from stream.touches") == [(5,)]


def test_counted_before_as_done_after(told: Company) -> None:
    before = told.rows("select * from stream.touches order by 1")
    counted = told.forget(f"email:{ADA}", dry_run=True)
    assert told.rows("select * from stream.touches order by 1") == before
    assert told.rows("select count(*) from stream.suppressions") == [(0,)]
    done = told.forget(f"email:{ADA}")
    assert counted.rows == done.rows
    assert done.rows["stream.touches"] == 3 + 2
    assert told.rows("select rows from stream.erasures") == [(dict(done.rows),)]
    assert told.forget(f"email:{ADA}").rows == {}


def test_what_is_derived_is_what_a_replay_would_make(told: Company) -> None:
    told.forget(f"email:{ADA}")
    assert rebuild(told.url).changes == {}


def test_a_device_that_an_operator_shared_with_the_person_is_derived_anew(
    company: Company,
) -> None:
    company.write(records(touch("t1", device_id="d1"), touch("t2", user_id="Ua")))
    connection = psycopg2.connect(company.url)
    with connection, connection.cursor() as cursor:
        merge(cursor, "device:d1", "user:Ua", by="test")
    connection.close()
    company.write(records(touch("t3", device_id="d1", user_id="Ub"), first=10))
    shared = "select shared_rank is not null from stream.identifiers where value = 'd1'"
    assert company.rows(shared) == [(True,)]
    company.forget("user_id:Ua")
    assert company.rows(shared) == [(False,)]
    assert rebuild(company.url).changes == {}


def test_beside_a_fit_nothing_is_erased(told: Company) -> None:
    with exclusive(told.url), pytest.raises(BizopsError, match="nothing was erased"):
        told.forget(f"email:{ADA}")
    assert told.rows("select count(*) from stream.touches") == [(5,)]
    assert told.rows("select count(*) from stream.suppressions") == [(0,)]
    told.forget(f"email:{ADA}")


def test_killed_before_its_end_it_is_not_done_at_all(
    told: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told.places_of(*HERS)
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "make_key", lambda settings: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            told.forget(f"email:{ADA}")
    assert told.places_of(*HERS) == before


def test_credit_keeps_its_sum_and_loses_the_person(told: Company) -> None:
    told.rows("""
        insert into attribution.runs (run_id, status, started_at, finished_at, settings)
        values ('run', 'published', now(), now(), '{}');
        insert into attribution.credit values
            ('run', 'linear', 'r1', 't2', 'web', '(none)', now(), 0.25),
            ('run', 'linear', 'r1', 'b2', 'web', '(none)', now(), 0.75);
        insert into attribution.lead_credit values
            ('run', 'linear', 'lead-4711', now(), 'web', '(none)', 1)""")
    exported = told.export("lead_id:lead-4711")
    assert [row["share"] for row in exported["credit"]] == [0.25]
    assert [row["lead_id"] for row in exported["lead_credit"]] == ["lead-4711"]
    told.forget(f"email:{ADA}")
    assert told.rows("select touch_id, share from attribution.credit order by share") == [
        ("erased", 0.25), ("b2", 0.75),
    ]  # fmt: skip
    assert told.rows("select count(*) from attribution.lead_credit") == [(0,)]


def test_a_worker_that_writes_meanwhile_leaves_nothing(company: Company) -> None:
    """Batches of hers all the time, before, while and after she is forgotten."""
    company.write(records(*EVENTS))
    stop = threading.Event()
    batches: list[int] = []

    def work(first: int) -> None:
        connection = psycopg2.connect(company.url)
        store = Store(connection, find_key=lambda: find_key(company.settings))
        while not stop.is_set():
            first += 10
            store.write(
                records(
                    touch(f"w{first}", email=ADA, anonymous_id=f"cookie-ada-w{first}"),
                    touch(f"v{first}", lead_id="lead-4711"),
                    touch(f"u{first}", email="bob@example.com"),
                    first=first,
                )
            )
            batches.append(first)
        connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in (1_000_000, 2_000_000)]
    for thread in threads:
        thread.start()
    while len(batches) < 10:
        stop.wait(0.01)
    company.forget(f"email:{ADA}")
    done = len(batches)
    while len(batches) < done + 10:
        stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert company.places_of(*HERS) == set()
    (count,) = company.rows("select count(*) from stream.touches where event_id like 'u%'")[0]
    assert count == len(batches)


def test_an_unknown_person_is_suppressed_on_request(company: Company) -> None:
    assert not company.forget(f"email:{ADA}", dry_run=True).found
    company.forget(f"email:{ADA}")
    assert company.write(records(*EVENTS)).suppressed["touch"] == 1
    assert ADA not in str(company.rows("select * from stream.touches"))


def test_the_key_is_secret_and_a_missing_or_wrong_one_is_refused(
    told: Company, services: Endpoints
) -> None:
    told.forget(f"email:{ADA}")
    key = told.settings.home / "suppression.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    key.rename(key.with_suffix(".away"))
    with pytest.raises(SuppressionKeyError, match="is not here"):
        told.write(records(touch("x")))
    with pytest.raises(SuppressionKeyError, match="is not here"):
        told.forget("email:bob@example.com")
    pool = WorkerPool(told.settings, Endpoints(services.kafka, told.url))
    with pytest.raises(SuppressionKeyError, match="BIZOPS_SUPPRESSION_KEY"):
        pool.start()
    assert pool.processes == []
    key.write_text("another" * 6)
    with pytest.raises(SuppressionKeyError, match="is another one"):
        told.write(records(touch("x")))
    key.unlink()
    told.settings = Settings.from_environment(
        {"BIZOPS_HOME": str(told.settings.home), "BIZOPS_SUPPRESSION_KEY": secret}
    )
    assert told.write(records(*EVENTS)).suppressed["touch"] == 3


def test_the_key_may_come_in_a_file_and_is_checked(tmp_path: Any) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 40 + "\n")
    name = "BIZOPS_SUPPRESSION_KEY"
    settings = Settings.from_environment({f"{name}_FILE": str(file)})
    assert settings.suppression_key == "k" * 40
    assert "kkk" not in repr(settings)
    for wrong in ({name: "short"}, {f"{name}_FILE": str(tmp_path)}):
        with pytest.raises(UsageError, match=r"suppression key|KEY_FILE"):
            Settings.from_environment(wrong)


def test_everything_stored_is_exported_as_it_was_published(told: Company) -> None:
    content = told.export("anonymous_id:cookie-ada-1")
    hers = [e for e in EVENTS if e["event_id"] in ADAS]
    found = [event for events in content["events"].values() for event in events]
    for event in found:
        assert event.pop("received_at").startswith("2023-11-14")
    by_id = {event["event_id"]: event for event in found}
    assert by_id == {
        e["event_id"]: orjson.loads(parse_event(orjson.dumps(e)).to_json()) for e in hers
    }
    assert {one["value"] for one in content["identifiers"]} == set(HERS)
    assert len(content["dead_letters"]) == 3
    assert {one["account_id"] for one in content["accounts"]} == {"acme"}
    assert "bob" not in json.dumps(content, default=str)
    assert told.export("email:nobody@example.com") is None


PEOPLE = {
    "email": ["a@x.com", "b@x.com"],
    "lead_id": ["La", "Lb"],
    "user_id": ["Ua", "Ub"],
    "anonymous_id": ["c1", "c2", "c3"],
    "device_id": ["d1"],
}
names = st.dictionaries(
    st.sampled_from(sorted(PEOPLE)), st.integers(0, 2), min_size=1, max_size=3
).map(lambda picked: {k: PEOPLE[k][n % len(PEOPLE[k])] for k, n in picked.items()})


@st.composite
def companies(draw: Any) -> list[Event]:
    events = []
    for number, who in enumerate(draw(st.lists(names, min_size=1, max_size=12))):
        if "lead_id" in who and draw(st.booleans()):
            known = {kind: who[kind] for kind in ("lead_id", "email") if kind in who}
            events.append(lead_status(f"s{number}", **known))
        elif "user_id" in who and draw(st.booleans()):
            events.append(usage(f"u{number}", user_id=who["user_id"]))
        elif draw(st.booleans()) or len(who) < 2:
            events.append(touch(f"t{number}", **who))
        else:
            events.append(identity(f"i{number}", **who))
    events += [revenue("r1", lead_id="La"), deal("o1", lead_id="Lb")]
    return events


STATE = """
select 't', event_id, account_id, email, lead_id, user_id, anonymous_id, device_id
from stream.touches union all
select 'i', event_id, account_id, email, lead_id, user_id, anonymous_id, device_id
from stream.identities union all
select 'r', event_id, account_id, null, lead_id, null, null, null from stream.revenue union all
select 'o', event_id, account_id, null, lead_id, null, null, null from stream.opportunities
union all
select 's', event_id, account_id, email, lead_id, null, null, null from stream.lead_statuses
union all
select 'u', event_id, account_id, null, null, user_id, null, null from stream.usage
order by 1, 2
"""
TABLES = (
    "touches", "identities", "revenue", "opportunities", "lead_statuses", "usage", "identifiers",
    "identity_edges", "account_links", "account_touches", "identifier_touches", "progress",
)  # fmt: skip
EMPTY = "; ".join(f"delete from stream.{table}" for table in TABLES)


@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    events=companies(), asked=st.sampled_from(["email:a@x.com", "user_id:Ub", "anonymous_id:c1"])
)
@example(
    events=[
        identity("i0", email="a@x.com", lead_id="Lb"),
        identity("i1", email="a@x.com", user_id="Ua"),
        deal("o1", lead_id="Lb"),
    ],
    asked="email:a@x.com",
)
def test_forgetting_and_reading_all_anew_is_the_same_as_forgetting(
    company: Company, events: list[Event], asked: str
) -> None:
    """What stays after a person is forgotten is what would be there had they been unwanted."""
    company.rows(f"{EMPTY}; delete from stream.suppressions")
    company.write(records(*events))
    erased = company.forget(asked)
    assert rebuild(company.url).changes == {}
    after = company.rows(STATE)
    named = {(str(kind), value) for kind, value in erased.person.identifiers}
    kept = company.rows("select kind, value from stream.identifiers")
    assert named.isdisjoint(kept)
    for kind, value in named:
        assert company.rows(
            "select count(*) from (" + STATE.replace("order by 1, 2", "") + ") s where %s = any("
            "array[email, lead_id, user_id, anonymous_id, device_id])", [value]
        ) == [(0,)], (kind, value)  # fmt: skip
    company.write(records(*events))
    assert company.rows(STATE) == after
    company.rows(EMPTY)
    company.write(records(*events))
    assert company.rows(STATE) == after


@pytest.fixture
def bizops(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("BIZOPS_KAFKA", str(settings.kafka))
    monkeypatch.setenv("BIZOPS_TOPIC_PREFIX", settings.topic_prefix)

    def run(*arguments: str, answer: str | None = None) -> Any:
        return CliRunner().invoke(app, arguments, input=answer)

    return run


@pytest.fixture
def topics(settings: Settings) -> Iterator[None]:
    assert settings.kafka is not None
    ensure_topics(replace(settings, retention_days=9), settings.kafka)
    return


def test_the_command_asks_counts_and_says_until_when_kafka_has_it(
    told: Company, bizops: Any, topics: None
) -> None:
    refused = bizops("forget", "email:nobody@example.com", "--yes")
    assert isinstance(refused.exception, UsageError)
    assert "--even-if-unknown" in str(refused.exception)
    assert isinstance(bizops("forget", "ada").exception, UsageError)
    assert isinstance(bizops("forget", "email:ada").exception, UsageError)
    dry = bizops("forget", f"email:{ADA.upper()}", "--dry-run")
    assert "5 rows of stream.touches" in dry.stdout
    assert bizops("forget", f"email:{ADA}", answer="n\n").exit_code == 1
    assert told.rows("select count(*) from stream.touches") == [(5,)]
    done = bizops("forget", f"email:{ADA}", answer="y\n")
    assert done.exit_code == 0
    assert "suppressed 5 identifiers" in done.stdout
    assert "Kafka still holds the person's events until 20" in done.stdout
    assert told.places_of(*HERS) == set()


def test_the_export_goes_to_a_file_that_only_its_owner_reads(
    told: Company, bizops: Any, tmp_path: Any
) -> None:
    file = tmp_path / "ada.json"
    assert bizops("export", f"email:{ADA}", "--output", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    printed = json.loads(bizops("export", f"email:{ADA}").stdout)
    assert json.loads(file.read_text()) == printed
    assert isinstance(bizops("export", "email:x@example.com").exception, UsageError)
    file.write_text("kept")
    file.chmod(0o644)
    refused = bizops("export", f"email:{ADA}", "--output", str(file))
    assert isinstance(refused.exception, UsageError)
    assert "is there already" in str(refused.exception)
    assert file.read_text() == "kept"


def test_the_command_restates_credit_so_that_it_still_sums_to_one(
    told: Company, bizops: Any, topics: None
) -> None:
    attribute(told.settings, told.url, Options(rules_only=True))
    hers = "select count(*) from attribution.credit where touch_id in ('t1', 't2', 't3')"
    assert told.rows(hers) > [(0,)]
    done = bizops("forget", f"email:{ADA}", "--yes")
    assert done.exit_code == 0
    assert "not restated" not in done.stderr
    assert told.rows(hers) == [(0,)]
    assert told.rows("select count(*) from attribution.credit where touch_id = 'erased'") == [(0,)]
    sums = told.rows("select sum(share) from attribution.credit group by model, conversion_id")
    assert all(abs(total - 1) < 1e-9 for (total,) in sums)
    assert len(sums) >= 5
    assert told.places_of(*HERS) == set()
