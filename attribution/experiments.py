"""Randomised experiments as they are stored: what a channel's or campaign's touches added."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bizops.database import Connection, load_queries

__all__ = ["NO_TESTS", "LiftTests", "load_lift_tests"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class LiftTests:
    """What was found of the touches of a window; all of shape ``(test,)``.

    Attributes
    ----------
    ids
        Of the events.
    channel, campaign
        What was tested: a channel, a campaign, or a campaign in a channel; "" for any.
    start_us, end_us
        First moment of the window and the first after it, in microseconds since 1970 in UTC.
    conversions, standard_error
        What those touches of the window that happened added to the conversions of the window. Where
        a part was held out, that is what they added to those who were not.
    """

    ids: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    campaign: tuple[str, ...] = ()
    start_us: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    end_us: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    conversions: FloatArray = field(default_factory=lambda: np.zeros(0))
    standard_error: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.ids)

    def covers(self, test: int, units: tuple[tuple[str, str], ...]) -> BoolArray:
        """Which campaigns a test was of, shape ``(unit,)``."""
        channel, campaign = self.channel[test], self.campaign[test]
        return np.array(
            [channel in ("", of) and campaign in ("", name) for of, name in units], dtype=bool
        )


NO_TESTS = LiftTests()


def load_lift_tests(connection: Connection) -> LiftTests:
    """Read every lift test there is."""
    with connection.cursor() as cursor:
        cursor.execute(load_queries("attribution")["lift_tests"])
        rows = cursor.fetchall()
    if not rows:
        return NO_TESTS
    ids, channel, campaign, start, end, conversions, error = zip(*rows, strict=True)
    return LiftTests(
        ids,
        channel,
        campaign,
        np.array(start, dtype=np.int64),
        np.array(end, dtype=np.int64),
        np.array(conversions, dtype=np.float64),
        np.array(error, dtype=np.float64),
    )
