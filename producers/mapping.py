"""How the columns of a spreadsheet become the fields of an event: one small YAML file."""

import codecs
import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    model_validator,
)

from bizops.errors import UsageError
from bizops.events import EVENT_TYPES, AnyEvent, TimedEvent

__all__ = ["Cell", "Mapping", "close_match", "load_mapping", "template_columns"]

IN_BRACES = re.compile(r"\{([^{}]*)\}")
MAPPED_ELSEWHERE = ("type", "source", "event_id", "schema_version", "properties")


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"no timezone {name!r}; expected a name such as America/Sao_Paulo or UTC"
        ) from None
    return name


def _encoding(name: str) -> str:
    try:
        works = b"a,\n".decode(name) == "a,\n"
    except (LookupError, UnicodeError):
        works = False
    if not works:
        raise ValueError(
            f"cannot read files in {name!r}; expected utf-8, cp1252, latin-1 or another "
            "that is like ASCII"
        )
    return codecs.lookup(name).name


def _delimiter(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f'{delimiter!r} separates no cells; expected one character, such as ";"')
    return delimiter


def _template(template: str) -> str:
    if re.search(r"[{}]", IN_BRACES.sub("", template)):
        raise ValueError(f"{template!r} has a brace too many; expected columns as {{column}}")
    return template


Timezone = Annotated[StrictStr, AfterValidator(_timezone)]
Template = Annotated[StrictStr, AfterValidator(_template)]


class Cell(BaseModel):
    """Where one field comes from: a column, a template over columns, or a constant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: StrictStr | None = None
    template: Template | None = None
    constant: StrictStr | None = None
    empty: StrictStr | None = None
    replace: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    format: StrictStr | None = None
    timezone: Timezone | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", "\N{NO-BREAK SPACE}"] | None = None
    strip: Annotated[StrictStr, Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_column(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum(x is not None for x in (self.column, self.template, self.constant)) != 1:
            raise ValueError("expected one of column, template, constant")
        others = self.model_fields_set - {"column", "template", "constant"}
        if self.constant is not None and others:
            raise ValueError(f"a constant has no {', '.join(sorted(others))}")
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark; expected two")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns it is made of."""
        if self.column is not None:
            return [self.column]
        return template_columns(self.template or "")


class Mapping(BaseModel):
    """A mapping file, checked against the contract.

    Attributes
    ----------
    type, source
        Of every event.
    event_id
        Template over columns that together tell the rows apart, so that a row extracted twice is
        the same event.
    fields, properties
        Where each field, and each property, comes from.
    timezone
        Of all times that have no offset and no timezone of their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: StrictStr
    source: StrictStr
    event_id: Template
    fields: dict[str, Cell]
    properties: dict[str, Cell] = Field(default_factory=dict)
    timezone: Timezone | None = None
    delimiter: Annotated[StrictStr, AfterValidator(_delimiter)] = ","
    encoding: Annotated[StrictStr, AfterValidator(_encoding)] = "utf-8"

    @model_validator(mode="after")
    def _keeps_to_the_contract(self) -> Self:
        if self.type not in EVENT_TYPES:
            have = ", ".join(sorted(EVENT_TYPES))
            raise ValueError(
                f"no type {self.type!r}; have {have}{close_match(self.type, EVENT_TYPES)}"
            )
        if not template_columns(self.event_id):
            raise ValueError(
                f"event_id {self.event_id!r} is the same for each row; expected columns "
                'that tell rows apart, such as "orders:{order_id}"'
            )
        _check_fields(self, EVENT_TYPES[self.type])
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Each column that is read, and the field it is read for."""
        cells = {**self.fields, **{f"properties.{k}": v for k, v in self.properties.items()}}
        read_for = {column: field for field, cell in cells.items() for column in cell.columns}
        return dict.fromkeys(template_columns(self.event_id), "event_id") | read_for


def _check_fields(mapping: Mapping, event: type[AnyEvent]) -> None:
    known = [name for name in event.model_fields if name not in MAPPED_ELSEWHERE]
    for name, cell in mapping.fields.items():
        if name not in known:
            elsewhere = name in MAPPED_ELSEWHERE and name in Mapping.model_fields
            raise ValueError(
                f"{name} stands beside fields, not in it"
                if elsewhere
                else f"{mapping.type} has no field {name!r}; have {', '.join(known)}"
                f"{close_match(name, known)}; what is not in the contract goes in properties"
            )
        zone = cell.timezone or mapping.timezone
        if name == "occurred_at" and cell.format and "%z" not in cell.format and not zone:
            raise ValueError(
                f"fields.occurred_at: the format {cell.format!r} has no offset from UTC; "
                "expected a `timezone:` beside it, such as `timezone: America/Sao_Paulo`"
            )
    if mapping.properties and "properties" not in event.model_fields:
        raise ValueError(f"{mapping.type} has no properties; expected none")
    required = [name for name in known if event.model_fields[name].is_required()]
    if issubclass(event, TimedEvent) and "occurred_on" not in mapping.fields:
        required.append("occurred_at")
    missing = [name for name in required if name not in mapping.fields]
    if missing:
        either = " (or occurred_on, if only the day is known)" if "occurred_at" in missing else ""
        raise ValueError(f"{mapping.type} needs a field {', '.join(missing)}{either}; have none")


def load_mapping(file: Path) -> Mapping:
    """Read a mapping file.

    Raises
    ------
    UsageError
        If there is none, or it is not YAML, or does not fit the contract.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise UsageError(f"cannot read mapping {file}: {(error.strerror or '').lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"mapping {file} is not UTF-8; expected YAML in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise UsageError(f"mapping {file}{where} is not YAML: {what}") from None
    if not isinstance(content, dict):
        raise UsageError(
            f"mapping {file} is no mapping; expected keys type, source, event_id, fields"
        )
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"mapping {file}: {_sentence(error)}") from None


def template_columns(template: str) -> list[str]:
    """The columns in a template's braces."""
    return [name.strip() for name in IN_BRACES.findall(template)]


def close_match(name: str, names: Iterable[str]) -> str:
    """A hint at the name that was meant, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _sentence(error: ValidationError) -> str:
    details = error.errors(include_url=False)
    # A name that is mistyped is missing too: the mistake is said.
    detail = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    where = ".".join(str(part) for part in detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    if where == "event_id" and detail["type"] == "missing":
        return (
            "no event_id; expected a template over columns that tell rows apart, such as "
            '"orders:{order_id}", so that a row extracted twice is the same event'
        )
    if detail["type"] == "missing":
        return f"no {where}; it is required"
    if detail["type"] == "extra_forbidden":
        owner = Mapping if len(detail["loc"]) == 1 else Cell
        key = str(detail["loc"][-1])
        have = ", ".join(owner.model_fields)
        return f"unknown key {where!r}; have {have}{close_match(key, owner.model_fields)}"
    if detail["type"] == "string_type":
        message = (
            f"{detail['input']!r} is no text; expected it, in quotes if it looks like a number"
        )
    return f"{where}: {message}" if where else message


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)
