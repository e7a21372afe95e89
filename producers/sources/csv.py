"""Spreadsheets as CSV, with a mapping file that says which column is which field."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field

from bizops.errors import EventError, UsageError
from bizops.events import EVENT_TYPES, AnyEvent, build_event
from producers.cells import Notation, kind_of, value_of
from producers.files import STANDARD_INPUT, check_files, named
from producers.mapping import IN_BRACES, Cell, Mapping, close_match, load_mapping
from producers.rows import Row, rows_of
from producers.source import Argument, Extracted, Option, Rejected, Source, extract, text_of

__all__ = ["Csv"]

EXAMPLE = """bizops produce csv --mapping deals.yaml deals.csv
where deals.yaml is
  type: revenue
  source: crm
  event_id: "crm:deal:{Deal ID}"
  fields:
    occurred_at: {column: Won, format: "%d/%m/%Y %H:%M", timezone: Europe/Berlin}
    account_id: Account ID
    kind: {column: Kind, replace: {New business: new}, empty: new}
    iacv: {column: Value, decimal: ",", thousands: ".", strip: "€"}
    currency: {constant: EUR}"""

type Cells = dict[str, str]


class Csv(Source):
    """One event a row; the first row names the columns, and a blank cell is an absent field."""

    description: ClassVar[str] = "Spreadsheets as CSV, with a mapping of columns to fields."
    example: ClassVar[str] = EXAMPLE

    files: Annotated[
        tuple[str, ...],
        Argument("Files to read, in this order, gzip too; - is standard input."),
        Field(min_length=1),
    ]
    mapping: Annotated[Path, Option("YAML file: type, source, event_id, and fields by column.")]

    def read(self) -> Iterator[Extracted | Rejected]:
        """Extract the events of one file after the other; errors as in :class:`Source`."""
        mapping = load_mapping(self.mapping)
        check_files(self.files)
        for file in self.files:
            if file != STANDARD_INPUT:
                _header(file, _rows(file, mapping), mapping)
        build = _builder(mapping)
        for file in self.files:
            rows = _rows(file, mapping)
            header = _header(file, rows, mapping)
            for row in rows:
                yield _extracted(f"{named(file)} line {row.line}", row, header, build)


def _rows(file: str, mapping: Mapping) -> Iterator[Row]:
    return rows_of(file, delimiter=mapping.delimiter, encoding=mapping.encoding)


def _header(file: str, rows: Iterator[Row], mapping: Mapping) -> list[str]:
    """The names of the columns, after all that the mapping needs are seen to be among them."""
    first = next(rows, None)
    if first is None:
        raise UsageError(f"{named(file)} is empty; expected a row with the names of its columns")
    if first.problem:
        raise UsageError(f"{named(file)} line {first.line}: {first.problem[1]}")
    for column, field in mapping.columns.items():
        if column not in first.cells:
            raise UsageError(
                f"{named(file)} has no column {column!r}, which the mapping reads {field} from; "
                f"have {', '.join(first.cells)}{close_match(column, first.cells)}"
            )
        if first.cells.count(column) > 1:
            raise UsageError(f"{named(file)} has the column {column!r} twice; expected it once")
    return first.cells


def _extracted(
    origin: str, row: Row, header: list[str], build: Callable[[Cells], AnyEvent]
) -> Extracted | Rejected:
    problem = row.problem
    if problem is None and len(row.cells) != len(header):
        sentence = f"the row has {len(row.cells)} cells; expected {len(header)}, one a column"
        problem = ("wrong_cells", sentence)
    if problem:
        return Rejected(origin, *problem, text_of(row.text))
    result = extract(origin, build, dict(zip(header, row.cells, strict=True)))
    if isinstance(result, Rejected):
        return Rejected(origin, result.reason, result.sentence, text_of(row.text))
    return result


def _builder(mapping: Mapping) -> Callable[[Cells], AnyEvent]:
    """The function from a row's cells to its event."""
    event = EVENT_TYPES[mapping.type]
    fields = {
        name: (cell, kind_of(event.model_fields[name]), _notation(cell, mapping))
        for name, cell in mapping.fields.items()
    }

    def build(cells: Cells) -> AnyEvent:
        event_id = _filled(mapping.event_id, cells)
        if event_id is None:
            raise EventError(
                "missing_field",
                f"{mapping.type}: field 'event_id': a column of {mapping.event_id!r} is empty; "
                "expected a value in each",
            )
        values: dict[str, Any] = {
            "type": mapping.type,
            "source": mapping.source,
            "event_id": event_id,
        }
        for name, (cell, kind, notation) in fields.items():
            value = _value(f"{mapping.type}: field {name!r}", cell, cells, kind, notation)
            if value is not None:
                values[name] = value
        properties = {name: _text(cell, cells) for name, cell in mapping.properties.items()}
        if properties:
            values["properties"] = {k: v for k, v in properties.items() if v is not None}
        return build_event(values)

    return build


def _notation(cell: Cell, mapping: Mapping) -> Notation:
    zone = cell.timezone or mapping.timezone
    return Notation(
        format=cell.format,
        timezone=ZoneInfo(zone) if zone else None,
        decimal=cell.decimal,
        thousands=cell.thousands,
        strip=cell.strip,
    )


def _value(field: str, cell: Cell, cells: Cells, kind: type, notation: Notation) -> Any:
    text = _text(cell, cells)
    if text is None:
        return None
    try:
        return value_of(text, kind, notation)
    except EventError as error:
        column = f" in column {cell.column!r}" if cell.column else ""
        raise EventError(error.reason, f"{field}: {_cut(text)!r}{column} {error}") from None


def _text(cell: Cell, cells: Cells) -> str | None:
    """What the cell says, None where it is blank."""
    if cell.constant is not None:
        return cell.constant
    text = cells[cell.column] if cell.column else _filled(cell.template or "", cells)
    text = cell.replace.get(text, text) if text else cell.empty
    return text or None


def _filled(template: str, cells: Cells) -> str | None:
    """The template with its columns' values; None if one of them is blank."""
    blank = False

    def value(match: re.Match[str]) -> str:
        nonlocal blank
        found = cells[match[1].strip()]
        blank = blank or not found
        return found

    text = IN_BRACES.sub(value, template)
    return None if blank else text


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
