"""Files line by line in bounded memory: plain, gzip (told by its first bytes), standard input."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from bizops.errors import UsageError

__all__ = ["Line", "check_files", "lines_of", "named"]

STANDARD_INPUT = "-"
GZIP_MAGIC = b"\x1f\x8b"
UTF_8_MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BUFFER_BYTES = 1 << 17
SHOWN_BYTES = 2000


class Line(NamedTuple):
    """One line of a file.

    Attributes
    ----------
    number
        From 1.
    content
        Its bytes without the line's end; only the beginning where there is a problem.
    problem
        Reason and sentence why it cannot be read, or None. After ``unreadable`` comes no line.
    """

    number: int
    content: bytes
    problem: tuple[str, str] | None = None


def named(file: str) -> str:
    """The file as messages name it."""
    return "standard input" if file == STANDARD_INPUT else file


def check_files(files: Sequence[str]) -> None:
    """See that each file is there, before anything of the first is published.

    Raises
    ------
    UsageError
        If one is missing, is a folder, may not be read, or is UTF-16.
    """
    for file in files:
        if file != STANDARD_INPUT:
            next(lines_of(file, BUFFER_BYTES), None)


def lines_of(file: str, most_bytes: int) -> Iterator[Line]:
    """Every line, ended by ``\\n`` or ``\\r\\n``; a longer one is skipped to its end.

    A file that breaks off (a gzip cut short, say) ends with a line of the problem ``unreadable``;
    what was read of that line is no line, because its end is not known.

    Raises
    ------
    UsageError
        If the file cannot be opened, or is UTF-16.
    """
    number = 0
    with _opened(file) as stream:
        try:
            while content := stream.readline(most_bytes + 2):
                number += 1
                if number == 1:
                    content = _without_mark(content, file)
                yield _line(number, content, stream, most_bytes)
        except (EOFError, OSError, zlib.error) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            what = f"the file cannot be read after line {number}: {reason[:1].lower()}{reason[1:]}"
            yield Line(number + 1, b"", ("unreadable", what))


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == STANDARD_INPUT:
        yield _unpacked(sys.stdin.buffer)
        return
    try:
        stream = Path(file).open("rb", buffering=BUFFER_BYTES)  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"cannot read {file}: {(error.strerror or str(error)).lower()}") from None
    with stream:
        yield _unpacked(stream)


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    if isinstance(stream, io.BufferedReader) and stream.peek(2).startswith(GZIP_MAGIC):
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    return stream


def _line(number: int, content: bytes, stream: IO[bytes], most_bytes: int) -> Line:
    text = _without_end(content)
    if len(text) <= most_bytes:
        return Line(number, text)
    length, tail = len(content), content[-2:]
    while not tail.endswith(b"\n") and (rest := stream.readline(BUFFER_BYTES)):
        length += len(rest)
        tail = (tail + rest)[-2:]
    length -= len(tail) - len(_without_end(tail))
    sentence = f"the line has {length:,} bytes; expected at most {most_bytes:,}"
    return Line(number, content[:SHOWN_BYTES], ("too_long", sentence))


def _without_end(content: bytes) -> bytes:
    return content.removesuffix(b"\n").removesuffix(b"\r")


def _without_mark(content: bytes, file: str) -> bytes:
    if content.startswith(UTF_16_MARKS):
        raise UsageError(f"cannot read {named(file)}: it is UTF-16; expected UTF-8")
    return content.removeprefix(UTF_8_MARK)
