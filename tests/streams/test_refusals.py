"""What an error means for a batch: set a row aside, wait in place, or end the process."""

from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from bizops.errors import ServiceError
from streams.refusals import lies_in_a_row, will_pass


def said_by_the_server(connection: Any, code: str) -> psycopg2.Error:
    """The very error that psycopg2 makes of a SQLSTATE."""
    with pytest.raises(psycopg2.Error) as caught, connection, connection.cursor() as cursor:
        cursor.execute(f"do $$ begin raise exception using errcode = '{code}'; end $$")
    assert caught.value.pgcode == code
    return caught.value


PASSES = {
    "08006": "connection_failure", "25006": "read_only_sql_transaction",
    "25P03": "idle_in_transaction_session_timeout", "25P04": "transaction_timeout",
    "40001": "serialization_failure", "40P01": "deadlock_detected", "53100": "disk_full",
    "53200": "out_of_memory", "53300": "too_many_connections",
    "53400": "configuration_limit_exceeded", "55P03": "lock_not_available",
    "57014": "query_canceled", "57P01": "admin_shutdown", "57P02": "crash_shutdown",
    "57P03": "cannot_connect_now", "57P05": "idle_session_timeout", "58030": "io_error",
}  # fmt: skip
IN_A_ROW = {
    "21000": "cardinality_violation", "22003": "numeric_value_out_of_range",
    "22021": "character_not_in_repertoire", "22P05": "untranslatable_character",
    "23502": "not_null_violation", "23505": "unique_violation", "23514": "check_violation",
    "54000": "program_limit_exceeded", "54001": "statement_too_complex",
}  # fmt: skip
OURS = {
    "0A000": "feature_not_supported", "25P02": "in_failed_sql_transaction",
    "42501": "insufficient_privilege", "42601": "syntax_error", "42703": "undefined_column",
    "42P01": "undefined_table", "XX000": "internal_error", "XX001": "data_corrupted",
}  # fmt: skip


@pytest.mark.parametrize("code", PASSES)
def test_what_will_pass_is_waited_for(connection: Any, code: str) -> None:
    error = said_by_the_server(connection, code)
    assert will_pass(error)
    assert not lies_in_a_row(error)


@pytest.mark.parametrize("code", IN_A_ROW)
def test_what_lies_in_a_row_sets_the_row_aside(connection: Any, code: str) -> None:
    error = said_by_the_server(connection, code)
    assert lies_in_a_row(error)
    assert not will_pass(error)


@pytest.mark.parametrize("code", OURS)
def test_what_no_waiting_mends_ends_the_process(connection: Any, code: str) -> None:
    error = said_by_the_server(connection, code)
    assert not will_pass(error)
    assert not lies_in_a_row(error)


def test_errors_without_a_code() -> None:
    for gone in (
        psycopg2.OperationalError("server closed the connection unexpectedly"),
        psycopg2.InterfaceError("connection already closed"),
        psycopg2.DatabaseError("lost synchronization with server"),
        ServiceError("PostgreSQL cannot be reached"),
    ):
        assert will_pass(gone)
        assert not lies_in_a_row(gone)
    for row in (ValueError("NUL (0x00)"), psycopg2.DataError("too long")):
        assert lies_in_a_row(row)
        assert not will_pass(row)
    for ours in (KeyError("x"), psycopg2.ProgrammingError("no results"), MemoryError()):
        assert not will_pass(ours)
        assert not lies_in_a_row(ours)


def test_a_row_too_large_for_an_index_lies_in_the_row(connection: Any) -> None:
    """Class 54 is an OperationalError to psycopg2: taken for a database that is away, one such
    row would stop its partition for good."""
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table long (id text primary key)")
    noise = "select string_agg(md5(i::text), '') from generate_series(1, 2000) i"
    with connection.cursor() as cursor, pytest.raises(errors.ProgramLimitExceeded) as caught:
        cursor.execute(f"insert into long {noise}")
    assert isinstance(caught.value, psycopg2.OperationalError)
    assert lies_in_a_row(caught.value)


def test_a_disk_budget_that_is_used_up_will_pass(connection: Any) -> None:
    """``temp_file_limit`` refuses an insert as a full disk would."""
    sorted_rows = "select i from generate_series(1, 100000) i order by md5(i::text)"
    with connection.cursor() as cursor:
        cursor.execute("set temp_file_limit = 0; set work_mem = '64kB'")
        cursor.execute("create temporary table copies (number int)")
        with pytest.raises(psycopg2.OperationalError) as caught:
            cursor.execute(f"insert into copies {sorted_rows}")
    assert caught.value.pgcode == "53400"
    assert will_pass(caught.value)
