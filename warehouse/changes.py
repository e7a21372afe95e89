"""What changed since the marts were made last, so that only that is made anew."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bizops import intervals
from bizops.database import Cursor, load_queries

__all__ = [
    "CreditChange",
    "credit_change",
    "credited_by",
    "find_changes",
    "keep_seen",
    "made_of",
    "note_built",
]

QUERIES = load_queries("warehouse", "changes.sql")
PROJECT = Path(__file__).parent / "dbt"
SUMMED_BY = (
    *(
        Path(__file__).with_name(name)
        for name in ("sums.py", "batches.py", "sums.sql", "changes.sql", "figures.py")
    ),
    Path(intervals.__file__),
)
"""What makes the sums that the next deal is added to, besides dbt."""
KEPT = (
    "int_touches",
    "int_touch_counts",
    "int_touch_subjects",
    "int_first_touches",
    "int_spend",
    "int_credit",
    "int_credit_sums",
    "int_attributed_leads",
)
"""Tables that are brought up to date rather than made anew, besides marts."""


@dataclass(frozen=True)
class CreditChange:
    """What of the credit is not what sums were made of.

    Attributes
    ----------
    whole
        All of it may be another, and what follows says nothing.
    conversions
        Ids of those that have come.
    moved
        Leads of whom credited touches were, or are, that are another's now: all that they are
        credited with may be another.
    others
        Leads besides whom those conversions credit.
    """

    whole: bool
    conversions: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether sums are what they were."""
        return not (self.whole or self.conversions or self.moved)


def made_of(cursor: Cursor, settings: Mapping[str, Any]) -> str:
    """What all figures depend on besides events and credit, as JSON.

    That is settings, the SQL of the marts and what sums draws, and what every period is told with:
    exchange rates, what is known of products and campaigns, the currencies there are.
    """
    cursor.execute(QUERIES["made_of"], settings)
    ((known,),) = cursor.fetchall()
    code = hashlib.blake2b(digest_size=16)
    for file in sorted(PROJECT.rglob("*.*")):
        if file.suffix in (".sql", ".yml", ".csv"):
            code.update(file.read_bytes())
    for file in SUMMED_BY:
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
    """Write down which touches, and whose figures of which periods, may not be what they were.

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
    cursor.execute(QUERIES["changed_spend"])
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
    cursor.execute(QUERIES["changed_figures"], {**parameters, "seen": seen})
    return True


def credit_change(cursor: Cursor, run_id: str) -> CreditChange:
    """What sums of draws may be others, after :func:`find_changes` has found what changed.

    A conversion that is gone, or another than it was, can't be taken out of sums.
    """
    cursor.execute(QUERIES["credit_changed"], {"run_id": run_id})
    ((whole, conversions, moved, credited),) = cursor.fetchall()
    others = sorted(set(credited) - set(moved))
    return CreditChange(whole, tuple(conversions), tuple(moved), tuple(others))


def note_built(cursor: Cursor) -> None:
    """Remember that all marts are made of what was seen, so that changes since are enough."""
    cursor.execute(QUERIES["built"])


def keep_seen(cursor: Cursor) -> None:
    """Remember whose identifiers are, and spend: for the marts, and for the next time."""
    cursor.execute(QUERIES["keep_identifiers"])
    cursor.execute(QUERIES["keep_spend"])
