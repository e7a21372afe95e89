"""Days since the start of a world as times and days of the calendar."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

__all__ = ["Calendar"]

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Calendar:
    """Counts from midnight, UTC, of ``first_day``."""

    first_day: date

    def moment(self, at: float) -> datetime:
        """The time, at the last full second."""
        midnight = datetime.combine(self.first_day, time(), UTC)
        return midnight + timedelta(seconds=int(at * SECONDS_A_DAY))

    def day(self, at: float) -> date:
        """The day it is then."""
        return self.first_day + timedelta(days=int(at))

    def when(self, at: float, *, day_only: bool) -> dict[str, Any]:
        """The field of an event that says when it was."""
        if day_only:
            return {"occurred_on": self.day(at)}
        return {"occurred_at": self.moment(at)}
