"""What a batch says of identity into its tables, with the parents it touches brought up to date.

Parents and merges are functions of the stored facts and the operator's decisions. A transaction
that adds facts shares a lock with others that do, and holds the rows whose parents it sets; one
that merges equals, or decides about them, is alone, because it may move many.
"""

import uuid
from collections.abc import Collection, Iterable

import orjson

from bizops.database import Cursor, load_queries
from streams.copying import copy_rows
from streams.guards import load_guards
from streams.identity import Facts
from streams.known import Known
from streams.tables import RANKS

__all__ = [
    "create_identity_staging",
    "lock_identity",
    "mark_former",
    "note_former",
    "refresh_all",
    "refresh_some",
    "save_facts",
]

QUERIES = load_queries("streams", "identity.sql")

# Sent together: at low rates the ways to the server and back are most of what a batch costs.
LOCK_AND_EPOCH = ";".join(QUERIES[name] for name in ("lock_shared", "epoch"))
ADD_EDGES = ";".join(QUERIES[name] for name in ("find_dirty", "lock_dirty", "add_edges"))
SET_PARENTS = ";".join(QUERIES[name] for name in ("find_members", "find_parents", "set_parents"))
FORMER = {"accounts": "former_accounts", "opportunities": "former_opportunities"}


def create_identity_staging(cursor: Cursor) -> None:
    """Make the temporary tables that facts pass through; each commit empties them."""
    cursor.execute(QUERIES["staging"])


def lock_identity(cursor: Cursor) -> None:
    """Keep others from adding facts and from merging equals until the transaction ends."""
    cursor.execute(QUERIES["lock_alone"])


def save_facts(cursor: Cursor, facts: Facts, known: Known | None = None) -> None:
    """Add what the batch says of identity, and bring the parents it touches up to date.

    What is ``known`` to be stored is skipped; the caller tells it when the transaction ends.
    """
    if not facts.identifiers:
        return
    # before any row: who waits for the lock must hold nothing that its holders may wait for
    if facts.equals:
        lock_identity(cursor)
    cursor.execute(LOCK_AND_EPOCH)
    if known is not None:
        facts = known.unknown(facts, cursor.fetchone() or ())
    if facts.identifiers:
        _add_identifiers(cursor, facts)
    if facts.edges or facts.equals:
        _add_edges(cursor, facts)
    if facts.accounts:
        links = [(*key, strength, *said) for key, (strength, said) in facts.accounts.items()]
        copy_rows(cursor, "staging_link", links)
        cursor.execute(QUERIES["add_account_links"])


def note_former(cursor: Cursor, table: str) -> None:
    """Note, before staged events correct stored ones, whom these alone gave an account."""
    if table in FORMER:
        cursor.execute(QUERIES[FORMER[table]])


def mark_former(cursor: Cursor) -> None:
    """Tell readers that those who were noted may have another account now."""
    cursor.execute("select exists (select from staging_former)")
    if cursor.fetchone() == (True,):
        cursor.execute(QUERIES["lock_shared"])
        cursor.execute(QUERIES["mark_former"])


def _add_identifiers(cursor: Cursor, facts: Facts) -> None:
    guards = load_guards()
    rows = [
        (id_, kind, value, RANKS[kind], guards.domain(value) if kind == "email" else None)
        for id_, (kind, value) in facts.identifiers.items()
    ]
    copy_rows(cursor, "staging_identifier", rows)
    cursor.execute(QUERIES["add_identifiers"])


def _add_edges(cursor: Cursor, facts: Facts) -> None:
    rows = [(*edge, False, *said) for edge, said in facts.edges.items()]
    rows += [(*edge, True, *said) for edge, said in facts.equals.items()]
    copy_rows(cursor, "staging_edge", rows)
    cursor.execute(QUERIES["drop_known_edges"])
    if cursor.rowcount == len(rows):
        return
    cursor.execute(ADD_EDGES)
    if facts.equals:
        cursor.execute(
            QUERIES["equals_around"], {"ids": _texts({i for e in facts.equals for i in e})}
        )
        _merge_equals(cursor, [row[0] for row in cursor.fetchall()])
    _set_parents(cursor)


def refresh_some(cursor: Cursor, ids: Collection[str]) -> None:
    """Derive anew the parents and merges of some identifiers; the lock is held alone."""
    cursor.execute(QUERIES["equals_around"], {"ids": list(ids)})
    around = [row[0] for row in cursor.fetchall()]
    _merge_equals(cursor, around)
    copy_rows(cursor, "staging_dirty", [(id_,) for id_ in around])
    _set_parents(cursor)


def refresh_all(cursor: Cursor) -> int:
    """Derive anew all parents and merges from the stored facts and decisions.

    Needed after a change of the guards and after facts were written or removed by other means
    than :func:`save_facts`. Returns how many identifiers have another parent than before.
    """
    lock_identity(cursor)
    cursor.execute(QUERIES["all_equals"])
    _merge_equals(cursor, [row[0] for row in cursor.fetchall()])
    cursor.execute("truncate staging_dirty")
    cursor.execute(QUERIES["all_dirty"])
    return _set_parents(cursor)


def _set_parents(cursor: Cursor) -> int:
    """Bring the parents of what is dirty up to date; returns how many others they are."""
    cursor.execute(SET_PARENTS, {"most": _most()})
    return cursor.rowcount


def _most() -> str:
    # who has the highest rank leads to nobody
    return orjson.dumps({kind: load_guards().most.get(kind, 1) for kind in RANKS}).decode()


def _merge_equals(cursor: Cursor, ids: Collection[str]) -> None:
    """Let the least id of each group of equals stand for it."""
    if not ids:
        return
    cursor.execute(QUERIES["standing_equals"], {"ids": list(ids)})
    stands = _representatives(ids, cursor.fetchall())
    rows = [(id_, None if id_ == first else first) for id_, first in sorted(stands.items())]
    copy_rows(cursor, "staging_merge", rows)
    cursor.execute(QUERIES["set_merges"])


def _representatives(ids: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The least of each connected group, by member."""
    parent = {id_: id_ for id_ in ids}

    def find(id_: str) -> str:
        while parent[id_] != id_:
            parent[id_] = id_ = parent[parent[id_]]
        return id_

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        parent[high] = low
    return {id_: find(id_) for id_ in parent}


def _texts(ids: Iterable[uuid.UUID]) -> list[str]:
    return [str(id_) for id_ in ids]
