"""What the model expects of one account from a moment on, and what one more touch would add."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from attribution.account_activity import load_activity
from attribution.contexts import Contexts, find_contexts
from attribution.credit import added_draws
from attribution.expected import Cells, expected
from attribution.features import TouchExposures
from attribution.journeys import US_PER_DAY, Journeys, Touches, load_journeys
from attribution.kept import Kept
from attribution.kernels import exposure
from attribution.risk import CUSTOMER, PROSPECT, account_states
from attribution.runs import Run
from attribution.seasons import season_basis
from bizops.database import Connection
from bizops.errors import UsageError

__all__ = ["EPOCH", "Candidate", "Follows", "Outlook", "known_until", "load_outlook"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """A touch that may be made: of a campaign the run knows, or of a new one for None."""

    channel: str
    campaign_id: str | None = None


@dataclass(frozen=True)
class Follows:
    """What a touch follows: the how manieth of its campaign it is, and which other channels."""

    repeat: int
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """One account at one moment, as a kept model sees it.

    Attributes
    ----------
    journeys
        Of the account alone, its campaigns numbered as the model's, new ones last.
    kept
        The model, with the account's campaigns, its baselines, and one more bin of activity, the
        last, for accounts of which it knows nothing: rates are then as they are on average.
    at_us
        The moment; what came after it is left out.
    state
        Prospect, customer, or former customer.
    at_risk
        Whether accounts in that state ever bought in the run's data.
    activity, z
        The account's bin, and its ``z``; None where the run did not know it.
    """

    journeys: Journeys
    kept: Kept
    at_us: int
    state: int
    at_risk: bool
    activity: int
    z: float | None

    @property
    def at(self) -> datetime:
        """The moment, in UTC."""
        return EPOCH + timedelta(microseconds=self.at_us)

    @property
    def segment(self) -> str:
        """Of the account."""
        return self.journeys.segments[int(self.journeys.segment[0])]

    @property
    def rate_multiplier(self) -> FloatArray:
        """What its activity multiplies rates by, shape ``(draw,)``."""
        return self.kept.posterior.activity[:, self.activity]

    def _place(self) -> int:
        """Of its baseline; a former customer is a prospect again."""
        state = CUSTOMER if self.state == CUSTOMER else PROSPECT
        return self.kept.baselines.index((self.segment, state))

    def comes_anyway(self, days: float) -> FloatArray:
        """Conversions that the baseline is expected to bring in so many days, shape ``(draw,)``.

        With what goes uncaused with touches until now, of channels that a lift test was of. The
        account stays in its state meanwhile. A season after the data is as its last knot.
        """
        first = self.at_us // US_PER_DAY
        begin = self.at_us / US_PER_DAY - first
        calendar = first + np.arange(int(np.ceil(begin + days)))
        touches, kernels = self._still(days)
        contexts, of = self._contexts(touches), self.kept.posterior
        rows = self._rows(touches.unit, contexts.of_touch, kernels)
        cells = Cells(
            count=1,
            days_cell=np.zeros(1, dtype=np.int64),
            days_baseline=np.array([self._place()]),
            days_activity=np.array([self.activity]),
            begin=np.array([begin]),
            end=np.array([begin + days]),
            calendar=season_basis(calendar, self.kept.knots),
            contexts=contexts,
            cell=np.zeros(len(touches), dtype=np.int64),
            state=rows.state,
            activity=rows.activity,
            unit=rows.unit,
            context=rows.context,
            kernels=kernels,
        )
        without = replace(of, effect=np.zeros_like(of.effect))
        found = expected(cells, without, self._unit_channel(self.kept))[:, 0]
        return found * self.at_risk

    def touches_still_add(self, days: float) -> FloatArray:
        """Conversions that its touches until now are expected to add from now on, ``(draw,)``."""
        touches, kernels = self._still(days)
        contexts = self._contexts(touches)
        rows = self._rows(touches.unit, contexts.of_touch, kernels)
        return self._added(self.kept, rows, contexts).sum(axis=1)

    def one_more(
        self, candidates: Sequence[Candidate], days: float
    ) -> tuple[FloatArray, list[Follows]]:
        """Conversions that one more touch now is expected to add in so many days, by candidate.

        Of a campaign that is not known it is what one of the channel's mean effect would add.

        Returns
        -------
        Shape ``(draw, candidate)``, and what each would follow.
        """
        kept, units = self._with_new_campaigns(candidates)
        before, count = self._before(), len(candidates)
        size = len(before) + 1
        last = size * np.arange(1, count + 1) - 1
        # each candidate with all touches before it, as an account of its own
        together = Touches(
            account=np.repeat(np.arange(count), size),
            time_us=np.tile(np.append(before.time_us, self.at_us), count),
            day_only=np.tile(np.append(before.day_only, False), count),
            unit=np.tile(np.append(before.unit, 0), count),
            event_ids=None,
        )
        together.unit[last] = units
        contexts = self._contexts(together, kept)
        exact = np.zeros(count, dtype=bool)
        kernels = exposure(np.full(count, float(days)), exact, exact)
        of = contexts.of_touch[last]
        added = self._added(kept, self._rows(units, of, kernels), contexts)
        return added, [
            Follows(
                int((before.unit == unit).sum()) + 1,
                tuple(kept.channels[first] for first in contexts.first[contexts.after[context]]),
            )
            for unit, context in zip(units.tolist(), of.tolist(), strict=True)
        ]

    def _still(self, days: float) -> tuple[Touches, FloatArray]:
        """Its touches until now, and each kernel's integral over the days from now on."""
        touches = self._before()
        lag = (self.at_us - touches.time_us) / US_PER_DAY
        exact = np.zeros(len(touches), dtype=bool)
        kernels = exposure(lag + days, touches.day_only, exact)
        kernels -= exposure(lag, touches.day_only, exact)
        return touches, np.maximum(kernels, 0.0)

    def _before(self) -> Touches:
        of = self.journeys.touches
        kept = of.time_us <= self.at_us
        return Touches(
            of.account[kept], of.time_us[kept], of.day_only[kept], of.unit[kept], event_ids=None
        )

    def _contexts(self, touches: Touches, kept: Kept | None = None) -> Contexts:
        kept = kept or self.kept
        channel = self._unit_channel(kept)[touches.unit]
        return find_contexts(touches, channel, kept.posterior.first)

    @staticmethod
    def _unit_channel(kept: Kept) -> IntArray:
        return np.array([kept.channels.index(channel) for channel, _ in kept.units], dtype=np.int64)

    def _rows(self, unit: IntArray, context: IntArray, kernels: FloatArray) -> TouchExposures:
        state = CUSTOMER if self.state == CUSTOMER else PROSPECT
        return TouchExposures(
            day=np.zeros(len(unit), dtype=np.int64),
            unit=unit,
            context=context,
            state=np.full(len(unit), state),
            activity=np.full(len(unit), self.activity),
            sums=kernels,
        )

    def _added(self, kept: Kept, rows: TouchExposures, contexts: Contexts) -> FloatArray:
        draws = added_draws(rows, contexts, self._unit_channel(kept), kept.posterior)
        return np.stack(list(draws)) * self.at_risk

    def _with_new_campaigns(self, candidates: Sequence[Candidate]) -> tuple[Kept, IntArray]:
        """The model with campaigns of their channels' mean effects, and that of each candidate."""
        of, units = self.kept.posterior, list(self.kept.units)
        effects, numbers = [of.effect], []
        for candidate in candidates:
            if candidate.campaign_id is not None:
                numbers.append(units.index((candidate.channel, candidate.campaign_id)))
                continue
            numbers.append(len(units))
            units.append((candidate.channel, "(new)"))
            place = self.kept.channels.index(candidate.channel)
            effects.append(of.channel_effect[:, place : place + 1])
        wider = replace(of, effect=np.concatenate(effects, axis=1))
        return replace(self.kept, units=tuple(units), posterior=wider), np.array(numbers)


