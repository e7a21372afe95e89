"""Forgetting a person: everything that tells of them, in one transaction that writers wait for.

What is a person's own (touches, identities, facts) is deleted; what is an account's (revenue,
opportunities) stays without what names the person. docs/privacy.md says where and why.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg2 import sql

from bizops.database import (
    BUILT_SCHEMAS,
    WRITTEN_SCHEMAS,
    Connection,
    Cursor,
    load_queries,
)
from bizops.errors import BizopsError
from bizops.events import EVENT_TYPES, AnyEvent
from bizops.settings import Settings
from streams.identity import collect_facts
from streams.identity_rows import (
    create_identity_staging,
    lock_identity,
    refresh_some,
    save_facts,
)
from streams.subject import Person, find_person
from streams.summaries import recount
from streams.suppression import (
    ERASED_DETAIL,
    OF_ACCOUNTS,
    PERSON_COLUMNS,
    Identifier,
    canonical,
    emails_in,
    named_in,
    stands_without,
    texts_in,
)
from streams.suppression_key import Hasher, find_key, make_key
from streams.tables import RANKS, SPEAK_OF_PEOPLE, TABLES, Table, strongest_identifier

__all__ = ["Erasure", "Naming", "forget", "naming_events", "naming_letters"]

QUERIES = load_queries("streams", "erasure.sql")
DEAD_LETTERS = load_queries("streams", "dead_letters.sql")
SUPPRESSION = load_queries("streams", "suppression.sql")

HANDLED = [
    *(table.name for table in TABLES.values()),
    "identifiers", "dead_letters", "suppressions", "erasures",
]  # fmt: skip
"""Tables of schema ``stream`` that are handled by what they are, not by their columns' names."""

MAY_TELL = """
properties <> '{}' and (
    exists (
        select from unnest(%(addresses)s) as address
        where position(address in lower(properties::text)) > 0
    )
    or position('%%' in properties::text) > 0 and exists (
        select from unnest(%(domains)s) as domain
        where position(domain in lower(properties::text)) > 0
    )
)
"""
"""Whether properties may hold an address, percent-encoded too; `emails_in` says whether they do."""


@dataclass
class Erasure:
    """What was erased.

    Attributes
    ----------
    rows
        Rows deleted, or stripped of what named the person, by table.
    accounts
        Whose timelines are others now.
    touches
        Ids of the touches that are gone.
    counted
        Accounts and identifiers under which those were counted.
    """

    person: Person
    rows: Counter[str] = field(default_factory=Counter)
    accounts: set[str] = field(default_factory=set)
    touches: list[str] = field(default_factory=list)
    counted: tuple[set[str], set[UUID]] = field(default_factory=lambda: (set(), set()))

    @property
    def found(self) -> bool:
        """Whether anything was known of the person."""
        return self.person.known or bool(self.rows)


