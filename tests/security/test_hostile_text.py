"""Hostile text stays text: in every column and property, and in every argument that reaches SQL."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import typer.main
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from bizops.cli import app
from bizops.database import Connection, connect, opened
from bizops.errors import BizopsError, EventError
from bizops.events import EVENT_TYPES, parse_event
from streams.limits import Limits
from streams.records import Record
from streams.store import Store
from streams.tables import TABLES
from tests.every_type import EVENTS

ROOT = Path(__file__).parents[2]

NASTY = [
    "'", '"', "\\", "\\\\", "\\.", "\\N", "\\n", "\\x00", "\t", "\n", "\r\n", "\0", "a\0b", "%s",
    "%(account_id)s", "%", "{}", "{credit}", "$1", "$$", "';", "--", "/*",
    "'; drop table stream.touches; --",
    "') on conflict do nothing; --", "\\'; --", "\ud800", "\udfff", "\u202e", "\u2066", "\ufeff",
    "\U0001f4a9", "ﷺ", "e\u0301", "\x1b[31m", "null", "NULL", "", " ", "a" * 300, "ü" * 200,
]  # fmt: skip
hostile = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5)), max_size=4).map("".join),
)

EXAMPLES = EVENTS


@pytest.fixture(scope="module")
def database(services: Any, template_database: str) -> Iterator[str]:
    name = f"{template_database}_hostile"
    owner = connect(services.database_url)
    owner.autocommit = True
    owner.cursor().execute(f'create database "{name}" template "{template_database}"')
    url = f"{services.database_url.rsplit('/', 1)[0]}/{name}"
    with opened(url) as connection:  # a published run, or a report would not come to its filters
        for file in ("tiny.sql", "tiny_run.sql"):
            connection.cursor().execute((ROOT / "tests" / "warehouse" / file).read_text())
    yield url
    owner.cursor().execute(f'drop database "{name}" with (force)')
    owner.close()


@pytest.fixture(scope="module")
def store(database: str) -> Iterator[Store]:
    connection = connect(database)
    yield Store(connection, limits=Limits(run=0, share=0))  # most of it is refused
    connection.close()


def text_fields(kind: str) -> list[str]:
    """Fields that may hold text, with those of which no example has one."""
    others = {"type", "occurred_at", "occurred_on", "schema_version", "properties"}
    return sorted(set(EVENT_TYPES[kind].model_fields) - others)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(sorted(EVENT_TYPES)))
    event = dict(EXAMPLES[kind])
    changed = draw(st.lists(st.sampled_from(text_fields(kind)), max_size=4, unique=True))
    event["event_id"] = draw(st.uuids()).hex
    event |= {name: draw(hostile) for name in changed}
    if "properties" in EVENT_TYPES[kind].model_fields:
        event["properties"] = draw(st.dictionaries(hostile, hostile, max_size=2))
    return as_json(event)


def as_json(event: dict[str, Any]) -> bytes:
    """As JSON of any producer's: with escapes of half a character where a text has one."""
    import json

    return json.dumps(event).encode()


def columns_of(connection: Connection) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns "
            "where table_schema = 'stream' order by 1, 2"
        )
        return cursor.fetchall()


@examples(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=st.lists(messages(), min_size=1, max_size=12))
def test_events_of_hostile_text_are_stored_as_they_are_or_set_aside(
    store: Store, batch: list[bytes]
) -> None:
    """Each is a row that holds what the event said, or a dead letter that holds what was sent."""
    before = columns_of(store.connection)
    offsets = next(OFFSETS)
    records = [
        Record("touches", 0, offsets + number, 1.7e9, b"\x00\xff'", value)
        for number, value in enumerate(batch)
    ]
    store.write(records)
    with store.connection, store.connection.cursor() as cursor:
        for record in records:
            cursor.execute(
                "select payload from stream.dead_letters where kafka_offset = %s", (record.offset,)
            )
            dead = cursor.fetchone()
            if dead is not None:
                assert bytes(dead[0]) == record.value
                continue
            event = parse_event(record.value)
            table = TABLES[event.type]
            cursor.execute(
                f"select {', '.join(table.fields)} from stream.{table.name} where event_id = %s",
                (event.event_id,),
            )
            stored = cursor.fetchone()
            assert stored is not None, record.value
            for name, value in zip(table.fields, stored, strict=True):
                if isinstance(value, str | dict):
                    assert value == getattr(event, name)
    assert columns_of(store.connection) == before


