"""The kinds of field that events are made of, each with the one clear error it can give.

Every value leaves here in one canonical form (times in UTC, amounts with at least two decimals,
properties sorted), so that the same event always has the same bytes and the same content hash.
"""

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from bizops.currencies import CURRENCIES

__all__ = [
    "Amount",
    "Currency",
    "Day",
    "Email",
    "Id",
    "Instant",
    "Label",
    "Positive",
    "Properties",
    "Rate",
    "Text",
]

MAX_ID_CHARACTERS = 200
MAX_PROPERTIES_DEPTH = 16
BEYOND_NUMBERS = 10**300
FIRST_YEAR, LAST_YEAR = 1900, 2200

RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,6})?", re.ASCII)
RATE = re.compile(r"\d{1,9}(\.\d{1,12})?", re.ASCII)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError(
            "nul_character", "has a NUL character (\\u0000), which no text column can hold"
        )
    return text


def _storable(text: Any) -> str:
    """Text of a property, or the name of one."""
    if not isinstance(text, str):
        raise PydanticCustomError("invalid_value", "have a name that is no text")
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError(
            "invalid_unicode", "hold half a surrogate pair, which is no character"
        ) from None
    if "\0" in text:
        raise PydanticCustomError(
            "nul_character", "hold a NUL character (\\u0000), which no text column can hold"
        )
    return text


def _instant(value: Any) -> datetime:
    if isinstance(value, str):
        match = RFC_3339.fullmatch(value)
        if match is None:
            raise PydanticCustomError(
                "invalid_time", "is not a time; expected RFC 3339 such as 2026-03-01T09:30:00Z"
            )
        if match["offset"] is None:
            raise PydanticCustomError(
                "naive_time",
                "has no offset from UTC; expected one, such as 2026-03-01T09:30:00Z or "
                "2026-03-01T09:30:00+01:00 (if only the day is known: occurred_on)",
            )
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError:
            raise PydanticCustomError(
                "invalid_time", "is not a time that exists; expected RFC 3339"
            ) from None
    if not isinstance(value, datetime):
        raise PydanticCustomError(
            "invalid_time",
            "is not a time; expected an RFC 3339 string such as 2026-03-01T09:30:00Z",
        )
    if value.tzinfo is None:
        raise PydanticCustomError("naive_time", "has no offset from UTC; expected one")
    _check_year(value.year)
    in_utc = value.astimezone(UTC)
    _check_year(in_utc.year)
    return in_utc


def _day(value: Any) -> date:
    if isinstance(value, str) and ISO_DAY.fullmatch(value):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise PydanticCustomError("invalid_day", "is not a day; expected one such as 2026-03-01")
    _check_year(value.year)
    return value


def _check_year(year: int) -> None:
    if not FIRST_YEAR < year < LAST_YEAR:
        raise PydanticCustomError(
            "out_of_range", f"is in the year {year}; expected {FIRST_YEAR + 1} to {LAST_YEAR - 1}"
        )


def _amount(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        value = format(value, "f")
    if not isinstance(value, str) or not DECIMAL.fullmatch(value):
        raise PydanticCustomError(
            "invalid_amount",
            'is not an amount; expected a decimal string such as "1200.00", '
            "with at most 15 digits before and 6 after the point",
        )
    try:
        amount = Decimal(value).normalize() + Decimal(0)
    except InvalidOperation:
        raise PydanticCustomError("invalid_amount", "is not an amount") from None
    exponent = amount.as_tuple().exponent
    return (
        amount.quantize(Decimal("0.01")) if isinstance(exponent, int) and exponent > -2 else amount
    )


def _not_negative(amount: Decimal) -> Decimal:
    if amount < 0:
        raise PydanticCustomError("negative_amount", "is negative; expected 0 or more")
    return amount


def _rate(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        value = format(value, "f")
    if not isinstance(value, str) or not RATE.fullmatch(value) or not (rate := Decimal(value)):
        raise PydanticCustomError(
            "invalid_amount",
            'is no rate; expected a decimal string above 0 such as "1.0825", '
            "with at most 9 digits before and 12 after the point",
        )
    return rate.normalize() + Decimal(0)


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise PydanticCustomError(
            "unknown_currency", "is no currency code of ISO 4217; expected one such as USD or EUR"
        )
    return code


def _email(text: str) -> str:
    local, _, domain = text.partition("@")
    if not local or not domain or "@" in domain or any(c.isspace() for c in text):
        raise PydanticCustomError(
            "invalid_email", "is no e-mail address; expected one such as ada@example.com"
        )
    lowered = text.lower()
    if len(lowered) > MAX_ID_CHARACTERS:  # a few letters become two
        raise PydanticCustomError(
            "too_long", f"is too long; expected at most {MAX_ID_CHARACTERS} characters"
        )
    return lowered


def _canonical(value: Any, depth: int = 0) -> Any:
    """The same JSON value with sorted keys, refused where PostgreSQL's jsonb would refuse it."""
    if depth > MAX_PROPERTIES_DEPTH:
        raise PydanticCustomError(
            "too_deep", f"nest deeper than {MAX_PROPERTIES_DEPTH} levels; expected fewer"
        )
    match value:
        case str():
            return _storable(value)
        case bool() | None:
            return value
        case int():
            if abs(value) >= BEYOND_NUMBERS:
                raise PydanticCustomError("invalid_number", "hold a number of over 300 digits")
            return value
        case float():
            if not math.isfinite(value):
                raise PydanticCustomError("invalid_number", "hold a number that is not finite")
            return value
        case dict():
            names = sorted(map(_storable, value))
            return {name: _canonical(value[name], depth + 1) for name in names}
        case list():
            return [_canonical(item, depth + 1) for item in value]
    raise PydanticCustomError("invalid_value", "hold something that is not JSON")


_clean = AfterValidator(_no_nul)

Id = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_ID_CHARACTERS),
    _clean,
]
Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _clean
]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), _clean
]
Email = Annotated[Id, AfterValidator(_email)]
Instant = Annotated[
    datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^{DECIMAL.pattern}$"}),
]
Positive = Annotated[Amount, AfterValidator(_not_negative)]
Rate = Annotated[
    Decimal,
    BeforeValidator(_rate),
    PlainSerializer(lambda rate: format(rate, "f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^{RATE.pattern}$"}),
]
Currency = Annotated[
    str,
    AfterValidator(_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217"}),
]
Properties = Annotated[dict[str, Any], Field(default_factory=dict), AfterValidator(_canonical)]
