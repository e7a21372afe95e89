"""Accounts, and the persons who work there."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from bizops.simulation.plan import SEASONS, SEGMENTS, Knobs

__all__ = ["Accounts", "Persons", "draw_accounts", "draw_persons", "season_by_day"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _words(text: str) -> list[str]:
    return text.split()


SHARE_FROM_START = 0.7
LATEST_ARRIVAL = 0.85
SIGMA_ACTIVITY = 0.9
INDUSTRIES = _words("""
software manufacturing logistics retail banking insurance healthcare energy education media
telecoms construction
""")
COUNTRIES = ("US", "US", "US", "GB", "DE", "FR", "NL", "SE", "CA", "AU", "SG", "ES")
FIRST_WORDS = _words("""
Amber Arbor Aster Beacon Birch Bluff Brook Cedar Cinder Cobalt Coral Crest Dapple Delta Drift
Ember Fable Falcon Fern Flint Forge Garnet Glade Granite Harbor Hazel Heron Indigo Iron Ivory
Jasper Juniper Kestrel Lantern Larch Linden Lunar Maple Marble Meadow Mica Nimbus North Oak Onyx
Opal Orchard Osprey Pebble Pine Quarry Quill Raven Ridge River Rowan Sable Saffron Sierra Silver
Slate Sparrow Spruce Summit Tamarack Thistle Timber Umber Velvet Willow Winter Zephyr
""")
SECOND_WORDS = _words("""
Analytics Automation Bank Biotech Brands Capital Care Chemicals Cloud Components Controls Data
Design Devices Diagnostics Dynamics Electric Engineering Exchange Farms Finance Foods Freight
Gear Glass Grid Group Health Holdings Homes Industries Instruments Insurance Labs Learning
Lighting Logistics Machines Marine Materials Media Medical Metals Mobility Motors Networks
Optics Packaging Paper Payments Pharma Photonics Plastics Power Press Print Rail Robotics
Sensors Services Shipping Software Solar Steel Studios Supply Systems Telecom Textiles Tools
Trading Water Works
""")
GIVEN_NAMES = _words("""
ada ana ben chen clara david dina elena emil femi grace hugo ines ivan jana joao kai lara leila
liam lucia maya mei nadia nils noor omar petra priya rafael rosa samir sofia tariq tomas uma
vera wei yara zoe
""")
FAMILY_NAMES = _words("""
adler ahmed baker berg costa diaz dubois eriksen fischer garcia haas ito jansen kaur khan kim
kovac larsen lopez martin meyer moreau nguyen novak okoro olsen patel perez popov rossi sato
schmidt silva singh smith suarez tanaka weber wong yilmaz
""")


@dataclass(frozen=True)
class Accounts:
    """One entry an account, all of shape ``(account,)``.

    ``arrived`` is the day (from the start, with its fraction) from which it is at risk;
    ``activity`` how many touches it gets relative to the mean; ``propensity`` multiplies all of
    its rates of conversion.
    """

    segment: IntArray
    arrived: FloatArray
    activity: FloatArray
    propensity: FloatArray
    employees: IntArray
    industry: IntArray
    country: IntArray
    ids: list[str]
    names: list[str]
    domains: list[str]


@dataclass(frozen=True)
class Persons:
    """One entry a person, all of shape ``(person,)``, those of one account next to each other.

    ``visits_unknown`` is how many web visits go by before the person fills in a form.
    """

    account: IntArray
    first: IntArray
    count: IntArray
    visits_unknown: IntArray
    has_user_id: NDArray[np.bool_]
    two_cookies: NDArray[np.bool_]
    emails: list[str]


def draw_accounts(knobs: Knobs, rng: np.random.Generator) -> Accounts:
    """Draw the accounts: most are prospects in the first week, the rest arrive over time."""
    n = knobs.accounts
    segment = rng.choice(len(SEGMENTS), n, p=[s.share for s in SEGMENTS]).astype(np.int64)
    late = rng.random(n) >= SHARE_FROM_START
    day = np.where(
        late, rng.uniform(0, LATEST_ARRIVAL * knobs.days, n), rng.uniform(0, min(7, knobs.days), n)
    )
    log_activity = rng.normal(0.0, SIGMA_ACTIVITY, n)
    propensity = np.exp(knobs.propensity * log_activity)
    names = _names(n, rng)
    limits = np.array([s.employees for s in SEGMENTS], dtype=float)[segment]
    return Accounts(
        segment=segment,
        arrived=np.floor(day) + rng.uniform(0.3, 0.7, n),
        activity=np.exp(log_activity - SIGMA_ACTIVITY**2 / 2)
        * np.array([s.activity for s in SEGMENTS])[segment],
        propensity=propensity / np.exp((knobs.propensity * SIGMA_ACTIVITY) ** 2 / 2),
        employees=np.exp(rng.uniform(*np.log(limits).T)).astype(np.int64),
        industry=rng.integers(len(INDUSTRIES), size=n),
        country=rng.integers(len(COUNTRIES), size=n),
        ids=[f"A{knobs.world_id}-{i:05d}" for i in range(n)],
        names=names,
        domains=[f"{name.lower().replace(' ', '-')}.example" for name in names],
    )


def draw_persons(accounts: Accounts, rng: np.random.Generator) -> Persons:
    """Draw one to four persons an account, more where it is larger."""
    shares = np.cumsum([s.persons for s in SEGMENTS], axis=1)[accounts.segment]
    count = 1 + (rng.random(len(shares))[:, None] > shares[:, :-1]).sum(axis=1)
    account = np.repeat(np.arange(len(count)), count)
    n = len(account)
    first = np.cumsum(count) - count
    given, family = rng.integers(len(GIVEN_NAMES), size=n), rng.integers(len(FAMILY_NAMES), size=n)
    rank = np.arange(n) - first[account]
    return Persons(
        account=account,
        first=first,
        count=count,
        visits_unknown=rng.geometric(0.4, n) - 1,
        has_user_id=rng.random(n) < 0.2,
        two_cookies=rng.random(n) < 0.25,
        # The rank in the account keeps two of the same name apart.
        emails=[
            f"{GIVEN_NAMES[g]}.{FAMILY_NAMES[f]}{r or ''}@{accounts.domains[a]}"
            for g, f, r, a in zip(given, family, rank, account, strict=True)
        ],
    )


def season_by_day(knobs: Knobs) -> FloatArray:
    """The organic rate of each day relative to its mean over a year, shape ``(day,)``."""
    mean = sum(SEASONS) / len(SEASONS)
    months = [(knobs.first_day + timedelta(day)).month for day in range(knobs.days)]
    return np.array([SEASONS[month - 1] / mean for month in months])


def _names(n: int, rng: np.random.Generator) -> list[str]:
    pairs = len(FIRST_WORDS) * len(SECOND_WORDS)
    order = rng.permutation(pairs)[np.arange(n) % pairs]
    rounds = np.arange(n) // pairs
    return [
        f"{FIRST_WORDS[i // len(SECOND_WORDS)]} {SECOND_WORDS[i % len(SECOND_WORDS)]}"
        + (f" {r + 1}" if r else "")
        for i, r in zip(order, rounds, strict=True)
    ]