OFFSETS = iter(range(0, 10**9, 1000))


@given(text=hostile, kind=st.sampled_from(sorted(EVENT_TYPES)))
def test_a_message_of_hostile_text_is_an_event_or_an_error_of_ours(text: str, kind: str) -> None:
    for value in (text.encode(errors="surrogatepass"), as_json(EXAMPLES[kind] | {text: text})):
        try:
            parse_event(value)
        except EventError as error:
            said = str(error)
            said.encode()


# commands that take no text to SQL; every other is tried, those of tomorrow too
NOT_TRIED = {
    ("up",): "starts services", ("down",): "stops services", ("status",): "takes no text",
    ("doctor",): "takes a currency, of a list", ("demo",): "minutes of work",
    ("schema",): "reads no database",
    ("stream",): "needs Kafka, takes no text", ("migrate",): "takes no text",
    ("attribute",): "takes numbers", ("retrain",): "takes numbers",
    ("live",): "takes no text, and goes on until stopped",
    ("transform",): "its text goes to dbt, as arguments",
    ("roles",): "its text is the name of a file",
}  # fmt: skip


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            if name != "produce":  # reads files, writes to Kafka
                yield from commands(command, (*path, name))
        elif (*path, name) not in NOT_TRIED:
            yield (*path, name), command


TRIED = dict(commands(typer.main.get_command(app)))


def arguments(command: Any, text: str) -> list[list[str]]:
    """The command with the text in each argument that takes one, one option at a time."""
    needed: list[str] = []
    options: list[list[str]] = [[]]
    for parameter in command.params:
        if parameter.name == "help" or getattr(parameter, "is_flag", False):
            continue
        takes_text = "str" in str(parameter.type_descriptor.annotation)
        if parameter.param_type_name == "argument":
            needed.append(text)
        elif parameter.required:
            needed += [parameter.opts[0], "channel"]
        elif takes_text:
            options.append([parameter.opts[0], text])
    if text in needed:
        return [[*option, "--", *needed] for option in options]
    return [needed + option for option in options]


def test_the_commands_that_take_text_are_found() -> None:
    assert {("timeline",), ("report",), ("runs", "show")} <= set(TRIED)
    assert arguments(TRIED["timeline",], "'") == [["--", "'"]]
    assert ["--by", "channel", "--currency", "'"] in arguments(TRIED["report",], "'")


@examples(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=hostile.filter(lambda text: "\0" not in text), path=st.sampled_from(sorted(TRIED)))
def test_commands_take_hostile_text_for_text(database: str, text: str, path: Any) -> None:
    """Nothing is found by it, nothing is changed, and what is said is a sentence of ours."""
    for given_arguments in arguments(TRIED[path], text):
        done = CliRunner().invoke(
            app,
            [*path, *given_arguments],
            env={"BIZOPS_DATABASE_URL": database, "BIZOPS_KAFKA": "127.0.0.1:1"},
        )
        expected = (BizopsError, SystemExit, UnicodeEncodeError)
        assert done.exception is None or isinstance(done.exception, expected), (
            path, given_arguments, done.exception,
        )  # fmt: skip
    connection = connect(database)
    assert ("touches", "event_id") in columns_of(connection)
    connection.close()


