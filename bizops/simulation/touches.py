"""Touches of the accounts' persons: those campaigns make, those that follow others, and noise."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bizops.simulation.accounts import Accounts, Persons
from bizops.simulation.plan import CAMPAIGNS, CHANNELS, CampaignPlan, Knobs

__all__ = ["Touches", "after_the_sale", "draw_touches", "intent_touches", "stranger_touches"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

DAYS_A_MONTH, DAYS_A_YEAR = 30.0, 365.0
KEPT_AT_WEEKENDS = 0.35
HOUR_OF_SESSIONS = 14.0
NURTURE = ((0.45, 0.3, 2.0), (0.15, 4.0, 4.0))
RETARGETING = ((0.3, 0.5, 2.5),)
"""Follow-ups: probability, shortest delay, mean of what is added to it (days)."""
KEPT_AS_CUSTOMER, KEPT_AFTER_CHURN = 0.5, 0.1
STRANGERS = 0.09
"""Touches of visitors who belong to no account, relative to all others."""


@dataclass(frozen=True)
class Touches:
    """One entry a touch, all of shape ``(touch,)``.

    ``at`` is in days from the start; ``person`` is -1 for a stranger, whose ``account`` is -1 too
    and whose ``stranger`` tells one visitor from another (-1 for persons of accounts);
    ``cause`` is the touch that this one follows, or -1.
    """

    at: FloatArray
    account: IntArray
    person: IntArray
    campaign: IntArray
    cause: IntArray
    stranger: IntArray

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, which: IntArray | BoolArray) -> "Touches":
        """The touches at an index or mask; ``cause`` is kept as it is."""
        return Touches(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def kept(self, keep: BoolArray) -> "tuple[Touches, IntArray]":
        """The touches in ``keep`` whose cause is kept too, in order of time.

        Also the new number of each touch, -1 for those left out, with one more -1 at the end, so
        that "no touch" stays -1: shape ``(touch + 1,)``.
        """
        keep = keep & ((self.cause < 0) | keep[self.cause])
        chosen = np.flatnonzero(keep)
        chosen = chosen[np.argsort(self.at[chosen], kind="stable")]
        number = np.full(len(self) + 1, -1)
        number[chosen] = np.arange(len(chosen))
        touches = self[chosen]
        return replace(touches, cause=number[touches.cause]), number

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """All parts one after the other; ``cause`` must count through them all already."""
        every = list(parts)
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in every]) for f in fields(cls)}
        )


def draw_touches(
    knobs: Knobs, accounts: Accounts, persons: Persons, rng: np.random.Generator
) -> Touches:
    """Draw all touches that there would be if nobody bought, in order of time.

    How many an account gets depends on its segment and activity only. Those of follow-up
    campaigns come after another touch of the same person, so that they are often the last one
    before a sale, whatever they add.
    """
    parts = [_of_campaign(number, plan, knobs, accounts, persons, rng) for number, plan in _own()]
    base = Touches.joined(parts)
    is_web = np.array([CHANNELS[plan.channel].web for plan in CAMPAIGNS])
    known = _known_when_touched(base, is_web[base.campaign], persons)
    total = [base]
    for number, plan in enumerate(CAMPAIGNS):
        if not plan.follows:
            continue
        steps, allowed = (
            (RETARGETING, is_web[base.campaign]) if plan.follows == "web" else (NURTURE, known)
        )
        eligible = np.flatnonzero(allowed)
        total += [_follow_ups(base, eligible, number, step, rng) for step in steps]
    everything = Touches.joined(total)
    return everything.kept(everything.at < knobs.days)[0]


def after_the_sale(
    touches: Touches, bought: FloatArray, churned: FloatArray, rng: np.random.Generator
) -> tuple[Touches, IntArray]:
    """Leave out half the touches of customers, and nearly all of those who left.

    Returned as :meth:`Touches.kept` does.

    ``bought`` and ``churned`` are days, infinite where neither happened, shape ``(account,)``.
    """
    draw = rng.random(len(touches))
    share = np.where(touches.at > bought[touches.account], KEPT_AS_CUSTOMER, 1.0)
    share = np.where(touches.at > churned[touches.account], KEPT_AFTER_CHURN, share)
    return touches.kept(draw < share)


def intent_touches(
    bought: FloatArray, organic: BoolArray, accounts: Accounts, persons: Persons, knobs: Knobs,
    rng: np.random.Generator,
) -> Touches:  # fmt: skip
    """Searches for our own name by people who had decided already, before an organic first deal."""
    chosen = np.flatnonzero(organic & (rng.random(len(bought)) < knobs.hidden_intent))
    account = np.repeat(chosen, rng.integers(1, 4, len(chosen)))
    at = bought[account] - rng.exponential(5.0, len(account))
    number = next(i for i, plan in enumerate(CAMPAIGNS) if plan.campaign_id == "search-brand")
    touches = _touches(at, account, _person(account, persons, rng), number)
    return touches[at > np.ceil(accounts.arrived[account])]


def stranger_touches(count: int, knobs: Knobs, rng: np.random.Generator) -> Touches:
    """Web touches of visitors who never say who they are and belong to no account."""
    web = [
        (i, plan)
        for i, plan in enumerate(CAMPAIGNS)
        if CHANNELS[plan.channel].web and not plan.follows
    ]
    weight = np.array([plan.reach * (plan.closes - plan.opens) for _, plan in web])
    choice = rng.choice(len(web), count, p=weight / weight.sum())
    opens = np.array([plan.opens for _, plan in web])[choice] * knobs.days
    closes = np.array([plan.closes for _, plan in web])[choice] * knobs.days
    at = _by_daylight(rng.uniform(np.floor(opens), np.floor(closes)), rng)
    nobody = np.full(count, -1)
    touches = _touches(at, nobody, nobody, 0)
    return replace(
        touches,
        campaign=np.array([number for number, _ in web])[choice],
        stranger=rng.integers(max(1, count // 2), size=count),
    )


def _own() -> list[tuple[int, CampaignPlan]]:
    return [(number, plan) for number, plan in enumerate(CAMPAIGNS) if not plan.follows]


def _touches(at: FloatArray, account: IntArray, person: IntArray, campaign: int) -> Touches:
    none = np.full(len(at), -1)
    return Touches(at, account, person, np.full(len(at), campaign), none, none.copy())


def _of_campaign(
    number: int, plan: CampaignPlan, knobs: Knobs, accounts: Accounts, persons: Persons,
    rng: np.random.Generator,
) -> Touches:  # fmt: skip
    from_day = np.ceil(accounts.arrived)
    opens, closes = np.floor(plan.opens * knobs.days), np.floor(plan.closes * knobs.days)
    if plan.sessions_per_year:
        sessions = max(1, round(plan.sessions_per_year * (closes - opens) / DAYS_A_YEAR))
        days = np.floor(
            opens + (np.arange(sessions) + rng.random(sessions)) / sessions * (closes - opens)
        )
        came = rng.poisson(plan.reach * accounts.activity[:, None], (len(from_day), sessions))
        came = np.minimum(came, persons.count[:, None]) * (days >= from_day[:, None])
        account, session = (
            np.repeat(i, came.ravel()) for i in np.indices(came.shape).reshape(2, -1)
        )
        at = days[session] + HOUR_OF_SESSIONS / 24
        # Colleagues at one session are different persons.
        group = account * sessions + session
        nth = np.arange(len(group)) - np.searchsorted(group, group)
        start = rng.integers(4, size=came.shape)[account, session]
        person = persons.first[account] + (start + nth) % persons.count[account]
    else:
        start = np.maximum(from_day, opens)
        length = np.maximum(closes - start, 0.0)
        count = rng.poisson(plan.reach / DAYS_A_MONTH * accounts.activity * length)
        account = np.repeat(np.arange(len(count)), count)
        at = _by_daylight(start[account] + rng.random(len(account)) * length[account], rng)
        weekend = (np.floor(at) + knobs.first_day.weekday()) % 7 >= 5
        keep = ~weekend | (rng.random(len(at)) < KEPT_AT_WEEKENDS)
        account, at = account[keep], at[keep]
        person = _person(account, persons, rng)
    return _touches(at, account, person, number)


def _person(account: IntArray, persons: Persons, rng: np.random.Generator) -> IntArray:
    """Someone of the account; the first persons are the busier ones."""
    count = persons.count[account]
    rank = np.floor(count * rng.random(len(account)) ** 1.6).astype(np.int64)
    return persons.first[account] + np.minimum(rank, count - 1)


def _by_daylight(at: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The same days, at an hour when people are awake."""
    return np.floor(at) + np.clip(rng.normal(13.5, 3.0, len(at)), 5.0, 22.9) / 24


def _known_when_touched(touches: Touches, web: BoolArray, persons: Persons) -> BoolArray:
    """Whether a touch is not among its person's visits before the form."""
    order = np.lexsort((touches.at, touches.person))
    person, is_web = touches.person[order], web[order]
    visits = np.cumsum(is_web)
    first = np.searchsorted(person, person)
    nth_visit = visits - (visits - is_web)[first]
    others = np.cumsum(~is_web)
    seen_otherwise = others - (others - ~is_web)[first] > 0
    known = np.empty(len(touches), dtype=bool)
    known[order] = seen_otherwise | (nth_visit > persons.visits_unknown[person])
    return known


def _follow_ups(
    base: Touches, eligible: IntArray, number: int, step: tuple[float, float, float],
    rng: np.random.Generator,
) -> Touches:  # fmt: skip
    probability, shortest, mean_more = step
    cause = eligible[rng.random(len(eligible)) < probability]
    at = base.at[cause] + shortest + rng.exponential(mean_more, len(cause))
    touches = _touches(at, base.account[cause], base.person[cause], number)
    return replace(touches, cause=cause)
