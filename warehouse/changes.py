"""What changed since the marts were made last, so that only that is made anew."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bizops.database import Cursor, load_queries

__all__ = [
    "credit_changed",
    "credited_by",
    "find_changes",
    "keep_identifiers",
    "made_of",
    "note_built",
]

QUERIES = load_queries("warehouse", "changes.sql")
PROJECT = Path(__file__).parent / "dbt"
KEPT = ("int_touches", "int_spent", "int_touch_counts", "int_credit_sums")
"""Tables that are brought up to date rather than made anew, besides marts."""


def made_of(cursor: Cursor, settings: Mapping[str, Any]) -> str:
    """What all figures depend on besides events and credit, as JSON.

    That is settings, the SQL of the marts, and what every period is told with: exchange rates, what
    is known of products and campaigns, the currencies there are.
    """
    cursor.execute(QUERIES["made_of"])
    ((known,),) = cursor.fetchall()
    code = hashlib.blake2b(digest_size=16)
    for file in sorted(PROJECT.rglob("*.*")):
        if file.suffix in (".sql", ".yml", ".csv"):
            code.update(file.read_bytes())
    return json.dumps({**settings, **known, "code": code.hexdigest()}, sort_keys=True)


def credited_by(cursor: Cursor) -> str | None:
    """The run whose credit the marts are to hold, and when it was restated last."""
    cursor.execute(QUERIES["credited_by"])
    found = cursor.fetchone()
    return None if found is None else str(found[0])


def find_changes(
    cursor: Cursor, parameters: Mapping[str, Any], made: str, credited: str | None
) -> bool:
    """Write down which touches and periods are not what they were.

    To be called in the transaction that sees what the marts will be made of, before the table of
    conversions is written over.

    Returns
    -------
    False if all has to be made anew: the first time, after one that failed or built some marts
    only, after another run or a restatement, where settings, rates or the marts' SQL have changed,
    and after somebody was forgotten.
    """
    cursor.execute(QUERIES["clear"])
    cursor.execute(QUERIES["identifiers_now"])
    cursor.execute(QUERIES["are_there"], {"names": [f"intermediate.{name}" for name in KEPT]})
    are_there = cursor.fetchone() == (True,)
    cursor.execute(QUERIES["made_before"])
    before = cursor.fetchone()
    if before is None or not are_there:
        return False
    seen, made_before, credited_before = before
    if made_before != json.loads(made) or credited_before != credited:
        return False
    cursor.execute(QUERIES["changed_conversions"])
    cursor.execute(QUERIES["changed_touches"], {"seen": seen})
    cursor.execute(QUERIES["changed_periods"], {**parameters, "seen": seen})
    return True


def credit_changed(cursor: Cursor) -> bool:
    """Whether any sum of draws may be another, after :func:`find_changes` has found what changed.

    Conversions are others, or touches that were credited belong to somebody else now.
    """
    cursor.execute(QUERIES["credit_changed"])
    return cursor.fetchone() != (False,)


def note_built(cursor: Cursor) -> None:
    """Remember that all marts are made of what was seen, so that changes since are enough."""
    cursor.execute(QUERIES["built"])


def keep_identifiers(cursor: Cursor) -> None:
    """Remember whose identifiers are, for the next time."""
    cursor.execute(QUERIES["keep_identifiers"])