def forget(
    connection: Connection, settings: Settings, asked: Identifier, *, dry_run: bool = False
) -> Erasure:
    """Erase a person and suppress all their identifiers, or only count what that would do.

    One transaction: killed at any moment, it is done or it is not. It waits for the batches that
    are being stored, and those that come meanwhile wait for it.

    Raises
    ------
    SuppressionKeyError
        If somebody was forgotten before under a key that is not here.
    BizopsError
        If a fit is at work: it has read the person's events, and would publish them after.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(SUPPRESSION["hold"])
        lock_identity(cursor)
        if not dry_run:
            _refuse_beside_attribution(cursor)
        erasure = Erasure(find_person(cursor, asked))
        _erase(cursor, erasure)
        if dry_run:
            connection.rollback()
        else:
            _suppress(cursor, settings, erasure)
    return erasure


@dataclass(frozen=True, slots=True)
class Naming:
    """A row that names a person.

    Attributes
    ----------
    named
        Whether its own columns do; else only its properties.
    stays
        Whether it is an account's or somebody else's, and stays without what names the person.
    tells
        Whether its properties hold an address of the person's.
    """

    row: dict[str, Any]
    named: bool
    stays: bool
    tells: bool


def naming_events(cursor: Cursor, event_type: str, person: Person) -> Iterator[Naming]:
    """Rows of one type of event that name the person."""
    table = TABLES[event_type]
    columns = [name for name in table.fields if name in PERSON_COLUMNS]
    has_properties = "properties" in table.fields
    if not columns:
        return
    values: dict[str, Any] = {name: person.by_kind[PERSON_COLUMNS[name]] for name in columns}
    tests: list[sql.Composable] = [
        sql.SQL("{} = any({})").format(sql.Identifier(name), sql.Placeholder(name))
        for name in columns
    ]
    addresses = set(person.by_kind["email"])
    if has_properties and addresses:
        values |= {"addresses": sorted(addresses), "domains": _plain_domains(addresses)}
        tests.append(sql.SQL(MAY_TELL))
    cursor.execute(
        sql.SQL("select {} from {} where {} order by event_id").format(
            sql.SQL(", ").join(map(sql.Identifier, table.columns)),
            sql.Identifier("stream", table.name),
            sql.SQL(" or ").join(tests),
        ),
        values,
    )
    theirs = set(person.identifiers)
    for found in cursor.fetchall():
        row = dict(zip(table.columns, found, strict=True))
        all_ = {(PERSON_COLUMNS[name], row[name]) for name in columns if row[name] is not None}
        named = all_ & theirs
        tells = has_properties and not addresses.isdisjoint(emails_in(row["properties"]))
        stays = not named or stands_without(
            event_type, named, all_ - named, has_account=row.get("account_id") is not None
        )
        if named or tells:
            yield Naming(row, bool(named), stays, tells)


def _plain_domains(addresses: Iterable[str]) -> list[str]:
    """What percent-encoding leaves of addresses; of a domain in other letters nothing."""
    domains = {address.rpartition("@")[2] for address in addresses}
    return sorted(domain if domain.isascii() else "%" for domain in domains)


def naming_letters(cursor: Cursor, person: Person) -> Iterator[tuple[Any, ...]]:
    """Dead letters in which one of the person's identifiers stands, in doubt one too many."""
    cursor.execute(DEAD_LETTERS["all"])
    for row in cursor.fetchall():
        *_, detail, event_id, key, payload = row
        texts = texts_in(payload and bytes(payload), key and bytes(key), detail, event_id)
        if named_in(texts, person.identifiers):
            yield row


def _refuse_beside_attribution(cursor: Cursor) -> None:
    cursor.execute(QUERIES["beside_attribution"])
    if cursor.fetchone() != (True,):
        raise BizopsError(
            "`bizops attribute`, `retrain` or `restate` is at work, and has read what is to be "
            "forgotten; nothing was erased: try again when it is done"
        )
    cursor.execute(QUERIES["beside_live"])


def _erase(cursor: Cursor, erasure: Erasure) -> None:
    ids = {"ids": list(erasure.person.ids)}
    deleted = {kind: _choose(cursor, kind, erasure) for kind in TABLES}
    erasure.touches = deleted["touch"]
    events = [event_id for event_ids in deleted.values() for event_id in event_ids]
    cursor.execute(QUERIES["neighbours"], ids | {"events": events})
    near = [row[0] for row in cursor.fetchall()]
    _note_accounts(cursor, erasure, near)
    for event_type, event_ids in deleted.items():
        statement = "delete from {} where event_id = any(%(ids)s)"
        _run(cursor, erasure, TABLES[event_type], statement, {"ids": event_ids})
    _erase_places(cursor, erasure, events)
    recount(cursor, sorted(erasure.counted[0]), erasure.counted[1])
    cursor.execute(QUERIES["detach"], ids)
    _derive_anew(cursor, near)
    cursor.execute(QUERIES["orphans"], {"ids": near})
    orphans = [row[0] for row in cursor.fetchall()]
    cursor.execute(QUERIES["delete_identifiers"], {"ids": [*erasure.person.ids, *orphans]})
    erasure.rows["stream.identifiers"] += cursor.rowcount
    refresh_some(cursor, [id_ for id_ in near if id_ not in orphans])
    cursor.execute(QUERIES["raise_epoch"])
    _note_accounts(cursor, erasure, near)
    _erase_letters(cursor, erasure)
    erasure.rows = +erasure.rows