@pytest.mark.parametrize("command", ["timeline", "runs show"])
def test_bytes_that_are_no_text_are_said_so(database: str, command: str, tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("bizops"))
    done = subprocess.run(
        [program.encode(), *command.encode().split(), b"\xff"],
        env={"PATH": "/usr/bin", "BIZOPS_DATABASE_URL": database, "BIZOPS_HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == b"bizops: what was given holds a character that is no text\n"


# Where a statement is put together: of names of our own, never of a value.
PUT_TOGETHER = {
    "attribution/copying.py:copy_columns": "a table and columns named in attribution/publish.py",
    "attribution/copying.py:copy_draws": "a table and columns named in attribution/publish.py",
    "attribution/journeys.py:copied": "COPY around a named query",
    "streams/copying.py:copy_rows": "a staging table of ours",
    "streams/event_rows.py:create_staging": "tables and columns of the event contract",
    "streams/event_rows.py:insert_events": "a staging table of ours",
    "streams/event_rows.py:_copy": "tables and columns of the event contract",
    "streams/event_rows.py:_differing": "tables and columns of the event contract",
    "streams/replay.py:_empty_staging": "staging tables of ours",
    "streams/replay.py:_decided": "tables of the stream",
    "streams/replay.py:_chunks": "tables and columns of the event contract",
    "streams/reread.py:_stored_since": "tables of the event contract",
    "streams/shadow.py:execute": "a named query, its tables in another schema",
    "streams/shadow.py:create": "derived tables of ours, views as they are stored",
    "streams/shadow.py:analyze": "derived tables of ours",
    "streams/shadow.py:compare": "derived tables of ours, and their columns",
    "streams/shadow.py:apply": "derived tables of ours, and their columns",
    "streams/shadow.py:_update": "derived tables of ours, and their columns",
    "streams/trace.py:trace_event": "tables of the event contract",
    "streams/summaries.py:insert_counted": "a statement of ours in one of ours",
    "warehouse/observe.py:ask": "one of two tables with credit",
    "warehouse/sums.py:_groups": "named queries, one in another",
    "warehouse/draws.py:read_draw_sums": "a named query, passed on",
    "warehouse/schema.py:check_schema": "the name of the version table",
    "warehouse/schema.py:_revise": "SQLAlchemy's text, with the number of a lock",
}

RUNNERS = {"execute", "executemany", "copy_expert", "execute_values", "execute_batch", "mogrify"}


def is_plain(statement: ast.expr) -> bool:
    """Whether a statement is written out, a named block, or made of quoted identifiers."""
    text = ast.unparse(statement)
    if isinstance(statement, ast.Constant) or (isinstance(statement, ast.Name) and text.isupper()):
        return True
    if isinstance(statement, ast.BinOp) and isinstance(statement.op, ast.Add):
        return is_plain(statement.left) and is_plain(statement.right)
    if isinstance(statement, ast.Subscript):  # a block of a .sql file
        holder = text.partition("[")[0].partition("(")[0].rpartition(".")[2]
        return holder.lower() in ("queries", "load_queries") or (
            holder.isupper() and isinstance(statement.slice, ast.Constant)
        )
    return isinstance(statement, ast.Call) and text.startswith(("sql.SQL(", "_text("))


def statements() -> Iterator[tuple[str, ast.expr]]:
    for package in ("attribution", "bizops", "producers", "streams", "warehouse"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:  # run by hand, on no input
                continue
            for function in ast.walk(ast.parse(path.read_text())):
                if not isinstance(function, ast.FunctionDef):
                    continue
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and call.args:
                        name = ast.unparse(call.func).split(".")[-1]
                        first = call.args[1 if name in ("execute_values", "execute_batch") else 0]
                        if name in RUNNERS:
                            place = f"{path.relative_to(ROOT)}:{function.name}"
                            yield place, first


def test_no_statement_is_put_together_with_values() -> None:
    """An f-string in a statement takes names of ours only, and is listed with its reason."""
    found = {place for place, statement in statements() if not is_plain(statement)}
    assert found == set(PUT_TOGETHER)


def test_the_static_test_sees_what_it_should() -> None:
    for bad in ("f'select {x}'", "'select %s' % x", "'select ' + x", "'{}'.format(x)", "query"):
        assert not is_plain(ast.parse(bad, mode="eval").body), bad
    for good in (
        "A + 'b'",
        "'select 1'",
        "QUERIES['a']",
        "self.queries['a']",
        "load_queries('s')['a']",
    ):
        assert is_plain(ast.parse(good, mode="eval").body), good
    assert psycopg2.paramstyle == "pyformat"
