"""Who is who, as facts: edges between identifiers of one person, and links to accounts.

What is stored only grows by union and by the earliest time; who a person is and which account it
belongs to are functions of that (views ``identifier_persons`` and ``person_accounts``), so the
order in which events arrive cannot matter. An identifier's parent is the strongest of its
neighbours of higher rank; the root that parents lead to is the person. Identifiers of one kind are
one person's only where an event says so in so many words.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

from bizops.events import AnyEvent, Identity, Opportunity, TimedEvent
from streams.guards import load_guards
from streams.tables import identifier_id, known_identifiers

__all__ = ["CARRIED", "STATED", "Edge", "Facts", "Said", "collect_facts"]

STATED, CARRIED = 2, 1

type Said = tuple[datetime, str]
"""When a fact was said first, by the record's own clock, and the event that did."""

type Edge = tuple[uuid.UUID, uuid.UUID]
"""Of strictly higher rank the second; of equals the first has the smaller id."""


@dataclass(slots=True)
class Facts:
    """What a batch of events says of identity.

    Attributes
    ----------
    identifiers
        ``(kind, value)`` by id.
    edges
        From the lower to the strictly higher rank.
    equals
        Of two identifiers of one kind that are one person's by an explicit fact.
    accounts
        Strength and first statement with it, by ``(identifier id, account_id)``.
    """

    identifiers: dict[uuid.UUID, tuple[str, str]] = field(default_factory=dict)
    edges: dict[Edge, Said] = field(default_factory=dict)
    equals: dict[Edge, Said] = field(default_factory=dict)
    accounts: dict[tuple[uuid.UUID, str], tuple[int, Said]] = field(default_factory=dict)

    def add_edge(self, edges: dict[Edge, Said], edge: Edge, said: Said) -> None:
        """Keep the first statement of an edge."""
        known = edges.get(edge)
        if known is None or said < known:
            edges[edge] = said

    def add_account(self, key: tuple[uuid.UUID, str], strength: int, said: Said) -> None:
        """Keep the strongest, then the first statement of a link."""
        known = self.accounts.get(key)
        if known is None or (-strength, said) < (-known[0], known[1]):
            self.accounts[key] = (strength, said)


def collect_facts(events: Iterable[AnyEvent]) -> Facts:
    """What events say of identity: identifiers carried together are one person's.

    An identity event states that a person belongs to an account; a touch or revenue that carries
    both links them too, with less strength. Opportunities are left out: a later state replaces
    them, so that their links are read from the states that stand. Values that name nobody are
    left out as well.
    """
    facts = Facts()
    for event in events:
        if not isinstance(event, TimedEvent) or isinstance(event, Opportunity):
            continue
        named = known_identifiers(event)
        former = _former(event)
        if not named and not former:
            continue
        said = (event.moment, event.event_id)
        ids = [identifier_id(*pair) for pair in named]
        facts.identifiers.update(zip(ids, named, strict=True))
        for edge in combinations(ids, 2):
            facts.add_edge(facts.edges, edge, said)
        for kind, now, before in former:
            one, other = identifier_id(kind, now), identifier_id(kind, before)
            facts.identifiers[other] = (kind, before)
            facts.add_edge(facts.equals, (min(one, other), max(one, other)), said)
        account_id = getattr(event, "account_id", None)
        if account_id is not None and ids:
            # the strongest speaks for the others: it is what they lead to by the same event
            strength = STATED if event.type == "identity" else CARRIED
            facts.add_account((ids[-1], account_id), strength, said)
    return facts


def _former(event: AnyEvent) -> list[tuple[str, str, str]]:
    if not isinstance(event, Identity):
        return []
    blocks = load_guards().blocks
    return [fact for fact in event.former if not (blocks(fact[1]) or blocks(fact[2]))]