def _derive_anew(cursor: Cursor, near: list[str]) -> None:
    """What the events that are left say of others' identifiers, of which deleted ones spoke."""
    cursor.execute("select to_regclass('pg_temp.staging_edge')")
    if cursor.fetchone() == (None,):
        create_identity_staging(cursor)
    cursor.execute("select kind, value from stream.identifiers where id = any(%s::uuid[])", (near,))
    others = tuple((kind, value) for kind, value in cursor.fetchall())
    if not others:
        return
    said: list[AnyEvent] = []
    for event_type in SPEAK_OF_PEOPLE:
        fields = ("event_id", "occurred_at", "account_id", *PERSON_COLUMNS)
        for naming in naming_events(cursor, event_type, Person(others[0], others, (), known=True)):
            row = {name: naming.row[name] for name in fields if name in naming.row}
            said.append(EVENT_TYPES[event_type].model_construct(**row))
    save_facts(cursor, collect_facts(said))


def _choose(cursor: Cursor, event_type: str, erasure: Erasure) -> list[str]:
    """Strip the events that stay without the person; return the ids of those that do not."""
    table = TABLES[event_type]
    gone: list[str] = []
    emptied: list[str] = []
    stripped: list[str] = []
    moved: dict[str, UUID | None] = {}
    for naming in naming_events(cursor, event_type, erasure.person):
        event_id = naming.row["event_id"]
        if naming.tells:
            emptied.append(event_id)
        if naming.named:
            (stripped if naming.stays else gone).append(event_id)
        if naming.named and event_type == "touch":
            account, identifier = naming.row["account_id"], naming.row["identifier_id"]
            erasure.counted[0].update({account} - {None})
            erasure.counted[1].update({identifier} - {None})
            if naming.stays and str(identifier) in erasure.person.ids:
                moved[event_id] = _strongest_left(naming, erasure.person)
    if event_type in OF_ACCOUNTS:
        emptied += stripped
    # what is left is another content than was published: '' stands for either
    if "properties" in table.fields:
        statement = (
            "update {} set properties = '{{}}', content_hash = '', stored_in = default "
            "where event_id = any(%(ids)s)"
        )
        only = sorted(set(emptied) - set(stripped) - set(gone))
        _run(cursor, erasure, table, statement, {"ids": only})
    _strip(cursor, erasure, event_type, stripped, sorted(set(emptied) & set(stripped)))
    for event_id, identifier in moved.items():
        values = {"event_id": event_id, "identifier": identifier and str(identifier)}
        cursor.execute(QUERIES["move_touch"], values)
        erasure.counted[1].update([identifier] if identifier else [])
    return gone


def _strongest_left(naming: Naming, person: Person) -> UUID | None:
    """Under which identifier a touch counts that stays without the person."""
    gone = set(person.identifiers)
    left = {kind: naming.row[kind] for kind in RANKS if (kind, naming.row[kind]) not in gone}
    return strongest_identifier(EVENT_TYPES["touch"].model_construct(**left))


def _strip(
    cursor: Cursor, erasure: Erasure, event_type: str, stripped: list[str], emptied: list[str]
) -> None:
    table = TABLES[event_type]
    columns = [name for name in table.fields if name in PERSON_COLUMNS]
    if not stripped:
        return
    whole = event_type in OF_ACCOUNTS  # without any person, rather than without this one
    changes: list[sql.Composable] = [
        sql.SQL("{0} = null" if whole else "{0} = case when {0} <> all({1}) then {0} end").format(
            sql.Identifier(name), sql.Placeholder(name)
        )
        for name in columns
    ]
    if whole and "identifier_id" in table.columns:
        changes.append(sql.SQL("identifier_id = null"))
    if "properties" in table.fields:
        changes.append(
            sql.SQL(
                "properties = case when event_id = any(%(emptied)s) then '{}' else properties end"
            )
        )
    changes.append(sql.SQL("content_hash = '', stored_in = default"))
    values: dict[str, Any] = {n: erasure.person.by_kind[PERSON_COLUMNS[n]] for n in columns}
    cursor.execute(
        sql.SQL("update {} set {} where event_id = any(%(stripped)s)").format(
            sql.Identifier("stream", table.name), sql.SQL(", ").join(changes)
        ),
        values | {"stripped": stripped, "emptied": emptied},
    )
    erasure.rows[f"stream.{table.name}"] += cursor.rowcount