def load_outlook(
    connection: Connection, run: Run, kept: Kept, account_id: str, at: datetime | None = None
) -> Outlook:
    """One account as a run's model sees it at a moment, in UTC.

    Parameters
    ----------
    at
        None for :func:`known_until`.

    Raises
    ------
    UsageError
        If the account has no event.
    """
    journeys = load_journeys(connection, [account_id], kept.units)
    at_us = _microseconds(at or known_until(run, journeys, account_id))
    baselines = [(name, state) for name in journeys.segments for state in (PROSPECT, CUSTOMER)]
    wider = kept.extended(journeys.units, baselines)
    of = wider.posterior
    activity = np.column_stack((of.activity, np.ones(len(of))))
    known = load_activity(connection, run.run_id, account_id)
    state = _state(journeys, at_us)
    return Outlook(
        journeys=journeys,
        kept=replace(wider, posterior=replace(of, activity=activity)),
        at_us=at_us,
        state=state,
        at_risk=state != CUSTOMER or any(of_state == CUSTOMER for _, of_state in kept.baselines),
        activity=known[0] if known else activity.shape[1] - 1,
        z=known[1] if known else None,
    )


def known_until(run: Run, journeys: Journeys, account_id: str) -> datetime:
    """The later of the end of a run's data and an account's last event.

    Raises
    ------
    UsageError
        If the account has no event.
    """
    if not len(journeys.account_ids):
        raise UsageError(f"no event of account {account_id!r} is known")
    last = EPOCH + timedelta(microseconds=journeys.until_us)
    return max(last, run.data_until or last).astimezone(UTC)


def _state(journeys: Journeys, at_us: int) -> int:
    revenue = journeys.revenue
    until = int(np.searchsorted(revenue.time_us, at_us, side="right"))
    if until:
        return int(account_states(revenue)[1][until - 1])
    # one whose first event is no new deal was a customer before
    return CUSTOMER if len(revenue) and revenue.kind[0] != "new" else PROSPECT


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
