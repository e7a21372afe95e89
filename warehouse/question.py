"""What a report is asked for, checked before anything is read."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from bizops.calendar import PERIODS, Calendar
from bizops.errors import UsageError
from bizops.models import MODELS

__all__ = ["KEYS", "Question"]

KEYS = {
    "channel": ("channel",),
    "campaign": ("channel", "campaign_id"),
    "account": ("account_id", "account_name"),
    "lead": ("lead_id",),
    "creative": ("channel", "campaign_id", "creative_id"),
    "collateral": ("collateral_id",),
}
"""The columns that name a row, for each thing a report can be by."""

SYNONYMS = {"organization": "account"}


@dataclass(frozen=True)
class Question:
    """What to report.

    Attributes
    ----------
    by
        ``channel``, ``campaign``, ``account`` (``organization`` is the same), ``lead``,
        ``creative`` or ``collateral``.
    period
        ``day``, ``week``, ``month``, ``quarter`` or ``all``.
    model
        ``bayesian`` or a rule.
    first_day, last_day
        Days in UTC, both inclusive; None for no end.
    currency
        ISO 4217; amounts in others are told in it where they have a rate. None where all amounts
        are in one.
    margin
        Share of IACV left after the cost of serving it, in (0, 1], of products of which no event
        says it; None if it is not known.
    limit
        Most rows of a period, the baseline's aside.
    calendar
        When weeks and quarters begin.

    Raises
    ------
    UsageError
        If something does not exist or does not fit; the text says what there is.
    """

    by: str = "channel"
    period: str = "all"
    model: str = "bayesian"
    first_day: date | None = None
    last_day: date | None = None
    currency: str | None = None
    margin: float | None = None
    limit: int | None = None
    calendar: Calendar = field(default_factory=Calendar)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", SYNONYMS.get(self.by, self.by))
        _one_of("report by", self.by, (*KEYS, *SYNONYMS))
        _one_of("period", self.period, PERIODS)
        _one_of("model", self.model, MODELS)
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise UsageError(f"--from {self.first_day} is after --to {self.last_day}")
        if self.margin is not None and not 0 < self.margin <= 1:
            raise UsageError(f"margin is {self.margin:g}; expected a share such as 0.8")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit is {self.limit}; expected 1 or more")

    def parameters(self) -> dict[str, Any]:
        """What the queries ask with."""
        return {
            "by": self.by,
            "period": self.period,
            "model": self.model,
            "first_day": self.first_day or "-infinity",
            "last_day": self.last_day or "infinity",
            "margin": self.margin,
            "week_start": self.calendar.week_start,
            "fiscal_year_start": self.calendar.fiscal_year_start,
        }


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"no {what} {value!r}; have {', '.join(known)}")