def _erase_places(cursor: Cursor, erasure: Erasure, events: Sequence[str]) -> None:
    """Everywhere else: whatever has a column that may hold an identifier or a deleted event."""
    named = [*PERSON_COLUMNS, "event_id", "touch_id"]
    schemas = [*WRITTEN_SCHEMAS, *BUILT_SCHEMAS]
    cursor.execute(QUERIES["places"], {"schemas": schemas, "but": HANDLED, "named": named})
    for schema, table, column, is_id, nullable in cursor.fetchall():
        ours = schema in WRITTEN_SCHEMAS
        if is_id:
            values: Iterable[str] = erasure.person.ids
            action = "delete from {0} where {1} = any(%(values)s::uuid[])"
        elif column in PERSON_COLUMNS:
            values = erasure.person.by_kind[PERSON_COLUMNS[column]]
            # what dbt has summed up stays, of nobody
            action = "delete from {0} where {1} = any(%(values)s)"
            if nullable and not ours:
                action = "update {0} set {1} = null where {1} = any(%(values)s)"
        else:
            values = events
            action = "delete from {0} where {1} = any(%(values)s)"
            if column == "touch_id":  # shares stay, so that they sum to one until restated
                action = "update {0} set {1} = 'erased' where {1} = any(%(values)s)"
        place = sql.Identifier(schema, table)
        cursor.execute(
            sql.SQL(action).format(place, sql.Identifier(column)), {"values": list(values)}
        )
        erasure.rows[f"{schema}.{table}"] += cursor.rowcount


def _erase_letters(cursor: Cursor, erasure: Erasure) -> None:
    letters = [row[:4] for row in naming_letters(cursor, erasure.person)]
    if letters:
        topics, partitions, offsets, times = map(list, zip(*letters, strict=True))
        cursor.execute(DEAD_LETTERS["erase"], (ERASED_DETAIL, topics, partitions, offsets, times))
        erasure.rows["stream.dead_letters"] += cursor.rowcount


def _note_accounts(cursor: Cursor, erasure: Erasure, near: list[str]) -> None:
    values = {"touches": erasure.touches, "ids": [*erasure.person.ids, *near]}
    cursor.execute(QUERIES["accounts"], values)
    erasure.accounts |= {account for (account,) in cursor.fetchall() if account is not None}


def _run(
    cursor: Cursor, erasure: Erasure, table: Table, statement: str, values: dict[str, list[str]]
) -> None:
    if values["ids"]:
        cursor.execute(
            sql.SQL(statement).format(sql.Identifier("stream", table.name)), values
        )  # fmt: skip
        erasure.rows[f"stream.{table.name}"] += cursor.rowcount


def _suppress(cursor: Cursor, settings: Settings, erasure: Erasure) -> None:
    cursor.execute(SUPPRESSION["fingerprint"])
    row = cursor.fetchone()
    if row is not None:
        hasher = Hasher.checked(find_key(settings), bytes(row[0]))
    else:
        hasher = Hasher(make_key(settings))
        cursor.execute(SUPPRESSION["keep_fingerprint"], (hasher.fingerprint,))
    hashes = [hasher.hash(*canonical(*pair)) for pair in erasure.person.identifiers]
    cursor.execute(SUPPRESSION["add"], (hashes,))
    asked = hasher.hash(*canonical(*erasure.person.asked))
    cursor.execute(QUERIES["log"], (asked, json.dumps(erasure.rows)))
