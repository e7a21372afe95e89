"""Deals credited as they are won: what a restatement would give, once, whatever goes on beside."""

import logging
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg2
import pytest

from attribution import fit, live, restate
from attribution.live import Live, follow, may_credit
from attribution.restate import restate as restate_credit
from bizops import local
from bizops.database import opened
from streams import erasure
from streams.erasure import forget
from streams.subject import parse_identifier
from warehouse.roles import create_logins, make_roles
from warehouse.schema import migrate

from .conftest import Story, query
from .test_restate import (  # noqa: F401
    EVENTS,
    a_posterior,
    assert_same,
    assert_whole,
    company,
    from_scratch,
    no_sampling,
    query_insert,
    rows,
    run,
    store,
    tell,
    touches_of,
)


def credit_new(url):
    with closing(Live(url)) as one:
        credited, again = one.credit_new()
    assert not again
    return credited


def sale(url, event_id, account="acme", when="2026-03-01", kind="new", iacv="1000.00"):
    query_insert(url, "revenue", event_id, when, account_id=account, kind=kind, iacv=iacv,
                 currency="USD", properties="{}")  # fmt: skip


def credited(url, run_id=None):
    """Conversions of a run, or of the published one, with whether they are provisional."""
    found = query(
        url,
        "select conversion_id, provisional from attribution.conversions"
        " where run_id = coalesce(%s, (select run_id from attribution.published_run))",
        run_id,
    )
    return dict(found)


def wait_for(what, seconds=10.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def following(url, on_credited=lambda credited: None):
    stopped = threading.Event()
    thread = threading.Thread(target=follow, args=(url, stopped, on_credited))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def told(settings):
    """A published run of three accounts, one of which never bought."""
    story = Story()
    for name in ("acme", "bolt", "core"):
        story.account(name, "2026-01-01").touch(name, "2026-01-02", "ads", "a")
        story.touch(name, "2026-01-03", "mail", "b")
    story.sale("acme", "2026-02-01").sale("bolt", "2026-02-01")
    story.store(settings.database_url)
    run(settings)
    return settings.database_url


@pytest.mark.parametrize("rules_only", [False, True])
def test_the_credit_is_what_a_restatement_would_give(settings, company, rules_only):  # noqa: F811
    url = settings.database_url
    last = {e.account_id: e for e in company if e.type == "revenue"}
    late = {e.event_id for e in last.values() if e.kind in ("new", "expansion") and e.iacv > 0}
    assert len(late) > 10
    store(url, [event for event in company if event.event_id not in late])
    done = run(settings, rules_only=rules_only)
    store(url, [event for event in company if event.event_id in late], len(company))

    told = credit_new(url)
    assert {deal.conversion_id for deal in told} == late
    assert all(deal.run_id == done.run_id for deal in told)
    assert {id_ for id_, provisional in credited(url).items() if provisional} == late
    assert_whole(url, done.run_id)
    assert credit_new(url) == []
    again = restate_credit(url)
    assert (again.conversions, again.leads) == (0, 0)
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id, rules_only))

    run(settings, rules_only=rules_only)
    assert credit_new(url) == []
    assert not any(credited(url).values())
    assert credited(url).keys() == credited(url, done.run_id).keys()


def test_what_is_no_conversion_is_left_alone(told):
    for event_id, kind, iacv in (("x1", "renewal", "0"), ("x2", "churn", "-10"),
                                 ("x3", "new", "0"), ("x4", "contraction", "-1")):  # fmt: skip
        sale(told, event_id, kind=kind, iacv=iacv)
    assert credit_new(told) == []
    assert len(credited(told)) == 2


def test_nothing_is_told_but_deals_and_runs(settings):
    url = settings.database_url
    with closing(Live(url)) as one:

        def heard(seconds):
            one.wait(seconds, threading.Event())
            found = len(one.connection.notifies)
            one.connection.notifies.clear()
            return found

        Story().touch("acme", "2026-01-02").sale("acme", "2026-02-01", "churn", "-5").store(url)
        assert heard(0.3) == 0
        sale(url, "d1")
        assert heard(5) == 1
        run(settings)
        assert heard(5) == 1


def test_without_a_run_it_waits_in_silence(settings, caplog):
    url = settings.database_url
    with caplog.at_level(logging.DEBUG), following(url):
        Story().touch("acme", "2026-01-02").sale("acme", "2026-02-01").store(url)
        time.sleep(0.5)
        assert query(url, "select count(*) from attribution.conversions") == [(0,)]
        done = run(settings)
        sale(url, "d1")
        wait_for(lambda: credited(url, done.run_id).get("d1"))
    assert [r for r in caplog.records if r.name == "bizops.live"] == []


