"""What the text of a spreadsheet's cell means in the contract: times, days, amounts, numbers."""

import re
import types
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic.fields import FieldInfo

from bizops.errors import EventError

__all__ = ["Notation", "kind_of", "value_of"]

KINDS = (datetime, date, Decimal, bool, int, float)
TRUTHS = {"true": True, "false": False}
MINUS_SIGNS = str.maketrans({"−": "-"})


@dataclass(frozen=True)
class Notation:
    """How a column writes its values; what is None is as in the contract.

    Attributes
    ----------
    format
        Of times and days, for ``strptime``: ``%d/%m/%Y``.
    timezone
        Of times without an offset. A time that the clocks skip or show twice counts as the
        first of the two it could be (``fold=0``).
    decimal, thousands
        Marks in amounts and numbers: ``,`` and ``.`` for ``1.200,00``.
    strip
        What else may stand around an amount, such as ``$``.
    """

    format: str | None = None
    timezone: ZoneInfo | None = None
    decimal: str = "."
    thousands: str | None = None
    strip: str | None = None


def kind_of(field: FieldInfo) -> type:
    """What a field of an event holds: datetime, date, Decimal, bool, int, float, else str."""
    return next((kind for kind in KINDS if kind in _plain_types(field.annotation)), str)


def _plain_types(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain_types(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [plain for part in get_args(annotation) for plain in _plain_types(part)]
    return [annotation]


def value_of(text: str, kind: type, notation: Notation) -> Any:
    """The plain value, for :func:`bizops.events.build_event`, that a cell's text stands for.

    Raises
    ------
    EventError
        If the text is not in the column's notation; the sentence goes on after the text.
    """
    if kind is datetime:
        return _moment(text, notation)
    if kind is date:
        return _parsed(text, notation.format).date() if notation.format else text
    if kind is Decimal:
        return _number(text, notation, "amount")
    if kind is float:
        return float(_number(text, notation, "number"))
    if kind is bool:
        if text.lower() not in TRUTHS:
            raise EventError(
                "invalid_value", "is neither true nor false; expected one, or `replace:` in the "
                "mapping, such as `replace: {yes: true, no: false}`"
            )  # fmt: skip
        return TRUTHS[text.lower()]
    if kind is int:
        digits = _number(text, notation, "number")
        if not re.fullmatch(r"-?\d+", digits):
            raise EventError("invalid_number", "is no whole number")
        return int(digits)
    return text


def _parsed(text: str, pattern: str) -> datetime:
    try:
        return datetime.strptime(text, pattern)
    except ValueError:
        raise EventError("invalid_time", f"is not of the format {pattern!r}") from None


def _moment(text: str, notation: Notation) -> datetime:
    if notation.format:
        moment = _parsed(text, notation.format)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise EventError(
                "invalid_time",
                "is no time such as 2026-03-01 09:30:00; "
                'expected one, or its `format:` in the mapping, such as "%d/%m/%Y %H:%M"',
            ) from None
        if len(text) <= 10:
            raise EventError(
                "invalid_time", "is a day and no time; if only the day is known, map occurred_on"
            )
    if moment.tzinfo is None:
        if notation.timezone is None:
            raise EventError(
                "naive_time",
                "has no offset from UTC; expected one, or the column's `timezone:` in the mapping, "
                "such as `timezone: America/Sao_Paulo` or `timezone: UTC`",
            )
        moment = moment.replace(tzinfo=notation.timezone)
    return moment


def _number(text: str, notation: Notation, what: str) -> str:
    plain = text.translate(MINUS_SIGNS)
    if notation.strip:
        plain = plain.replace(notation.strip, "").strip()
    if not _number_pattern(notation.decimal, notation.thousands).fullmatch(plain):
        marks = f"the decimal mark {notation.decimal!r}"
        if notation.thousands:
            marks += f" and the thousands mark {notation.thousands!r}"
        raise EventError(
            f"invalid_{what}",
            f"is no {what} with {marks}; expected one, or the column's "
            "`decimal:`, `thousands:` or `strip:` in the mapping",
        )
    if notation.thousands:
        plain = plain.replace(notation.thousands, "")
    return plain.replace(notation.decimal, ".")


@lru_cache
def _number_pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    whole = r"\d+"
    if thousands:
        whole = rf"(\d+|\d{{1,3}}({re.escape(thousands)}\d{{3}})+)"
    return re.compile(rf"-?{whole}({re.escape(decimal)}\d+)?", re.ASCII)
