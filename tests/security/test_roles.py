"""Roles with least rights: each can do its work, and nothing besides."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from bizops.database import BUILT_SCHEMAS, connect, opened
from bizops.endpoints import Endpoints
from bizops.errors import ServiceError, UsageError
from bizops.simulation import simulate
from streams.records import Record
from streams.store import Store
from warehouse.rights import RIGHTS, ROLES
from warehouse.roles import create_logins, grant_rights, make_roles, roles_are_used
from warehouse.schema import migrate

from .conftest import Run

Urls = dict[str, str]


@pytest.fixture
def urls(database_url: str, tmp_path: Path) -> Urls:
    """A URL of each role's own login."""
    return make_logins(database_url, tmp_path / "passwords")


def make_logins(database_url: str, file: Path) -> Urls:
    with opened(database_url) as connection:
        make_roles(connection)
        create_logins(connection, file)
    lines = [line.split() for line in file.read_text().splitlines()]
    return {login.removesuffix("_login"): url for login, url in lines}


def rows(database_url: str, statement: str) -> list[tuple]:
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_every_table_is_named(database_url: str) -> None:
    """A table that a migration adds belongs to somebody's work: say so in warehouse/rights.py."""
    there = rows(
        database_url,
        """
        select n.nspname || '.' || c.relname
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('stream', 'attribution', 'warehouse')
            and c.relkind in ('r', 'p', 'v', 'm', 'S')
            and not exists (  -- a sequence that belongs to a column goes with its table
                select from pg_depend d
                where d.objid = c.oid and d.deptype = 'i' and c.relkind = 'S'
            )
        """,
    )
    named = {f"{right.schema}.{right.relation}" for right in RIGHTS}
    assert named - {"public.schema_version"} == {name for (name,) in there}


def test_reports_and_marts_see_no_person_in_a_table_or_through_a_view(database_url: str) -> None:
    with opened(database_url) as connection:
        make_roles(connection)
    seen = rows(
        database_url,
        """
        select r.rolname, c.relname, a.attname
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        cross join pg_roles r
        where r.rolname in ('bizops_report', 'bizops_transform')
            and c.relnamespace = 'stream'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
            and a.attname in ('email', 'user_id', 'anonymous_id', 'device_id', 'properties')
            and has_column_privilege(r.oid, c.oid, a.attnum, 'select')
        """,
    )
    assert seen == []


def test_a_right_is_in_the_table_or_it_is_not_there(database_url: str) -> None:
    """What was granted by hand is taken back; twice is the same as once."""
    granted = """
        select grantee, table_schema, table_name, privilege_type
        from information_schema.role_table_grants
        where grantee like 'bizops_%' and table_schema in ('stream', 'attribution')
        order by 1, 2, 3, 4
    """
    with opened(database_url) as connection:
        make_roles(connection)
    first = rows(database_url, granted)
    assert {row[0] for row in first} == set(ROLES)
    rows(database_url, "grant delete on stream.touches to bizops_report")
    assert rows(database_url, granted) != first
    with opened(database_url) as connection:
        assert make_roles(connection) == []
    assert rows(database_url, granted) == first


FORBIDDEN = [
    ("bizops_stream", "select * from attribution.credit"),
    ("bizops_stream", "delete from stream.touches"),
    ("bizops_stream", "update stream.touches set email = null"),
    ("bizops_stream", "truncate stream.touches"),
    ("bizops_stream", "delete from stream.dead_letters"),
    ("bizops_stream", "drop table stream.touches"),
    ("bizops_stream", "create table stream.mine ()"),
    ("bizops_attribute", "insert into stream.identifiers values (gen_random_uuid())"),
    ("bizops_attribute", "delete from stream.touches"),
    ("bizops_attribute", "select * from stream.dead_letters"),
    ("bizops_transform", "select email from stream.touches"),
    ("bizops_transform", "select user_id from stream.resolved_touches"),
    ("bizops_transform", "select * from stream.identifiers"),
    ("bizops_transform", "delete from attribution.credit"),
    ("bizops_report", "select email from stream.touches"),
    ("bizops_report", "select email from stream.resolved_touches"),
    ("bizops_report", "select * from stream.resolved_touches"),
    ("bizops_report", "select value from stream.identifiers"),
    ("bizops_report", "select * from stream.dead_letters"),
    ("bizops_report", "select properties from stream.revenue"),
    ("bizops_report", "insert into attribution.runs (run_id) values ('x')"),
    ("bizops_report", "delete from stream.revenue"),
    ("bizops_report", "create table marts.mine ()"),
    ("bizops_privacy", "drop table stream.touches"),
    ("bizops_privacy", "create role other"),
]


def test_nobody_can_do_what_is_not_theirs(urls: Urls) -> None:
    for role, statement in FORBIDDEN:
        try:
            rows(urls[role], statement)
        except psycopg2.errors.InsufficientPrivilege:
            continue
        pytest.fail(f"{role} may {statement}")


@pytest.fixture
def stored(urls: Urls) -> Iterator[Callable[[], int]]:
    """A company's events, stored by the stream's own login: all types, identity, corrections."""
    connection = connect(urls["bizops_stream"])
    events = simulate(seed=3).events[::40]
    records = [
        Record(event.topic, 0, number, 1.7e9 + number, event.key.encode(), event.to_json())
        for number, event in enumerate(events)
    ]
    records.append(Record("touches", 0, len(records), 1.8e9, b"k", b"{"))
    store = Store(connection)
    store.write(records)
    yield lambda: len(events)
    connection.close()