def test_a_run_of_before_is_said_once(told, caplog):
    query(told, "update attribution.runs set seen = null")
    sale(told, "d1", "core")
    with closing(Live(told)) as one:
        for _ in range(3):
            assert one.credit_new() == ([], False)
    assert len([r for r in caplog.records if "deals wait" in r.getMessage()]) == 1


def test_two_at_once_credit_once(told):
    ids = [f"d{n:03}" for n in range(30)]
    found = []
    with following(told, found.extend), following(told, found.extend):
        for id_ in ids:
            sale(told, id_, ("core", "dune")[len(id_) % 2])
        wait_for(lambda: {*ids} <= credited(told).keys())
        time.sleep(0.3)
    assert sorted(deal.conversion_id for deal in found) == ids
    assert_whole(told, found[0].run_id)


def test_the_time_is_told_of_what_came_since(told):
    with closing(Live(told)) as one:
        assert one.credit_new() == ([], False)  # knows the run from here on
        sale(told, "d1", "core")
        query(told, "update stream.revenue set received_at = now() where event_id = 'd1'")
        sale(told, "d2", "core")  # of 2026-03-01, says Kafka
        (first, second), _ = one.credit_new()
    assert 0 <= first.seconds < 2
    assert second.seconds is None


KILLED = """
import sys, time
from attribution import live
write = live.write_credit
def write_and_wait(*arguments):
    write(*arguments)
    print("written", flush=True)
    time.sleep(60)
live.write_credit = write_and_wait
live.Live(sys.argv[1]).credit_new()
"""


def test_killed_in_its_transaction_it_leaves_nothing_half(told):
    sale(told, "d1", "core")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, told], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert "d1" not in credited(told)
    assert query(told, "select * from attribution.credit where conversion_id = 'd1'") == []
    with following(told):
        wait_for(lambda: credited(told).get("d1"))
    assert_whole(told, query(told, "select run_id from attribution.published_run")[0][0])


def test_a_fit_meanwhile_delays_nothing_and_loses_nothing(told, settings, monkeypatch):
    seconds = []

    def slow(*arguments):
        began = time.monotonic()
        sale(told, "d1", "core")
        wait_for(lambda: "d1" in credited(told))
        seconds.append(time.monotonic() - began)
        return a_posterior(*arguments)

    monkeypatch.setattr(fit._Work, "_fit", slow)
    with following(told):
        done = run(settings)
        wait_for(lambda: credited(told, done.run_id).get("d1"))
    assert seconds[0] < 2
    assert credited(told, done.run_id) == {"r0000": False, "r0001": False, "d1": True}
    assert_whole(told, done.run_id)


def test_a_restatement_meanwhile_looks_again(told, monkeypatch):
    written = restate.write_credit
    attempts = []

    def beaten(*arguments):
        if not attempts:
            credit_new(told)
        attempts.append(1)
        written(*arguments)

    monkeypatch.setattr(restate, "write_credit", beaten)
    sale(told, "d1", "core")
    query_insert(told, "touches", "late", "2026-01-20", account_id="acme", channel="ads",
                 campaign_id="a", properties="{}")  # fmt: skip
    what = restate_credit(told)
    assert len(attempts) == 2
    assert what.reasons == {"late touch": 1}
    assert credited(told) == {"r0000": False, "r0001": False, "d1": True}
    assert_same(rows(told, what.run_id), from_scratch(told, what.run_id))


def test_one_that_is_being_written_does_not_keep_others_waiting(told):
    sale(told, "d1", "core")
    sale(told, "d2", "dune")
    with opened(told) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into attribution.conversions (run_id, conversion_id, account_id, occurred_at,"
            " day_only, kind, iacv, currency) select run_id, 'd1', 'core', now(), false, 'new', 1,"
            " 'USD' from attribution.published_run"
        )
        with closing(Live(told)) as one:
            found, again = one.credit_new()
        assert ([deal.conversion_id for deal in found], again) == (["d2"], True)
        connection.rollback()
    assert [deal.conversion_id for deal in credit_new(told)] == ["d1"]


def test_one_that_cannot_be_credited_does_not_keep_others_waiting(told, monkeypatch, caplog):
    credit = live.credit_conversions

    def picky(findings, *arguments, **more):
        if "d1" in findings.journeys.conversions.event_ids:
            raise ValueError("not this one")
        return credit(findings, *arguments, **more)

    monkeypatch.setattr(live, "credit_conversions", picky)
    sale(told, "d1", "core")
    sale(told, "d2", "dune")
    with closing(Live(told)) as one:
        assert [deal.conversion_id for deal in one.credit_new()[0]] == ["d2"]
        assert one.credit_new() == ([], False)
    assert ["d1" in r.getMessage() for r in caplog.records if r.name == "bizops.live"] == [True]


