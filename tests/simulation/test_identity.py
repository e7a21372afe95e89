"""Who is who in the simulated company can be found out, exactly where it is meant to be."""

from collections import Counter

import pytest

from bizops.events import Identity, Touch
from bizops.simulation import World, simulate


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(accounts=200)


class Groups:
    """Union-find over identifiers."""

    def __init__(self) -> None:
        self.parent: dict[tuple[str, str], tuple[str, str]] = {}

    def find(self, item: tuple[str, str]) -> tuple[str, str]:
        while (parent := self.parent.get(item, item)) != item:
            item = parent
        return item

    def join(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        self.parent[self.find(one)] = self.find(other)


def resolved(world: World) -> dict[str, set[str]]:
    """The accounts that each touch may belong to, by its own account or by its person."""
    groups, accounts = Groups(), {}
    linking = [e for e in world.events if isinstance(e, Identity | Touch)]
    for event in linking:
        identifiers = list(event.identifiers)
        for other in identifiers[1:]:
            groups.join(identifiers[0], other)
    for event in linking:
        for identifier in event.identifiers:
            if event.account_id is not None:
                accounts.setdefault(groups.find(identifier), set()).add(event.account_id)
    found: dict[str, set[str]] = {}
    for event in linking:
        if isinstance(event, Touch):
            own = {event.account_id} if event.account_id is not None else set()
            persons = [accounts.get(groups.find(i), set()) for i in event.identifiers]
            found[event.event_id] = own.union(*persons)
    return found


def test_every_touch_of_an_account_leads_to_it_and_no_other(world: World) -> None:
    for event_id, accounts in resolved(world).items():
        true_account = world.truth.touch_accounts[event_id]
        assert accounts == ({true_account} if true_account is not None else set())


def test_touches_say_who_it_was_in_many_ways(world: World) -> None:
    ways = Counter(
        "+".join(
            name
            for name in ("account_id", "lead_id", "email", "user_id", "anonymous_id")
            if getattr(event, name) is not None
        )
        for event in world.events
        if isinstance(event, Touch)
    )
    alone = {"account_id", "lead_id", "email", "user_id", "anonymous_id"}
    assert alone < set(ways), ways
    assert min(ways[name] for name in alone) > 10


def test_some_visits_are_anonymous_when_they_happen(world: World) -> None:
    linked = {
        e.anonymous_id: e.moment
        for e in world.events
        if isinstance(e, Identity) and e.anonymous_id is not None
    }
    before = [
        e
        for e in world.events
        if isinstance(e, Touch) and e.anonymous_id in linked and e.moment < linked[e.anonymous_id]
    ]
    strangers = [a for a in world.truth.touch_accounts.values() if a is None]
    assert len(before) > 100
    assert 0.05 < len(strangers) / len(world.truth.touch_accounts) < 0.12


def test_links_arrive_at_once_or_in_two_steps(world: World) -> None:
    shapes = Counter(
        tuple(
            name
            for name in ("account_id", "lead_id", "email", "user_id", "anonymous_id")
            if getattr(event, name) is not None
        )
        for event in world.events
        if isinstance(event, Identity)
    )
    assert shapes["account_id", "lead_id", "email", "anonymous_id"] > 50
    assert shapes["email", "anonymous_id"] > 50
    assert shapes["account_id", "lead_id", "email"] > 50
    assert shapes["email", "user_id"] > 10
