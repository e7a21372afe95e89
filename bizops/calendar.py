"""The company's calendar: on which day its weeks begin, and with which month its fiscal year."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bizops.errors import UsageError

__all__ = ["PERIODS", "Calendar"]

PERIODS = ("day", "week", "month", "quarter", "all")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Calendar:
    """Which days begin a period; days are days in UTC.

    Attributes
    ----------
    week_start
        1 for Monday to 7 for Sunday (``BIZOPS_WEEK_START``, its name, ``monday`` unless told).
    fiscal_year_start
        Month with which the fiscal year begins, and so its quarters
        (``BIZOPS_FISCAL_YEAR_START``, 1 to 12, 1 unless told).
    """

    week_start: int = 1
    fiscal_year_start: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Calendar":
        """Read it from the environment.

        Raises
        ------
        UsageError
            If there is no such day or month.
        """
        day = (environment.get("BIZOPS_WEEK_START") or "monday").lower()
        if day not in WEEKDAYS:
            raise UsageError(f"BIZOPS_WEEK_START is {day!r}; expected one of {', '.join(WEEKDAYS)}")
        month = environment.get("BIZOPS_FISCAL_YEAR_START") or "1"
        if not month.isdecimal() or not 1 <= int(month) <= 12:
            raise UsageError(
                f"BIZOPS_FISCAL_YEAR_START is {month!r}; expected a month from 1 to 12"
            )
        return cls(WEEKDAYS.index(day) + 1, int(month))

    def starts(self, days: NDArray[np.datetime64], period: str) -> NDArray[np.datetime64]:
        """First day of the period that holds each day; ``0001-01-01`` for all time.

        Parameters
        ----------
        days
            Of type ``datetime64[D]``, any shape.

        Examples
        --------
        >>> sunday = np.array(["2026-03-01"], dtype="datetime64[D]")
        >>> Calendar(week_start=7).starts(sunday, "week"), Calendar().starts(sunday, "week")
        (array(['2026-03-01'], dtype='datetime64[D]'), array(['2026-02-23'], dtype='datetime64[D]'))
        >>> Calendar(fiscal_year_start=2).starts(sunday, "quarter")
        array(['2026-02-01'], dtype='datetime64[D]')
        """
        if period == "day":
            return days
        if period == "week":  # 1970 began on a Thursday, the fourth day
            before = (days.astype(np.int64) + 4 - self.week_start) % 7
            return np.asarray(days - before)
        if period == "all":
            return np.full_like(days, np.datetime64("0001-01-01"))
        month = days.astype("datetime64[M]")
        if period == "quarter":
            month = month - (month.astype(np.int64) - (self.fiscal_year_start - 1)) % 3
        return month.astype("datetime64[D]")

    def environment(self) -> dict[str, str]:
        """What :meth:`from_environment` makes it of."""
        return {
            "BIZOPS_WEEK_START": WEEKDAYS[self.week_start - 1],
            "BIZOPS_FISCAL_YEAR_START": str(self.fiscal_year_start),
        }
