"""What a source is, and how it is found: one file in ``producers/sources``, by its name.

Adding a source is one file with one class, and a sample for the shared suite in
``tests/producers/test_sources.py``. A source of events that are JSON already, whole::

    class Lines(Source):
        description: ClassVar[str] = "Events of the contract, one a line"
        example: ClassVar[str] = "bizops produce lines events.jsonl"

        files: Annotated[tuple[Path, ...], Argument("Files to read, in this order.")]
        first: Annotated[int, Option("Line to start with."), Field(ge=1)] = 1

        def read(self) -> Iterator[Extracted | Rejected]:
            for file in self.files:
                with file.open("rb") as lines:
                    for number, line in enumerate(lines, start=1):
                        if number >= self.first:
                            yield extract(f"{file} line {number}", parse_event, line)

The options are the class's fields: the command line offers them under their names
(``--first``), and pydantic checks them.
"""

import difflib
import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bizops.errors import EventError, UsageError
from bizops.events import AnyEvent
from producers import sources

__all__ = [
    "Argument",
    "Extracted",
    "Option",
    "Rejected",
    "Source",
    "extract",
    "find_source",
    "open_source",
    "source_names",
]


@dataclass(frozen=True, slots=True)
class Extracted:
    """A valid event and where it came from, such as ``orders.csv line 7``."""

    origin: str
    event: AnyEvent


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no valid event; the records after it are read all the same.

    Attributes
    ----------
    origin
        Where it is: ``orders.csv line 7``.
    reason
        A short code that stays the same across versions, as in :class:`bizops.errors.EventError`.
    sentence
        What was wrong and what was expected, for a person.
    record
        The record as text, so that it can be mended; only its beginning if it is too long.
    """

    origin: str
    reason: str
    sentence: str
    record: str = ""


@dataclass(frozen=True)
class Option:
    """Marks a field of a source as an option, ``--name VALUE``, with a sentence of help."""

    help: str


@dataclass(frozen=True)
class Argument:
    """Marks a field as what stands on the command line without a name, such as files."""

    help: str


class Source(BaseModel, ABC):
    """Where events come from.

    Its fields are its options. ``read`` can be called again and then gives the same events with
    the same ids, since what is published twice has to be the same event.

    A source that remembers how far it got (a vendor's API) will yield a third kind of record, a
    position to store once all before it is acknowledged; none does so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def read(self) -> Iterator[Extracted | Rejected]:
        """Extract events lazily, in the source's order.

        Raises
        ------
        UsageError
            If what was asked for cannot be read at all: no such file, a wrong mapping. One bad
            record is no error but a :class:`Rejected`.
        """


def extract[T: bytes | dict[str, Any]](
    origin: str, parse: Callable[[T], AnyEvent], record: T
) -> Extracted | Rejected:
    """The event that ``parse`` makes of a record, or why it makes none.

    ``parse`` is :func:`bizops.events.parse_event` for JSON, and
    :func:`bizops.events.build_event` for a dict of plain values.
    """
    try:
        return Extracted(origin, parse(record))
    except EventError as error:
        return Rejected(origin, error.reason, str(error), text_of(record))


def text_of(record: object) -> str:
    """A record as text that can be printed and stored."""
    text = record.decode("utf-8", "replace") if isinstance(record, bytes) else str(record)
    return text.encode("utf-8", "replace").decode().rstrip("\r\n")


def source_names() -> list[str]:
    """All sources there are, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__))


def find_source(name: str) -> type[Source]:
    """The source in the file of that name.

    Raises
    ------
    UsageError
        If there is none: ``no source 'hubspto'; have csv, jsonl, simulated``.
    """
    if name not in source_names():
        raise UsageError(f"no source {name!r}; have {', '.join(source_names())}")
    module = importlib.import_module(f"{sources.__name__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Source)
        if value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} has {len(found)} subclasses of Source; expected one")
    return found[0]


def open_source(name: str, options: Mapping[str, Any]) -> Source:
    """The source of that name with its options, checked.

    Raises
    ------
    UsageError
        If there is no such source, or an option is missing, unknown or wrong.
    """
    kind = find_source(name)
    try:
        return kind(**options)
    except ValidationError as error:
        raise UsageError(_complaint(name, kind, error)) from None


def _complaint(name: str, kind: type[Source], error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    if not detail["loc"]:
        return f"source {name}: {detail['msg'].removeprefix('Value error, ')}"
    option = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        have = ", ".join(kind.model_fields)
        close = difflib.get_close_matches(option, kind.model_fields, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f"source {name}: no option {option!r}; have {have}{hint}"
    if detail["type"] == "missing":
        return f"source {name}: option {option!r} is required"
    message = detail["msg"].removeprefix("Value error, ")
    return f"source {name}: option {option!r} is {detail['input']!r}: {message}"
