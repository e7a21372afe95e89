"""What experiments and a placebo say of credit, as a run keeps it with its diagnostics.

A channel whose touches come after conversions, too, shares a cause with them and is flagged; see
`attribution.placebo`. Unless it was tested its credit is an upper bound: the low end of what it is
credited is zero, whatever the draws say, and beside it stands what is left if parts of it are not
its own, and how large a test would have to be to tell.
"""

import tomllib
from datetime import UTC, datetime
from importlib.resources import files
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.credit import added_draws, incremental
from attribution.features import Features, TouchExposures
from attribution.journeys import QUERIES, US_PER_DAY, Journeys
from attribution.placebo import FLAGGED_Z, placebo
from attribution.posterior import Posterior
from bizops.database import Connection
from bizops.intervals import interval

__all__ = [
    "SHARES",
    "after_sale_touches",
    "days_to_test",
    "lift_records",
    "moved",
    "placebo_records",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SHARES = (0.25, 0.5, 0.75)
"""Parts of a flagged channel's credit that a sensitivity analysis takes away."""
HOLDOUTS = (0.5, 0.2)
ERROR, POWER = 0.05, 0.8
"""Of the proposed test: one-sided error of the first kind, and chance to see what is claimed."""


def after_sale_touches(connection: Connection, journeys: Journeys) -> BoolArray:
    """Which touches are of a kind that a sale sets off, by ``after_sale.toml``; ``(touch,)``."""
    kinds = tomllib.loads(files("attribution").joinpath("after_sale.toml").read_text())
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["touches_of_types"], (kinds["touch_types"],))
        ids = pa.array([id_ for (id_,) in cursor.fetchall()], pa.string())
    return np.asarray(pa.compute.is_in(journeys.touches.event_ids, ids), dtype=bool)


def placebo_records(
    journeys: Journeys, features: Features, posterior: Posterior, left_out: BoolArray | None = None
) -> list[dict[str, Any]]:
    """What came after conversions by channel, and what follows where that is too much.

    Parameters
    ----------
    left_out
        Touches that are of a sale, shape ``(touch,)``.
    """
    found = placebo(journeys, features.unit_channel[journeys.touches.unit], left_out)
    days = features.risk_days.shape[2]
    conversions = len(journeys.conversions) / days
    added: FloatArray | None = None  # only where it is asked for: it takes a pass over all touches
    records = []
    for place, channel in enumerate(features.channels):
        z, tested = float(found.z[place]), place in features.lift.channels
        record: dict[str, Any] = {
            "channel": channel,
            "seen": int(found.seen[place].sum()),
            "expected": round(float(found.expected[place].sum()), 1),
            "z": round(z, 2),
            "flagged": z >= FLAGGED_Z,
            "tested": tested,
            "bound": "upper" if z >= FLAGGED_Z and not tested else None,
        }
        if record["bound"]:
            if added is None:
                added = added_by_channel(features, posterior).mean(axis=0)
            record["if_not_its_own"] = [
                {"share": share, "conversions": round(float(added[place]) * (1 - share), 1)}
                for share in SHARES
            ]
            record["lift_test"] = [
                {
                    "holdout_share": held,
                    "days": days_to_test(added[place] / days, conversions, held),
                }
                for held in HOLDOUTS
            ]
        records.append(record)
    return records


def days_to_test(added: float, conversions: float, holdout: float) -> int | None:
    """Days after which a randomised holdout tells what is credited from nothing.

    With ``n`` conversions and ``A`` credited ones a day, the difference of both groups' conversions
    per account, times all accounts, has the standard error ``sqrt(n d / (h (1 − h)))`` after ``d``
    days and should be ``A d``.

    Parameters
    ----------
    added, conversions
        A day.
    holdout
        Share of the accounts that is held out, in (0, 1).

    Returns
    -------
    Whole days, for a one-sided error of 5 % and a power of 80 %; None where nothing is credited.

    Examples
    --------
    >>> days_to_test(0.5, 5.0, 0.5)
    495
    """
    if added <= 0:
        return None
    quantiles = NormalDist().inv_cdf(1 - ERROR) + NormalDist().inv_cdf(POWER)
    return int(np.ceil(quantiles**2 * conversions / (holdout * (1 - holdout) * added**2)))


def lift_records(
    journeys: Journeys, features: Features, posterior: Posterior, without: Posterior | None
) -> list[dict[str, Any]]:
    """Each lift test: what it found, what the model has for it now, and what tests moved.

    Parameters
    ----------
    without
        Of a fit that knew no test; None where no test was used.
    """
    tests, used = journeys.lift_tests, features.lift.tests.tolist()
    records = []
    expected = added_in_tests(features, posterior)
    before = added_in_tests(features, without) if without is not None else None
    for test in range(len(tests)):
        record: dict[str, Any] = {
            "event_id": tests.ids[test],
            "channel": tests.channel[test] or None,
            "campaign_id": tests.campaign[test] or None,
            "starts_on": _day(tests.start_us[test]),
            "ends_on": _day(tests.end_us[test] - 1),
            "found": float(tests.conversions[test]),
            "standard_error": float(tests.standard_error[test]),
            "used": test in used,
        }
        if test not in used:
            ended = tests.end_us[test] <= journeys.until_us + US_PER_DAY
            record["why_not"] = (
                "no touch of what it tested lies in its window"
                if ended
                else "the data ends before the test does"
            )
        else:
            place = used.index(test)
            record["model"] = _figures(expected[:, place])
            if before is not None:
                record["model_without_tests"] = _figures(before[:, place])
        records.append(record)
    return records


def moved(features: Features, posterior: Posterior, without: Posterior) -> list[dict[str, Any]]:
    """What tested channels are credited with and without all tests."""
    both = added_by_channel(features, posterior), added_by_channel(features, without)
    return [
        {
            "channel": features.channels[channel],
            "with_tests": _figures(both[0][:, channel]),
            "without_tests": _figures(both[1][:, channel]),
        }
        for channel in features.lift.channels.tolist()
    ]


def added_in_tests(features: Features, posterior: Posterior) -> FloatArray:
    """What each test that is used should have found, ``A(θ)``, shape ``(draw, test)``."""
    lift = features.lift
    rows = TouchExposures(
        day=np.zeros_like(lift.unit),
        unit=lift.unit,
        context=lift.context,
        state=lift.state,
        activity=lift.activity,
        sums=lift.sums,
    )
    added = added_draws(rows, features.contexts, features.unit_channel, posterior)
    return np.stack([np.bincount(lift.row_test, of, minlength=len(lift.tests)) for of in added])


def added_by_channel(features: Features, posterior: Posterior) -> FloatArray:
    """Incremental conversions of each channel, shape ``(draw, channel)``."""
    _, unit, draws = incremental(features, posterior)
    out = np.zeros((draws.shape[1], len(features.channels)))
    np.add.at(out.T, features.unit_channel[unit], draws.astype(np.float64))
    return out


def _figures(draws: FloatArray) -> dict[str, float]:
    found = interval(draws, zero_below=1.0)
    return {name: round(float(value), 2) for name, value in found._asdict().items()}


def _day(time_us: int) -> str:
    return str(datetime.fromtimestamp(int(time_us) / 1e6, UTC).date())
