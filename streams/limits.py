"""How many dead letters a partition may have before its worker stops rather than drain it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bizops.errors import BizopsError

__all__ = ["WINDOW_RECORDS", "DeadLetterLimit", "Limits", "Recent"]

WINDOW_RECORDS = 1000
"""The share is over about so many of a partition's latest records, and not before there are."""


class DeadLetterLimit(BizopsError):
    """So many records cannot be stored that the fault is elsewhere; the batch is not stored."""

    exit_code = 65


@dataclass(frozen=True, slots=True)
class Limits:
    """What a partition may have of dead letters; 0 is no limit.

    Attributes
    ----------
    run
        So many in a row.
    share
        Of its latest records, from 0 to 1.
    """

    run: int = 200
    share: float = 0.2


@dataclass(slots=True)
class Recent:
    """What the latest records of one partition came to.

    Attributes
    ----------
    run
        Dead letters in a row, up to the last record.
    records, dead
        Records of the window, and the dead letters among them: earlier ones fade out.
    """

    run: int = 0
    records: int = 0
    dead: float = 0.0

    def add(self, offsets: Iterable[int], dead: Mapping[int, str], limits: Limits) -> str | None:
        """Count records in, in order; which limit they exceed, as the end of a sentence.

        Parameters
        ----------
        offsets
            Of the records, none of which has been counted before.
        dead
            Reasons of the dead letters among them, by offset.
        """
        longest = count = died = 0
        for offset in offsets:
            count += 1
            if offset in dead:
                died += 1
                self.run += 1
                longest = max(longest, self.run)
            else:
                self.run = 0
        self.records += count
        self.dead += died
        exceeded = self._exceeded(longest, limits) if died else None
        if self.records > WINDOW_RECORDS:
            self.dead *= WINDOW_RECORDS / self.records
            self.records = WINDOW_RECORDS
        # what was let through on purpose is not held against what comes after
        self.run = self.run if limits.run else 0
        self.dead = self.dead if limits.share else 0.0
        return exceeded

    def _exceeded(self, longest: int, limits: Limits) -> str | None:
        if limits.run and longest > limits.run:
            return f"more than {limits.run:,} records in a row (BIZOPS_DEAD_LETTER_RUN)"
        known = self.records >= WINDOW_RECORDS
        if limits.share and known and self.dead > limits.share * self.records:
            share = self.dead / self.records
            return (
                f"{share:.0%} of its latest {self.records:,} records, more than "
                f"{limits.share:.0%} (BIZOPS_DEAD_LETTER_SHARE)"
            )
        return None
