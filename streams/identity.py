"""Who is who, as facts: edges between identifiers of one person, and links to accounts.

What is stored only grows by union, earliest and latest time; who a person is and which account it
belongs to are functions of that (views ``identifier_persons`` and ``person_accounts``), so the
order in which events arrive cannot matter. An identifier's parent is the strongest of its
neighbours of higher rank; the root that parents lead to is the person.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

from bizops.events import AnyEvent, TimedEvent
from streams.tables import RANKS, identifier_id

__all__ = ["Facts", "Link", "collect_facts"]

STATED, CARRIED = 2, 1


@dataclass(slots=True)
class Link:
    """A fact with the times between which records have said so, by their own clocks."""

    first_at: datetime
    last_at: datetime
    strength: int = 0

    def add(self, moment: datetime, strength: int = 0) -> None:
        """Widen by one more record that says so."""
        self.first_at = min(self.first_at, moment)
        self.last_at = max(self.last_at, moment)
        self.strength = max(self.strength, strength)


@dataclass(slots=True)
class Facts:
    """What a batch of events says of identity.

    Attributes
    ----------
    identifiers
        ``(kind, value)`` by id.
    edges
        By ``(lower id, higher id)``, the lower of strictly lower rank.
    accounts
        By ``(identifier id, account_id)``.
    """

    identifiers: dict[uuid.UUID, tuple[str, str]] = field(default_factory=dict)
    edges: dict[tuple[uuid.UUID, uuid.UUID], Link] = field(default_factory=dict)
    accounts: dict[tuple[uuid.UUID, str], Link] = field(default_factory=dict)


def collect_facts(events: Iterable[AnyEvent]) -> Facts:
    """What events say of identity: identifiers carried together are one person's.

    An identity event states a link; a touch, a deal or an opportunity that carries a person and
    an account links them too, with less strength.
    """
    facts = Facts()
    for event in events:
        if not isinstance(event, TimedEvent):
            continue
        named = sorted(event.identifiers, key=lambda pair: RANKS[pair[0]])
        if not named:
            continue
        moment = event.moment
        ids = [identifier_id(*pair) for pair in named]
        facts.identifiers.update(zip(ids, named, strict=True))
        for edge in combinations(ids, 2):
            _add(facts.edges, edge, moment)
        account_id = getattr(event, "account_id", None)
        if account_id is not None:
            strength = STATED if event.type == "identity" else CARRIED
            for identifier in ids:
                _add(facts.accounts, (identifier, account_id), moment, strength)
    return facts


def _add[Key](links: dict[Key, Link], key: Key, moment: datetime, strength: int = 0) -> None:
    if key in links:
        links[key].add(moment, strength)
    else:
        links[key] = Link(moment, moment, strength)
