"""Replays of conflicting identities: guards, merges of equals, and what operators decided stand."""

import random
from itertools import combinations
from typing import Any

import pytest

from bizops.errors import UsageError
from streams.decisions import merge, unmerge
from streams.replay import rebuild

from .identity_world import KINDS, Database, database, link, random_events, touch

CORRUPTIONS = (
    "update stream.identifiers set parent_id = null, shared_rank = null",
    "update stream.identifiers set merged_into = null",
    "update stream.identifiers set shared_rank = 5, parent_id = null",
    "update stream.identifiers set domain = 'wrong.test'",
    "delete from stream.identity_edges where equal",
    "delete from stream.identity_edges where not equal",
    "update stream.identity_edges set first_at = now(), event_id = 'wrong'",
    "update stream.account_links set strength = 3 - strength",
    "delete from stream.identifiers",
)


def decide(base: Database, what: Any, one: str, other: str) -> None:
    with base.connection, base.connection.cursor() as cursor:
        what(cursor, one, other, by="ada")


@pytest.mark.parametrize("seed", range(3))
def test_any_corruption_of_identity_is_mended(database_url: str, seed: int) -> None:
    draw = random.Random(seed)
    with database(database_url) as base:
        base.write(random_events(seed, 60), batch=7)
        names = [f"{kind}:{value}" for kind, values in KINDS.items() for value in values]
        decided = 0
        for one, other in draw.sample(list(combinations(names, 2)), 40):
            try:
                decide(base, draw.choice([merge, unmerge]), one, other)
                decided += 1
            except UsageError:
                pass
        assert decided
        right = base.state()
        assert rebuild(database_url).changes == {}
        for corruption in CORRUPTIONS:
            with base.connection, base.connection.cursor() as cursor:
                cursor.execute(corruption)
                corrupted = cursor.rowcount
            assert bool(rebuild(database_url).changes) or not corrupted, corruption
            assert base.state() == right, corruption
        base.write(random_events(seed, 70)[60:], batch=7)
        assert rebuild(database_url).changes == {}


def test_what_an_operator_decides_meanwhile_stands(database_url: str) -> None:
    with database(database_url) as base:
        base.write([link(1, email="a@acme.com", user_id="u1"), touch(1, email="a@acme.com")])
        with base.connection, base.connection.cursor() as cursor:
            cursor.execute(
                "insert into stream.account_touches values ('x', 'web', 1, now(), now())"
            )
        cut: list[bool] = []

        def decides(*_: Any) -> None:
            if not cut:
                decide(base, unmerge, "email:a@acme.com", "user_id:u1")
                cut.append(True)

        assert rebuild(database_url, decides).changes.keys() == {"account_touches"}
        assert cut
        assert not base.together("email:a@acme.com", "user_id:u1")
        assert rebuild(database_url).changes == {}