def test_forgetting_reaches_what_dbt_built_before_and_after(
    urls: Urls, database_url: str, stored: Callable[[], int], run: Run, services: Endpoints
) -> None:
    stored()
    make = """
        set role bizops_transform;
        create table {0} as select event_id, 'ada' as lead_id from stream.resolved_touches limit 5
    """
    for schema in BUILT_SCHEMAS:
        rows(urls["bizops_transform"], make.format(f"{schema}.after"))
    rows(database_url, "create table marts.before (lead_id text)")
    rows(database_url, "insert into marts.before values ('ada'), ('bob')")
    with opened(database_url) as connection:
        make_roles(connection)
    done = run(
        "forget", "lead_id:ada", "--yes", BIZOPS_DATABASE_URL=urls["bizops_privacy"],
        BIZOPS_KAFKA=str(services.kafka),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not restated" not in done.stderr
    named = " union all ".join(f"select lead_id from {s}.after" for s in BUILT_SCHEMAS)
    assert set(rows(database_url, named)) == {(None,)}
    assert set(rows(database_url, "select lead_id from marts.before")) == {(None,), ("bob",)}


@pytest.mark.slow
def test_each_can_do_its_work(
    urls: Urls, database_url: str, stored: Callable[[], int], run: Run
) -> None:
    assert stored() > 1000
    assert rows(urls["bizops_privacy"], "select count(*) from stream.dead_letters") == [(1,)]
    for role, *arguments in (
        ("bizops_attribute", "attribute", "--rules-only"),
        ("bizops_transform", "transform"),
        ("bizops_report", "report", "--by", "campaign", "--model", "linear"),
        ("bizops_report", "report", "--by", "account", "--model", "linear", "--lookback", "30"),
        ("bizops_attribute", "runs", "list"),
        ("bizops_privacy", "dead-letters"),
    ):
        done = run(*arguments, BIZOPS_DATABASE_URL=urls[role])
        assert done.returncode == 0, f"{role}, {arguments}: {done.stdout}{done.stderr}"
    assert rows(urls["bizops_report"], "select count(*) > 0 from marts.account_timeline") == [
        (True,)
    ]
    done = run("transform", BIZOPS_DATABASE_URL=database_url)  # the owner builds them as the role
    assert done.returncode == 0, done.stderr
    assert rows(urls["bizops_report"], "select count(*) > 0 from marts.account_timeline") == [
        (True,)
    ]


def test_what_a_migration_makes_anew_is_granted(database_url: str) -> None:
    with opened(database_url) as connection:
        make_roles(connection)
    rows(database_url, "revoke all on all tables in schema stream from bizops_stream")
    migrate(database_url)
    held = "select has_table_privilege('bizops_stream', 'stream.touches', 'insert')"
    assert rows(database_url, held) == [(True,)]


def test_a_database_without_roles_is_left_alone(database_url: str) -> None:
    with opened(database_url) as connection:
        assert not roles_are_used(connection)
    migrate(database_url)
    held = """
        select 1 from pg_roles
        where rolname = 'bizops_stream' and has_schema_privilege(oid, 'stream', 'usage')
    """
    assert rows(database_url, held) == []


def test_logins_come_in_a_file_of_ones_own_and_are_changed_by_another(
    database_url: str, tmp_path: Path
) -> None:
    before = make_logins(database_url, tmp_path / "first")
    assert (tmp_path / "first").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="is there already"):
        make_logins(database_url, tmp_path / "first")
    after = make_logins(database_url, tmp_path / "second")
    assert set(before) == set(ROLES)
    with pytest.raises(ServiceError, match="password authentication failed") as caught:
        connect(before["bizops_report"])
    assert (urlsplit(before["bizops_report"]).password or "?") not in str(caught.value)
    connect(after["bizops_report"]).close()


def test_only_who_may_make_roles_can(urls: Urls, run: Run) -> None:
    done = run("roles", BIZOPS_DATABASE_URL=urls["bizops_report"])
    assert done.returncode == 1
    assert done.stderr.startswith("bizops: roles need someone who may make them and owns")
    assert len(done.stderr.splitlines()) == 1


def test_the_command_says_who_may_what(database_url: str, run: Run, tmp_path: Path) -> None:
    done = run("roles", "--format", "json", BIZOPS_DATABASE_URL=database_url)
    said = json.loads(done.stdout)
    assert {right["role"] for right in said["rights"]} == set(ROLES)
    file = tmp_path / "logins"
    done = run("roles", "--create-logins", str(file), BIZOPS_DATABASE_URL=database_url)
    assert "bizops_report" in done.stdout
    for line in file.read_text().splitlines():
        assert (urlsplit(line.split()[1]).password or "?") not in done.stdout + done.stderr


def test_rights_are_granted_in_the_callers_transaction(database_url: str) -> None:
    with opened(database_url) as connection:
        make_roles(connection)
        grant_rights(connection)
        connection.rollback()
    with opened(database_url) as connection:
        assert not roles_are_used(connection)
