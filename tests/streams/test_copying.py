"""COPY text, by columns, is what it would be value by value."""

import uuid
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.copying import copy_text

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
values = st.one_of(st.none(), texts, st.sampled_from(["\\", "\t", "a\nb", "\r", "\\N"]))
rows_of_three = st.lists(st.tuples(values, st.one_of(st.integers(), values), texts), max_size=6)


def escaped(value: Any) -> str:
    if value is None:
        return "\\N"
    text = str(value)
    for plain, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, written)
    return text


@given(rows_of_three)
def test_every_value_is_escaped_whatever_stands_beside_it(rows: list[tuple[Any, ...]]) -> None:
    expected = "".join("\t".join(map(escaped, row)) + "\n" for row in rows)
    assert copy_text(rows) == expected


def test_other_types_are_written_as_postgres_reads_them() -> None:
    row = (True, b"\x01\xff", datetime(2026, 3, 1, tzinfo=UTC), {"a": "\\"}, {}, uuid.UUID(int=255))
    assert copy_text([row]) == (
        't\t\\\\x01ff\t2026-03-01T00:00:00+00:00\t{"a":"\\\\\\\\"}\t{}\t' + "0" * 30 + "ff\n"
    )
