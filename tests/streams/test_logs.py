"""Logs can be read by people and by machines, hold no payloads, and cannot flood a disk."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from streams.logs import DeadLetterLog, set_up_logging
from streams.records import DeadLetter, Record


@pytest.fixture
def logged() -> Iterator[Callable[[str], io.StringIO]]:
    handlers, level = logging.root.handlers[:], logging.root.level

    def begin(form: str) -> io.StringIO:
        stream = io.StringIO()
        set_up_logging(form, stream)
        return stream

    yield begin
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)


def letters(count: int, reason: str = "invalid_time") -> list[DeadLetter]:
    return [
        DeadLetter(
            Record("touches", 3, n, 0.0, b"ann@example.com", b"secret"), reason, "secret", f"t{n}"
        )
        for n in range(count)
    ]


def test_a_dead_letter_is_found_by_its_event_id_and_its_place(logged: Any) -> None:
    stream = logged("json")
    DeadLetterLog().tell(letters(1))
    line = json.loads(stream.getvalue())
    assert line["event_id"] == "t0"
    assert (line["topic"], line["partition"], line["offset"]) == ("touches", 3, 0)
    assert (line["level"], line["logger"], line["reason"]) == (
        "warning", "bizops.stream", "invalid_time",
    )  # fmt: skip
    assert line["time"].endswith("Z")
    assert isinstance(line["pid"], int)
    assert "secret" not in stream.getvalue()
    assert "ann@" not in stream.getvalue()


def test_text_is_one_line_a_message(logged: Any) -> None:
    stream = logged("text")
    DeadLetterLog().tell(letters(1))
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(
        "dead letter topic=touches partition=3 offset=0 event_id=t0 reason=invalid_time"
    )


def test_a_flood_is_counted_rather_than_told(logged: Any) -> None:
    stream = logged("json")
    now = 0.0
    log = DeadLetterLog(at_most=3, within_s=60, clock=lambda: now)
    for _ in range(100):
        log.tell(letters(50))
    log.tell(letters(2, "missing_field"))
    assert stream.getvalue().count("\n") == 5, "each reason has its own share"
    now = 61.0
    log.tell()
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert (last["reason"], last["count"]) == ("invalid_time", 4997)
    log.tell(letters(4))
    assert json.loads(stream.getvalue().splitlines()[-1])["event_id"] == "t2"
    log.end()
    assert json.loads(stream.getvalue().splitlines()[-1])["count"] == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_shows_its_stack_and_not_the_row(logged: Any, form: str) -> None:
    stream = logged(form)
    try:
        try:
            raise psycopg2.IntegrityError(
                "violates check constraint\nDETAIL:  Failing row contains (ann@example.com)."
            )
        except psycopg2.Error as error:
            raise RuntimeError("the batch failed") from error
    except RuntimeError:
        logging.getLogger("faust.app").critical("it ends", exc_info=True)
    text = stream.getvalue()
    assert "RuntimeError: the batch failed" in text
    assert "IntegrityError: violates check constraint" in text
    assert "test_logs.py" in text
    assert "ann@" not in text