def test_an_earlier_sale_that_comes_later_makes_the_other_stale(told):
    sale(told, "d2", "core", "2026-03-05")
    credit_new(told)
    sale(told, "d1", "core", "2026-03-01")
    credit_new(told)
    what = restate_credit(told)
    assert what.reasons == {"new revenue": 1}  # d2 did not know of d1, d1 knew of d2
    assert_same(rows(told, what.run_id), from_scratch(told, what.run_id))
    assert restate_credit(told).conversions == 0


def test_a_touch_that_comes_later_is_for_a_restatement(told):
    sale(told, "d1", "core")
    credit_new(told)
    query_insert(told, "touches", "late", "2026-01-20", account_id="core", channel="ads",
                 campaign_id="a", properties="{}")  # fmt: skip
    assert credit_new(told) == []
    what = restate_credit(told)
    assert what.reasons == {"late touch": 1}
    assert credited(told)["d1"]
    assert "late" in touches_of(told, "d1")
    assert_same(rows(told, what.run_id), from_scratch(told, what.run_id))


def forgetting(settings):
    """A thread that forgets Ada, and what came of it."""
    done = []

    def work():
        connection = psycopg2.connect(settings.database_url)
        try:
            done.append(forget(connection, settings, parse_identifier("email:ada@acme.example")))
        except Exception as error:
            done.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread, done


@pytest.mark.parametrize("first", ["live", "forget"])
def test_forgetting_beside_it_leaves_nothing_and_blocks_nobody(settings, monkeypatch, first):
    url = settings.database_url
    tell(url, *EVENTS)
    run(settings)
    tell(url, EVENTS[3] | {"event_id": "d1"}, first=20)
    module, name = (live, "write_credit") if first == "live" else (erasure, "_erase")
    reached, go_on, then = threading.Event(), threading.Event(), getattr(module, name)

    def pausing(*arguments):
        reached.set()
        assert go_on.wait(10)
        return then(*arguments)

    monkeypatch.setattr(module, name, pausing)
    if first == "live":
        with following(url):
            assert reached.wait(10)
            thread, done = forgetting(settings)
            time.sleep(0.4)
            assert thread.is_alive()  # it waits, and is not refused
            go_on.set()
            thread.join()
    else:
        thread, done = forgetting(settings)
        assert reached.wait(10)
        with following(url):
            time.sleep(0.4)
            assert "d1" not in credited(url)
            go_on.set()
            thread.join()
            wait_for(lambda: "d1" in credited(url))
    assert done[0].touches == ["t2"]
    assert touches_of(url, "d1") == ({"erased"} if first == "live" else set())
    assert query(url, "select * from attribution.credit where touch_id = 't2'") == []


def test_a_database_that_goes_away_is_waited_for(services, tmp_path, caplog):
    """On a PostgreSQL of this test's own, which it stops and starts."""
    settings = replace(local_settings(tmp_path), kafka=services.kafka)
    try:
        url = local.up(settings).database_url
        migrate(url)
        Story().touch("acme", "2026-01-02").sale("acme", "2026-02-01").store(url)
        run(replace(settings, database_url=url))
        with following(url):
            sale(url, "d1")
            wait_for(lambda: "d1" in credited(url))
            assert local.down(settings)
            time.sleep(1)
            assert local.up(settings).database_url == url
            sale(url, "d2")
            wait_for(lambda: "d2" in credited(url))
    finally:
        local.purge(settings)
    away = [r for r in caplog.records if "PostgreSQL is away" in r.getMessage()]
    assert len(away) == 1


def local_settings(folder):
    from bizops.settings import Settings

    return replace(Settings.from_environment({}), home=folder / "own")


def test_the_role_that_attributes_may_and_the_one_that_streams_may_not(told, tmp_path):
    with opened(told) as connection:
        make_roles(connection)
        create_logins(connection, tmp_path / "logins")
    lines = [line.split() for line in (tmp_path / "logins").read_text().splitlines()]
    urls = {login.removeprefix("bizops_").removesuffix("_login"): url for login, url in lines}
    assert [name for name, url in urls.items() if may_credit(url)] == ["attribute", "privacy"]
    sale(told, "d1", "core")
    assert [deal.conversion_id for deal in credit_new(urls["attribute"])] == ["d1"]
