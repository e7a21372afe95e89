"""Events of the contract as JSON, one a line; plain or gzip, files or standard input."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from bizops.events import MAX_EVENT_BYTES, parse_event
from producers.files import check_files, lines_of, named
from producers.source import Argument, Extracted, Rejected, Source, extract, text_of

__all__ = ["Jsonl"]


class Jsonl(Source):
    """One event a line; blank lines are skipped, a line that is no event is rejected."""

    description: ClassVar[str] = "Events of the contract as JSON, one a line; gzip too."
    example: ClassVar[str] = "bizops produce jsonl touches.jsonl deals.jsonl.gz"

    files: Annotated[
        tuple[str, ...],
        Argument("Files to read, in this order; - is standard input."),
        Field(min_length=1),
    ]

    def read(self) -> Iterator[Extracted | Rejected]:
        """Extract the events of one file after the other; errors as in :class:`Source`."""
        check_files(self.files)
        for file in self.files:
            for line in lines_of(file, MAX_EVENT_BYTES):
                origin = f"{named(file)} line {line.number}"
                if line.problem:
                    yield Rejected(origin, *line.problem, text_of(line.content))
                elif line.content.strip():
                    yield extract(origin, parse_event, line.content)
