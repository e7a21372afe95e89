"""Who somebody is and why, for people to look at: identifiers, facts, account, what is in doubt."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bizops.database import Cursor, load_queries
from bizops.errors import UsageError
from streams.guards import load_guards
from streams.tables import RANKS

__all__ = [
    "Conflicts",
    "Fact",
    "Identifier",
    "Person",
    "facts_of",
    "find_identifier",
    "identifiers_of",
    "person_of",
    "read_conflicts",
    "read_person",
]

QUERIES = load_queries("streams", "persons.sql")
RULES = {
    2: "stated",
    1: "carried",
    0: "domain",
    -1: "nothing names one, others seen with the same identifiers agree",
    None: "those who share it agree",
}
SHORT = {kind.removesuffix("_id"): kind for kind in RANKS}


@dataclass(frozen=True)
class Identifier:
    """One identifier of a person; ``shared`` if it leads to too many people to be anyone's."""

    id: str
    kind: str
    value: str
    rank: int
    shared: bool = False
    domain: str | None = None

    @property
    def name(self) -> str:
        """As commands take it and print it."""
        return f"{self.kind}:{self.value}"


@dataclass(frozen=True)
class Fact:
    """That two identifiers are one person's: who said so first, and what was decided about it.

    ``event_id`` is None where only an operator said so.
    """

    lower_id: str
    lower: str
    higher_id: str
    higher: str
    equal: bool
    first_at: datetime
    event_id: str | None
    source: str | None
    stands: bool
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True)
class Claim:
    """That a person belongs to an account."""

    account_id: str
    rule: str
    identifier: str
    first_at: datetime | None
    event_id: str | None


@dataclass(frozen=True)
class Person:
    """All that is known of a person; ``rule`` tells why the account is this one."""

    person_id: str
    identifiers: list[Identifier]
    facts: list[Fact]
    account_id: str | None
    rule: str | None
    claims: list[Claim]
    notes: list[str]


@dataclass(frozen=True)
class Conflicts:
    """What a person should look at: rows of (what, several others)."""

    shared: list[dict[str, Any]]
    persons: list[dict[str, Any]]
    domains: list[dict[str, Any]]


def find_identifier(cursor: Cursor, text: str) -> Identifier:
    """The identifier meant by ``KIND:VALUE``, or by a value that only one has.

    Raises
    ------
    UsageError
        If there is none, with the nearest there is; or if several kinds have the value.
    """
    kind, _, value = text.partition(":")
    kind = SHORT.get(kind, kind)
    if kind not in RANKS or not value:
        kind, value = "", text
    values = [value, value.lower()]
    cursor.execute(QUERIES["find_identifier"], {"values": values, "kind": kind or None})
    found = [Identifier(*row) for row in cursor.fetchall()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(identifier.name for identifier in found)
        raise UsageError(f"several identifiers are called {value!r}: {names}; name one of them")
    if load_guards().blocks(value):
        raise UsageError(f"{value!r} names nobody: programs send it when they know nobody")
    cursor.execute(QUERIES["near_values"], {"value": value, "kind": kind or None})
    near = difflib.get_close_matches(value, [row[0] for row in cursor.fetchall()], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"no identifier {text!r} is known{hint}")


def person_of(cursor: Cursor, identifier_id: str) -> str:
    """The id of the person whose identifier it is."""
    cursor.execute(QUERIES["person_of"], {"id": identifier_id})
    row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def identifiers_of(cursor: Cursor, person_id: str) -> list[Identifier]:
    """All identifiers of a person, the strongest first."""
    cursor.execute(QUERIES["identifiers_of"], {"person": person_id})
    return [
        Identifier(id_, kind, value, rank, shared is not None, domain)
        for id_, kind, value, rank, shared, domain in cursor.fetchall()
    ]


def facts_of(cursor: Cursor, ids: Collection[str]) -> list[Fact]:
    """What is said of some identifiers, the earliest first; what was cut is included."""
    cursor.execute(QUERIES["facts_of"], {"ids": list(ids)})
    return [Fact(*row) for row in cursor.fetchall()]


def read_person(cursor: Cursor, identifier: Identifier) -> Person:
    """All that is known of the person whose identifier it is."""
    person_id = person_of(cursor, identifier.id)
    identifiers = identifiers_of(cursor, person_id)
    ids = [known.id for known in identifiers]
    facts = facts_of(cursor, ids)
    cursor.execute(QUERIES["claims_of"], {"ids": ids})
    claims = [
        Claim(account, RULES[strength], *rest) for account, strength, *rest in cursor.fetchall()
    ]
    cursor.execute(QUERIES["account_of"], {"person": person_id})
    account_id, strength = cursor.fetchone() or (None, None)
    return Person(
        person_id=person_id,
        identifiers=identifiers,
        facts=facts,
        account_id=account_id,
        rule=None if account_id is None else RULES[strength],
        claims=claims,
        notes=_notes(identifiers, facts, claims, account_id),
    )


def _notes(
    identifiers: list[Identifier], facts: list[Fact], claims: list[Claim], account_id: str | None
) -> list[str]:
    ids = {identifier.id for identifier in identifiers}
    notes = [
        f"{identifier.name} leads to too many people to be anyone's (more than "
        f"{load_guards().most.get(identifier.kind, 1)})"
        for identifier in identifiers
        if identifier.shared
    ]
    shared = {identifier.id for identifier in identifiers if identifier.shared}
    for fact in facts:
        if not fact.stands and fact.decision == "cut":
            why = f": {fact.reason}" if fact.reason else ""
            notes.append(f"{fact.lower} and {fact.higher} were cut by {fact.decided_by}{why}")
        elif fact.stands and fact.lower_id in ids - shared and fact.higher_id not in ids:
            notes.append(f"{fact.lower} is also seen with {fact.higher}, another person")
    others = sorted({claim.account_id for claim in claims} - {account_id})
    if others:
        notes.append(f"other accounts are named too: {', '.join(others)}")
    return notes


def read_conflicts(cursor: Cursor, limit: int) -> Conflicts:
    """What is for review, the worst first, at most ``limit`` of each kind."""

    def rows(query: str) -> list[dict[str, Any]]:
        cursor.execute(QUERIES[query], {"limit": limit})
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return Conflicts(
        rows("shared_identifiers"), rows("persons_of_accounts"), rows("shared_domains")
    )
