"""Rows of a CSV file, each with the line it starts on; a broken row costs no other row."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from bizops.events import MAX_EVENT_BYTES
from producers.files import Line, lines_of

__all__ = ["Row", "rows_of"]


class Row(NamedTuple):
    """One row.

    Attributes
    ----------
    line
        Number of the line it starts on, from 1; a quoted cell may go on for several.
    cells
        Text of each cell, without the spaces around it; empty where there is a problem.
    text
        The row as it stands in the file, for messages.
    problem
        Reason and sentence why it cannot be read, or None.
    """

    line: int
    cells: list[str]
    text: str
    problem: tuple[str, str] | None = None


def rows_of(file: str, *, delimiter: str = ",", encoding: str = "utf-8") -> Iterator[Row]:
    """Every row that has something in it, the header included.

    After a row that is no CSV (a quote that never ends, say) reading goes on with the line after
    the one it starts on. Errors as in :func:`producers.files.lines_of`.
    """
    text_lines = _TextLines(lines_of(file, MAX_EVENT_BYTES), encoding)
    reader = csv.reader(text_lines, delimiter=delimiter, strict=True)
    while True:
        taken = text_lines.taken = []
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            sentence = f"the row is no CSV: {error}; is a quote not closed, or not doubled?"
        except _CannotRead as broken:
            if not taken:
                yield Row(broken.line.number, [], "", broken.line.problem)
                continue
            text_lines.put_back([broken.line])
            sentence = f"the row is no CSV: a quoted cell does not end before line {broken.line[0]}"
        else:
            if any(cells):
                text = "".join(text_lines.decoded(line) for line in taken)
                problem = _problem(text, encoding)
                yield Row(taken[0].number, [] if problem else cells, text, problem)
            continue
        text_lines.put_back(taken[1:])
        reader = csv.reader(text_lines, delimiter=delimiter, strict=True)
        text = text_lines.decoded(taken[0])
        yield Row(taken[0].number, [], text, ("invalid_csv", sentence))


class _CannotRead(Exception):
    """A line that cannot be read, met inside the CSV reader."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.number)
        self.line = line


class _TextLines:
    """What the CSV reader reads: lines as text, which can be put back."""

    def __init__(self, lines: Iterator[Line], encoding: str) -> None:
        self.taken: list[Line] = []
        self._lines = lines
        self._again: deque[Line] = deque()
        self._encoding = encoding

    def __iter__(self) -> "_TextLines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        if line.problem:
            raise _CannotRead(line)
        self.taken.append(line)
        return self.decoded(line)

    def decoded(self, line: Line) -> str:
        return line.content.decode(self._encoding, "surrogateescape") + "\n"

    def put_back(self, lines: list[Line]) -> None:
        self._again.extendleft(reversed(lines))


def _problem(text: str, encoding: str) -> tuple[str, str] | None:
    if "\0" in text:
        return "nul_character", "the row has a NUL character, which no text column can hold"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return (
                f"invalid_{encoding.replace('-', '')}" if encoding == "utf-8" else "invalid_text",
                f"the row is not {encoding} at character {error.start + 1}; "
                "expected it to be, or another encoding in the mapping, such as `encoding: cp1252`",
            )
    return None
