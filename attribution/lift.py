"""Lift tests in the likelihood, and the share of what goes with a channel that they tell.

A test tells what the touches of a window added to the conversions of the window. The model has the
same as a function of its parameters, ``A(θ) = s Σ g(z) ρ β m ∫ κ`` over those touches, up to the
window's end; the test is one more observation of it, ``found ~ N(A(θ), standard error)``.

Observation alone can't tell a touch that persuades from one that a buyer makes on the way to a
purchase that was decided anyway. So of what goes with the touches of a channel that was tested, a
share ``s`` is caused, which the test tells, and the rest is credited to the baseline. Both have the
kernel, the campaigns and the contexts of the whole: with an association of a form of its own, the
form that happened to fit best won over what the test had found (docs/decisions/0016). Where a
channel was not tested nothing would tell ``s``; there it is one.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attribution.contexts import Contexts
from attribution.journeys import US_PER_DAY, Journeys
from attribution.kernels import KERNELS
from attribution.risk import Spells, clipped, summed_exposures

if TYPE_CHECKING:
    from attribution.features import Features

__all__ = ["Lift", "lift_exposures", "without_tests"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Lift:
    """What the model needs of lift tests.

    Attributes
    ----------
    tests
        Indexes of the tests that say something: those of a window that the data has seen the end
        of, and with touches in it; shape ``(used,)``.
    found, standard_error
        Of these, shape ``(used,)``.
    row_test, state, activity, unit, context, sums
        The integrals of the kernels over the risk from the touches of each test's window to its
        end, shapes ``(row,)`` and ``(row, kernel)``; by test.
    channels
        Those that any of these tests was of, or was in, shape ``(tested,)``, ascending.
    """

    tests: IntArray
    found: FloatArray
    standard_error: FloatArray
    row_test: IntArray
    state: IntArray
    activity: IntArray
    unit: IntArray
    context: IntArray
    sums: NDArray[np.float32]
    channels: IntArray


def lift_exposures(
    journeys: Journeys, spells: Spells, contexts: Contexts, unit_channel: IntArray, levels: int
) -> Lift:
    """Sum up what each lift test was a test of.

    Parameters
    ----------
    spells
        When accounts are at risk, by bin of activity, of which there are ``levels``.
    """
    tests, touches = journeys.lift_tests, journeys.touches
    parts: list[tuple[IntArray, NDArray[np.float32]]] = []
    used: list[int] = []
    count, never = max(len(contexts.channel), 1), np.iinfo(np.int64).min
    accounts = len(journeys.account_ids)
    for test in range(len(tests)):
        start, end = int(tests.start_us[test]), int(tests.end_us[test])
        inside = (touches.time_us >= start) & (touches.time_us < end)
        inside &= tests.covers(test, journeys.units)[touches.unit]
        if end > journeys.until_us + US_PER_DAY or not inside.any():
            continue
        of_touch, theirs = contexts.of_touch[inside], touches.only(inside)
        window = clipped(spells, np.full(accounts, never), np.full(accounts, end))

        def like(
            touch: IntArray,
            spell: IntArray,
            of_touch: IntArray = of_touch,
            unit: IntArray = theirs.unit,
            window: Spells = window,
        ) -> IntArray:
            code = (unit[touch] * count + of_touch[touch]) * 2 + window.state[spell]
            return np.asarray(code * levels + window.activity[spell])

        parts.append(summed_exposures(replace(journeys, touches=theirs), window, like))
        used.append(test)
    row_test = np.repeat(np.arange(len(used)), [len(code) for code, _ in parts])
    none = np.zeros(0, dtype=np.int64)
    rest, activity = np.divmod(np.concatenate([none, *(code for code, _ in parts)]), levels)
    rest, state = np.divmod(rest, 2)
    unit, context = np.divmod(rest, count)
    return Lift(
        tests=np.array(used, dtype=np.int64),
        found=tests.conversions[used],
        standard_error=tests.standard_error[used],
        row_test=row_test,
        state=state,
        activity=activity,
        unit=unit,
        context=context,
        sums=np.concatenate([np.zeros((0, KERNELS), np.float32), *(sums for _, sums in parts)]),
        channels=np.unique(unit_channel[unit]),
    )


def without_tests(features: "Features") -> "Features":
    """The same features as if nothing had been tested."""
    return replace(
        features, lift=Lift(**{name: values[:0] for name, values in vars(features.lift).items()})
    )
