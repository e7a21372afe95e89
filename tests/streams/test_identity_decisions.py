"""Guards, domains, and what an operator looks at and takes back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bizops.domains import registrable_domain
from bizops.errors import UsageError
from streams.decisions import merge, refresh, unmerge
from streams.guards import load_guards
from streams.persons import find_identifier, read_conflicts, read_person
from streams.timelines import read_timeline

from .identity_world import Database, account, database, link, opportunity, touch


@pytest.fixture
def base(database_url: str) -> Iterator[Database]:
    with database(database_url) as found:
        yield found


def decide(base: Database, what: Callable[..., Any], one: str, other: str) -> Any:
    with base.connection, base.connection.cursor() as cursor:
        return what(cursor, one, other, by="ada", reason="a shared laptop")


@pytest.mark.parametrize(
    "value",
    ["null", "NULL", " undefined", "anonymous", "[object Object]", "NaN", "-1", "0", "0000",
     "00000000-0000-0000-0000-000000000000", "test@acme.com", "noreply@bolt.com", "None", "n/a"],
)  # fmt: skip
def test_some_values_name_nobody(value: str) -> None:
    assert load_guards().blocks(value)


@pytest.mark.parametrize("value", ["v1", "10", "ada@acme.com", "Nullmann", "testament@acme.com"])
def test_others_name_somebody(value: str) -> None:
    assert not load_guards().blocks(value)


def test_overruled_domains_are_such_as_somebody_registers() -> None:
    guards = load_guards()
    domains = guards.also_free | guards.not_free
    assert domains == {registrable_domain(domain) for domain in domains}
    for address in ("x1@privaterelay.appleid.com", "ada@mozmail.com", "ada@acme.onmicrosoft.com"):
        assert guards.domain(address) is None


def test_a_value_that_names_nobody_joins_nobody_and_its_touch_is_kept(base: Database) -> None:
    base.write(
        [
            touch(1, anonymous_id="null"),
            touch(2, anonymous_id="null", email="ada@gmail.com"),
            touch(3, anonymous_id="null", email="bob@gmail.com", account_id="bolt"),
            link(1, user_id="undefined", email="ada@gmail.com", account_id="acme"),
        ]
    )
    assert base.accounts() == {"t1": None, "t2": "acme", "t3": "bolt"}
    assert not base.together("email:ada@gmail.com", "email:bob@gmail.com")


def test_a_device_of_two_people_is_nobodys_but_their_common_accounts(base: Database) -> None:
    base.write(
        [
            link(1, user_id="ada", account_id="acme"),
            link(2, user_id="bob", account_id="acme"),
            link(3, user_id="eve", account_id="bolt"),
            *(touch(n, device_id="lobby", user_id=user) for n, user in enumerate(("ada", "bob"))),
            touch(7, device_id="lobby"),
        ]
    )
    assert base.accounts()["t7"] == "acme"
    assert not base.together("user_id:ada", "user_id:bob")
    base.write([touch(8, device_id="lobby", user_id="eve")])
    assert base.accounts()["t7"] is None


def test_an_address_leads_to_duplicates_of_one_person_up_to_a_limit(base: Database) -> None:
    most = load_guards().most["email"]
    base.write(link(n, email="a@acme.com", lead_id=f"L{n}") for n in range(most))
    assert base.together("email:a@acme.com", "lead_id:L0")
    base.write([link(most, email="a@acme.com", lead_id=f"L{most}")])
    assert not base.together("email:a@acme.com", "lead_id:L0")


def test_all_kinds_lead_to_the_strongest(base: Database) -> None:
    chain = ["anonymous_id", "device_id", "email", "lead_id", "contact_id", "user_id"]
    base.write(
        [
            link(n, **{one: f"{one}@x.com", other: f"{other}@x.com"})
            for n, (one, other) in enumerate(pairwise(chain))
        ]
        + [link(9, anonymous_id="anonymous_id@x.com", device_id="device_id@x.com",
                account_id="acme"),
           link(10, email="new@x.com", previous_email="email@x.com")]
    )  # fmt: skip
    (person,) = base.persons()
    assert person == {f"{kind}:{kind}@x.com" for kind in chain} | {"email:new@x.com"}


@pytest.mark.parametrize(
    ("domain", "matches"),
    [("acme.com", True), ("https://www.acme.com/about", True), ("ACME.com.", True),
     ("acme.co.uk", False), ("com", False), ("localhost", False)],
)  # fmt: skip
def test_a_companys_own_domain_leads_to_it(base: Database, domain: str, matches: bool) -> None:
    base.write([touch(1, email="ada@mail.acme.com"), account(1, "A", domain)])
    assert base.accounts() == {"t1": "A" if matches else None}


def test_domains_of_mail_and_of_several_accounts_lead_to_none(base: Database) -> None:
    base.write(
        [
            touch(1, email="ada@gmail.com"),
            touch(2, email="x@mailinator.com"),
            touch(3, email="bob@group.com"),
            touch(4, email="cy@late.com"),
            account(1, "A", "gmail.com"),
            account(2, "B", "mailinator.com"),
            account(3, "C", "group.com"),
            account(4, "D", "www.group.com"),
            account(5, "E", "late.com"),
        ]
    )
    assert base.accounts() == {"t1": None, "t2": None, "t3": None, "t4": "E"}
    base.write([account(6, "E", "moved.com", event_id="a5", occurred_at="2026-02-01T10:00:00Z")])
    assert base.accounts()["t4"] is None


def test_stated_beats_carried_beats_domain(base: Database) -> None:
    base.write([touch(1, email="ada@acme.com"), account(1, "domain", "acme.com")])
    assert base.accounts()["t1"] == "domain"
    base.write([touch(2, email="ada@acme.com", account_id="carried")])
    assert base.accounts()["t1"] == "carried"
    base.write([link(1, email="ada@acme.com", account_id="stated")])
    assert base.accounts()["t1"] == "stated"


def test_a_corrected_deal_leaves_no_link_behind(base: Database) -> None:
    base.write([touch(1, lead_id="L1"), opportunity(1, "O", lead_id="L1", account_id="wrong")])
    assert base.accounts() == {"t1": "wrong"}
    base.write([opportunity(2, "O", lead_id="L1", account_id="right")])
    assert base.accounts() == {"t1": "right"}


def test_a_late_link_brings_earlier_visits_into_the_timeline(base: Database) -> None:
    base.write([touch(1, anonymous_id="v1"), touch(2, device_id="d1"), touch(3, user_id="ada")])
    assert read_timeline(base.connection, "acme") == []
    base.write(
        [
            link(1, anonymous_id="v1", device_id="d1", user_id="ada"),
            link(2, user_id="ada", account_id="acme"),
        ]
    )
    assert [e.event_id for e in read_timeline(base.connection, "acme")] == ["t1", "t2", "t3"]


def test_the_timeline_has_what_domains_shared_devices_and_deals_bring(base: Database) -> None:
    base.write(
        [
            touch(1, email="ada@acme.com"),
            touch(2, device_id="lobby", email="ada@acme.com"),
            touch(3, device_id="lobby", email="bob@acme.com"),
            touch(4, device_id="lobby"),
            touch(5, lead_id="L1"),
            account(1, "acme", "acme.com"),
            opportunity(1, "O", lead_id="L1", account_id="acme"),
        ]
    )
    found = [e.event_id for e in read_timeline(base.connection, "acme")]
    assert found == ["t1", "t2", "t3", "t4", "t5", "oO"]


def test_only_an_explicit_fact_joins_equals_and_it_can_be_taken_back(base: Database) -> None:
    base.write(
        [
            touch(1, user_id="old"),
            touch(2, user_id="new"),
            link(1, email="ada@acme.com", user_id="old", account_id="acme"),
            link(2, email="ada@acme.com", user_id="new"),
        ]
    )
    assert base.accounts() == {"t1": "acme", "t2": None}
    base.write([link(3, user_id="new", previous_user_id="old")])
    assert base.accounts() == {"t1": "acme", "t2": "acme"}
    cut = decide(base, unmerge, "user_id:new", "user_id:old")
    assert [fact.event_id for fact in cut] == ["i3"]
    assert base.accounts() == {"t1": "acme", "t2": None}


def test_a_cut_outlives_what_events_say_again_and_is_taken_back(base: Database) -> None:
    said = link(1, anonymous_id="v1", email="ada@acme.com", lead_id="L1", account_id="acme")
    base.write([touch(1, anonymous_id="v1"), said])
    cut = decide(base, unmerge, "v1", "email:ADA@acme.com")
    assert {(f.lower, f.higher) for f in cut} == {
        ("anonymous_id:v1", "email:ada@acme.com"), ("anonymous_id:v1", "lead_id:L1"),
    }  # fmt: skip
    assert base.accounts() == {"t1": None}
    base.write([said | {"event_id": "again", "occurred_at": "2026-01-01T10:00:00Z"}])
    assert base.accounts() == {"t1": None}
    with base.connection, base.connection.cursor() as cursor:
        assert refresh(cursor) == 0
        person = read_person(cursor, find_identifier(cursor, "v1"))
    assert [fact.reason for fact in person.facts] == ["a shared laptop"] * 2
    assert decide(base, merge, "email:ada@acme.com", "anonymous_id:v1") == "restored"
    assert base.accounts() == {"t1": "acme"}
    with pytest.raises(UsageError, match="one person's already"):
        decide(base, merge, "email:ada@acme.com", "v1")


def test_an_operator_joins_and_parts_what_no_event_did(base: Database) -> None:
    base.write([touch(1, user_id="a"), touch(2, user_id="b"), touch(3, device_id="d")])
    with pytest.raises(UsageError, match="not one person's"):
        decide(base, unmerge, "user:a", "user:b")
    assert decide(base, merge, "user:a", "user:b") == "merged"
    assert decide(base, merge, "device:d", "user:b") == "merged"
    assert base.persons() == [{"user_id:a", "user_id:b", "device_id:d"}]
    decide(base, unmerge, "user:a", "user:b")
    assert not base.together("user_id:a", "user_id:b")
    with pytest.raises(UsageError, match="cannot lead to user_id"):
        decide(base, merge, "device:d", "user:a")


def test_a_person_is_found_by_name_or_told_what_is_near(base: Database) -> None:
    base.write([link(1, email="ada@acme.com", lead_id="77"), touch(1, user_id="77")])
    with base.connection, base.connection.cursor() as cursor:
        assert find_identifier(cursor, "Ada@Acme.com").name == "email:ada@acme.com"
        for name, message in (
            ("77", "several identifiers"),
            ("email:adda@acme.com", "did you mean 'ada@acme.com'"),
            ("undefined", "names nobody"),
            ("lead:", "no identifier"),
        ):
            with pytest.raises(UsageError, match=message):
                find_identifier(cursor, name)


def test_conflicts_are_listed(base: Database) -> None:
    base.write(
        [
            touch(1, device_id="lobby", user_id="a"),
            touch(2, device_id="lobby", user_id="b"),
            link(1, lead_id="L1", account_id="acme"),
            link(2, lead_id="L1", account_id="bolt"),
            account(1, "acme", "group.com"),
            account(2, "bolt", "group.com"),
        ]
    )
    with base.connection, base.connection.cursor() as cursor:
        found = read_conflicts(cursor, 10)
    assert [row["identifier"] for row in found.shared] == ["device_id:lobby"]
    assert [(row["person"], row["accounts"]) for row in found.persons] == [
        ("lead_id:L1", ["acme", "bolt"])
    ]
    assert [row["accounts"] for row in found.domains] == [["acme", "bolt"]]


def test_the_commands(base: Database, tmp_path: Path) -> None:
    base.write([touch(1, anonymous_id="visit-1"), link(1, anonymous_id="visit-1", user_id="u")])

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).with_name("bizops")), "identity", *arguments],
            env=os.environ | {"BIZOPS_HOME": str(tmp_path), "BIZOPS_DATABASE_URL": base.url},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    shown = run("show", "visit-1")
    assert shown.returncode == 0, shown.stderr
    assert "event i1 of crm" in shown.stdout
    assert run("unmerge", "visit-1", "u", "--reason", "why not").returncode == 0
    found = json.loads(run("show", "u", "--format", "json").stdout)
    assert [identifier["value"] for identifier in found["identifiers"]] == ["u"]
    assert found["facts"][0]["stands"] is False
    assert run("merge", "u", "visit-1").stdout.startswith("the cut is taken back")
    assert run("conflicts").stdout == "nothing is in conflict\n"
    assert run("refresh").stdout.startswith("0 identifiers")
    unknown = run("show", "visot-1")
    assert unknown.returncode == 2
    assert unknown.stderr == "bizops: no identifier 'visot-1' is known; did you mean 'visit-1'?\n"
