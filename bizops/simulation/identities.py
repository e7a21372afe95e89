"""Who is known when, and what a touch says about who it was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bizops.simulation.accounts import Accounts, Persons
from bizops.simulation.plan import CAMPAIGNS, CHANNELS, Knobs
from bizops.simulation.touches import Touches

__all__ = ["Fact", "draw_facts", "identifiers_of_touches", "known_from", "lead_id"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

IS_WEB = np.array([CHANNELS[plan.channel].web for plan in CAMPAIGNS])
IS_CONTENT = np.array([plan.channel == "content" for plan in CAMPAIGNS])
TWO_STEPS = 0.4
A_MINUTE = 1 / 1440


@dataclass(frozen=True)
class Fact:
    """Identifiers that belong together from a moment (in days from the start) on."""

    at: float
    identifiers: dict[str, str]


def known_from(
    knobs: Knobs, accounts: Accounts, persons: Persons, touches: Touches,
    opened: FloatArray, rng: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """When each person says who they are, in days, infinite if never: shape ``(person,)``.

    At the first touch outside the web, at the visit on which they fill in a form, or some days
    after their last visit. A person without touches may be put into the CRM by hand. Whoever is
    known first in an account that has a deal (``opened``, infinite without, shape ``(account,)``)
    is known when it opens at the latest.
    """
    n = len(persons.account)
    known = np.full(n, np.inf)
    mine = touches[touches.person >= 0]
    web = IS_WEB[mine.campaign]
    np.minimum.at(known, mine.person[~web], mine.at[~web])

    visits = mine[web]
    order = np.lexsort((visits.at, visits.person))
    person, at = visits.person[order], visits.at[order]
    nth = np.arange(len(person)) - np.searchsorted(person, person)
    form = nth == persons.visits_unknown[person]
    np.minimum.at(known, person[form], at[form])

    last = np.full(n, -np.inf)
    np.maximum.at(last, mine.person, mine.at)
    later = np.minimum(last + rng.exponential(5.0, n), knobs.days - A_MINUTE)
    known = np.where(np.isinf(known) & (last >= 0), later, known)
    by_hand = accounts.arrived[persons.account] + rng.exponential(200.0, n)
    known = np.where(np.isinf(known) & (by_hand < knobs.days), by_hand, known)

    first = np.lexsort((known, persons.account))[persons.first]
    known[first] = np.minimum(known[first], opened)
    return known


def draw_facts(
    knobs: Knobs, accounts: Accounts, persons: Persons, touches: Touches, known: FloatArray,
    carried: list[dict[str, str]], rng: np.random.Generator,
) -> list[Fact]:  # fmt: skip
    """The facts that lead from every identifier a person's touches carry to the account.

    Some arrive at once; others in two steps, first the form on the website, then the CRM.
    """
    last = knobs.days - A_MINUTE
    cookies: dict[int, dict[str, float]] = {}
    for person, at, fields in zip(
        touches.person.tolist(), touches.at.tolist(), carried, strict=True
    ):
        if person >= 0 and "anonymous_id" in fields:
            cookies.setdefault(person, {}).setdefault(fields["anonymous_id"], at)
    two_steps = rng.random(len(known)) < TWO_STEPS
    crm_delay = rng.exponential(0.7, len(known)) + A_MINUTE
    facts: list[Fact] = []
    for person in np.flatnonzero(np.isfinite(known)).tolist():
        at, email, lead = float(known[person]), persons.emails[person], lead_id(knobs, person)
        account = accounts.ids[persons.account[person]]
        seen = cookies.get(person, {})
        before = [cookie for cookie, used in seen.items() if used <= at] or list(seen)[:1]
        first = {"anonymous_id": before[0]} if before else {}
        whole = {"email": email, "lead_id": lead, "account_id": account}
        if two_steps[person] and before:
            facts.append(Fact(at, first | {"email": email}))
            facts.append(Fact(min(at + float(crm_delay[person]), last), whole))
        else:
            facts.append(Fact(at, first | whole))
        facts += [
            Fact(min(max(used, at) + 2 * A_MINUTE, last), {"anonymous_id": cookie, "email": email})
            for cookie, used in seen.items()
            if cookie not in first.values()
        ]
        if persons.has_user_id[person]:
            user = _user(knobs, person)
            facts.append(Fact(min(at + 5 * A_MINUTE, last), {"user_id": user, "email": email}))
    return facts


def identifiers_of_touches(
    knobs: Knobs, accounts: Accounts, persons: Persons, touches: Touches, known: FloatArray,
    rng: np.random.Generator,
) -> list[dict[str, str]]:  # fmt: skip
    """What each touch says about who it was, in the order of ``touches``.

    A web touch of somebody not known yet, or of a stranger, has a cookie only.
    """
    switch = rng.uniform(0, knobs.days, len(persons.account))
    draw = rng.random(len(touches)).tolist()
    patterns = [_patterns(CHANNELS[plan.channel].records) for plan in CAMPAIGNS]
    is_known = (touches.person >= 0) & (touches.at >= known[touches.person])
    new_cookie = persons.two_cookies[touches.person] & (touches.at > switch[touches.person])
    as_user = is_known & IS_CONTENT[touches.campaign] & persons.has_user_id[touches.person]
    rows: list[dict[str, str]] = []
    for person, account, stranger, campaign, k, new, user, u in zip(
        touches.person.tolist(), touches.account.tolist(), touches.stranger.tolist(),
        touches.campaign.tolist(), is_known.tolist(), new_cookie.tolist(), as_user.tolist(), draw,
        strict=True,
    ):  # fmt: skip
        if person < 0:
            rows.append({"anonymous_id": f"S{knobs.world_id}-{stranger:06d}"})
            continue
        names: tuple[str, ...] = next(names for limit, names in patterns[campaign] if u < limit)
        if IS_WEB[campaign] and not k:
            names = ("anonymous_id",)
        elif user:
            names = ("user_id",)
        rows.append(
            {name: _value(name, knobs, accounts, persons, person, account, new) for name in names}
        )
    return rows


def _patterns(records: dict[str, float]) -> list[tuple[float, tuple[str, ...]]]:
    limits = np.cumsum(list(records.values()))
    limits[-1] = 1.0
    return [
        (float(limit), tuple(names.split("+")))
        for limit, names in zip(limits, records, strict=True)
    ]


def _value(
    name: str, knobs: Knobs, accounts: Accounts, persons: Persons, person: int, account: int,
    new_cookie: bool,
) -> str:  # fmt: skip
    match name:
        case "account_id":
            return accounts.ids[account]
        case "email":
            return persons.emails[person]
        case "lead_id":
            return lead_id(knobs, person)
        case "user_id":
            return _user(knobs, person)
    return f"V{knobs.world_id}-{person:06d}{'b' if new_cookie else ''}"


def lead_id(knobs: Knobs, person: int) -> str:
    """The id under which the CRM knows a person."""
    return f"L{knobs.world_id}-{person:06d}"


def _user(knobs: Knobs, person: int) -> str:
    return f"U{knobs.world_id}-{person:06d}"
