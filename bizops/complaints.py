"""What is wrong with an event, as a stable reason and one sentence for a person."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bizops.errors import EventError

__all__ = ["explained"]

REASONS = {
    "json_invalid": "invalid_json",
    "union_tag_invalid": "unknown_type",
    "union_tag_not_found": "missing_field",
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "string_too_long": "too_long",
    "string_unicode": "invalid_unicode",
    "model_type": "not_an_object",
    "model_attributes_type": "not_an_object",
    "dict_type": "not_an_object",
}

OUR_REASONS = frozenset(
    {
        "invalid_amount",
        "invalid_day",
        "invalid_email",
        "invalid_number",
        "invalid_time",
        "invalid_unicode",
        "missing_field",
        "naive_time",
        "negative_amount",
        "nul_character",
        "out_of_range",
        "too_deep",
        "too_long",
        "unknown_currency",
        "wrong_sign",
    }
)
"""Kinds that :mod:`bizops.fields` and :mod:`bizops.events` raise themselves."""

SHOWN_CHARACTERS = 60


def explained(error: ValidationError, types: Iterable[str]) -> EventError:
    """The first thing that is wrong with an event of ``types``, and how many more there are."""
    details = error.errors(include_url=False)
    first, rest = details[0], len(details) - 1
    more = f" (and {rest} more)" if rest else ""
    return EventError(_reason(first), _sentence(first, ", ".join(sorted(types))) + more)


def _reason(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "literal_error" and detail["loc"][-1] == "schema_version":
        return "unknown_version"
    return REASONS.get(kind) or (kind if kind in OUR_REASONS else "invalid_value")


def _sentence(detail: ErrorDetails, types: str) -> str:
    kind, location = detail["type"], detail["loc"]
    event_type = str(location[0]) if location else "event"
    field = ".".join(_shown(part).strip("'\"") for part in location[1:])
    if kind == "json_invalid":
        return f"not JSON: {detail['msg'].removeprefix('Invalid JSON: ')}"
    if kind == "union_tag_invalid":
        return f"unknown type {_shown(detail['ctx']['tag'])}; expected one of {types}"
    if kind == "union_tag_not_found":
        return f"no field 'type'; expected one of {types}"
    if kind == "missing":
        return f"{event_type}: no field '{field}'; it is required"
    if kind == "extra_forbidden":
        return (
            f"{event_type}: unknown field '{field}'; what is not in the contract goes in properties"
        )
    if not field:
        is_event = REASONS.get(kind) != "not_an_object"
        return (
            f"{event_type}: {detail['msg']}"
            if is_event
            else f"{_shown(detail['input'])} is not an event; expected a JSON object"
        )
    return f"{event_type}: field '{field}': {_shown(detail['input'])} {_wrong(detail)}"


def _wrong(detail: ErrorDetails) -> str:
    """What is wrong with a field's value, to go on after the value."""
    kind, message = detail["type"], detail["msg"]
    limits: dict[str, Any] = detail.get("ctx", {})
    if kind == "string_too_long":
        return f"is too long; expected at most {limits['max_length']:,} characters"
    if kind == "string_too_short":
        return "is blank; expected text, or no such field"
    if kind == "dict_type":
        return "is not an object; expected a JSON object"
    if message.startswith("Input should be "):
        return f"is wrong; expected {message.removeprefix('Input should be ')}"
    return f"{message[:1].lower()}{message[1:]}"


def _shown(value: object) -> str:
    if isinstance(value, date | datetime):
        value = value.isoformat()
    text = repr(value)
    if len(text) <= SHOWN_CHARACTERS + 20:
        return text
    return f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"
