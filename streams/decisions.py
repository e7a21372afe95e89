"""What an operator decides about who is who: facts cut, restored or added, each with a version."""

from collections.abc import Iterable

from psycopg2.extras import execute_values

from bizops.database import Cursor, load_queries
from bizops.errors import UsageError
from streams.identity_rows import (
    create_identity_staging,
    lock_identity,
    refresh_all,
    refresh_some,
)
from streams.persons import Fact, Identifier, facts_of, find_identifier, identifiers_of, person_of

__all__ = ["merge", "refresh", "unmerge"]

QUERIES = load_queries("streams", "persons.sql")
SHARE = load_queries("streams", "suppression.sql")["share"]

type Pair = tuple[str, str, bool]
"""Lower id, higher id, and whether they are equals."""


def unmerge(
    cursor: Cursor, one: str, other: str, *, by: str, reason: str | None = None
) -> list[Fact]:
    """Cut what makes one person of two identifiers, for good; returns the facts that were cut.

    The weaker of the two leaves, of equals the one named first, with what leads to it alone.

    Raises
    ------
    UsageError
        If an identifier is unknown, or the two are not one person's.
    """
    first, second = _both(cursor, one, other)
    person = person_of(cursor, first.id)
    if person != person_of(cursor, second.id):
        raise UsageError(f"{first.name} and {second.name} are not one person's; nothing to cut")
    leaver, stayer = sorted((first, second), key=lambda identifier: identifier.rank)
    theirs = {identifier.id for identifier in identifiers_of(cursor, person)}
    cut = _between(facts_of(cursor, theirs), theirs, leaver.id, stayer.id)
    pairs = [(fact.lower_id, fact.higher_id, fact.equal) for fact in cut]
    _decide(cursor, pairs, "cut", first, second, by, reason)
    return cut


def merge(cursor: Cursor, one: str, other: str, *, by: str, reason: str | None = None) -> str:
    """Take back the last cut between two identifiers, or state that they are one person's.

    Returns which it was: ``restored`` or ``merged``.

    Raises
    ------
    UsageError
        If an identifier is unknown, the two are one person's already, or what else is known keeps
        them apart; nothing is changed then.
    """
    first, second = _both(cursor, one, other)
    if person_of(cursor, first.id) == person_of(cursor, second.id):
        raise UsageError(f"{first.name} and {second.name} are one person's already")
    ids = [first.id, second.id]
    about = {"about": sorted(ids), "pair": ids, "turned": ids[::-1]}
    cursor.execute(QUERIES["last_cut"], about)
    if pairs := cursor.fetchall():
        _decide(cursor, pairs, "as_events_say", first, second, by, reason)
        return "restored"
    equal = first.kind == second.kind
    lower, higher = sorted((first, second), key=lambda i: (i.rank, i.id))
    _decide(cursor, [(lower.id, higher.id, equal)], "merge", first, second, by, reason)
    if person_of(cursor, first.id) != person_of(cursor, second.id):
        raise UsageError(
            f"{lower.name} leads to somebody else, and cannot lead to {higher.name} too; "
            f"see `bizops identity show {lower.name}`, and unmerge it there first"
        )
    return "merged"


def refresh(cursor: Cursor) -> int:
    """Derive all parents and merges anew; returns how many identifiers have another parent."""
    cursor.execute(SHARE)
    create_identity_staging(cursor)
    return refresh_all(cursor)


def _both(cursor: Cursor, one: str, other: str) -> tuple[Identifier, Identifier]:
    # workers first, then those who add facts: the order in which everybody takes these locks
    cursor.execute(SHARE)
    lock_identity(cursor)
    create_identity_staging(cursor)
    first, second = find_identifier(cursor, one), find_identifier(cursor, other)
    if first == second:
        raise UsageError(f"{first.name} is one identifier; expected two")
    return first, second


def _decide(
    cursor: Cursor, pairs: list[Pair], decision: str, first: Identifier, second: Identifier,
    by: str, reason: str | None,
) -> None:  # fmt: skip
    """Keep the decision, and let it take effect."""
    cursor.execute(QUERIES["next_version"])
    (version,) = cursor.fetchone() or (0,)
    about = sorted((first.id, second.id))
    rows = [(version, *pair, decision, about, by, reason) for pair in pairs]
    execute_values(
        cursor, QUERIES["decide"], rows, template="(%s, %s, %s, %s, %s, %s::uuid[], %s, %s)"
    )
    refresh_some(cursor, sorted({id_ for pair in pairs for id_ in pair[:2]}))


def _between(facts: Iterable[Fact], theirs: set[str], leaver: str, stayer: str) -> list[Fact]:
    """The leaver's facts that lead where the stayer leads to, by way of others.

    Facts are followed upwards and to equals: who is seen with a third, weaker one is not joined.
    """
    standing = [f for f in facts if f.stands and f.lower_id in theirs and f.higher_id in theirs]
    near: dict[str, set[str]] = {id_: set() for id_ in theirs}
    for fact in standing:
        near[fact.lower_id].add(fact.higher_id)
        if fact.equal:
            near[fact.higher_id].add(fact.lower_id)

    def led_to(start: str) -> set[str]:
        found, waiting = {start}, [start]
        while waiting:
            reached = near[waiting.pop()] - found - {leaver}
            found |= reached
            waiting += reached
        return found

    goal = led_to(stayer)
    return [
        fact
        for fact in standing
        if (fact.lower_id == leaver and led_to(fact.higher_id) & goal)
        or (fact.higher_id == leaver and fact.equal and led_to(fact.lower_id) & goal)
    ]
