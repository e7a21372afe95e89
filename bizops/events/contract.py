"""All types of event together: read from JSON, made of plain values, told as JSON Schema."""

from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from bizops.complaints import explained
from bizops.errors import EventError
from bizops.events.business import (
    Application,
    Employee,
    ExchangeRate,
    Experiment,
    Invoice,
    LeadStatus,
    LedgerEntry,
    MergeRequest,
    Payment,
    Product,
    Survey,
    Target,
    Usage,
)
from bizops.events.customers import (
    Account,
    Campaign,
    Identity,
    LiftTest,
    Opportunity,
    Revenue,
    Spend,
    Touch,
)
from bizops.versions import known_versions, upcast

__all__ = [
    "EVENT_TYPES",
    "MAX_EVENT_BYTES",
    "AnyEvent",
    "build_event",
    "json_schema",
    "parse_event",
]

MAX_EVENT_BYTES = 900_000
"""Above this an event is refused: a Kafka message ends at 1 MiB, its headers included."""

AnyEvent = (
    Touch | Revenue | Spend | Identity | Account | Campaign | LiftTest | Opportunity
    | ExchangeRate | Product | Target
    | LeadStatus | Invoice | Payment | LedgerEntry
    | Usage | Experiment | Application | Survey | Employee | MergeRequest
)  # fmt: skip

EVENT_TYPES: dict[str, type[AnyEvent]] = {
    model.model_fields["type"].default: model for model in get_args(AnyEvent)
}

_adapter: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="type")])


NEWEST: dict[str, int] = {
    name: model.model_fields["schema_version"].default for name, model in EVENT_TYPES.items()
}
"""The newest version of each type; inside, an event is always of it."""


def parse_event(raw: bytes) -> AnyEvent:
    """Read one event from JSON, of any known version of its type.

    Raises
    ------
    EventError
        If it is too long, not UTF-8, not JSON, or does not keep to the contract; its ``reason``
        is a code, its text says which field, what was wrong and what was expected.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise EventError(
            "too_long", f"the event has {len(raw):,} bytes; expected at most {MAX_EVENT_BYTES:,}"
        )
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise EventError(
            "invalid_utf8", f"byte {error.start} is not UTF-8; expected JSON in UTF-8"
        ) from None
    try:
        return _adapter.validate_json(raw)
    except ValidationError as error:
        try:
            fields = from_json(raw)
        except ValueError:
            raise explained(error, EVENT_TYPES) from None
        return _made_new(fields, error)


def build_event(fields: dict[str, Any]) -> AnyEvent:
    """Make one event of plain values, as a source does; errors as in :func:`parse_event`."""
    try:
        return _adapter.validate_python(fields)
    except ValidationError as error:
        return _made_new(fields, error)


def _made_new(fields: Any, error: ValidationError) -> AnyEvent:
    """An event of an older version; what is no newest event, and why, comes here."""
    event_type = fields.get("type") if isinstance(fields, dict) else None
    newest = NEWEST.get(event_type) if isinstance(event_type, str) else None
    upcasted = upcast(fields, event_type, newest) if event_type and newest else None
    if upcasted is None:
        raise explained(error, EVENT_TYPES) from None
    try:
        return _adapter.validate_python(upcasted)
    except ValidationError as still:
        raise explained(still, EVENT_TYPES) from None


def json_schema(event_type: str | None = None) -> dict[str, Any]:
    """The contract as JSON Schema (draft 2020-12): of one type, or of all as ``oneOf``.

    It tells the form in which events are published. Reading is more lenient in that spaces around
    a text are dropped, and stricter where a schema cannot say it: an amount's sign, two
    identifiers, days in order.
    """
    if event_type is None:
        schema = _adapter.json_schema()
        definitions = list(schema["$defs"].values())
    else:
        schema = EVENT_TYPES[event_type].model_json_schema()
        definitions = [schema]
    for definition in definitions:
        definition["required"] = ["type", *definition["required"]]
        version = definition["properties"]["schema_version"]
        older = known_versions(definition["properties"]["type"]["const"], version["const"])[:-1]
        if older:
            version["description"] = f"read too: {', '.join(map(str, older))}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
