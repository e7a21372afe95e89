"""Contracts: what each conversion was worth, how it came about, and what became of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bizops.simulation.accounts import Accounts
from bizops.simulation.conversions import Caused
from bizops.simulation.plan import SEGMENTS, Knobs

__all__ = ["Contracts", "Deal", "LostDeal", "draw_contracts", "draw_deals", "draw_lost_deals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DAYS_A_MONTH = 365.0 / 12
EXPANSION_SHARE, SIGMA_EXPANSION = 0.25, 0.5
CONTRACTION = 0.1
LOST_PER_DAY = 0.0005
NO_TOUCH = -1


@dataclass(frozen=True)
class Contracts:
    """Of each account, shape ``(account,)``: its term, and when it leaves (infinite if never)."""

    term_months: IntArray
    churned: FloatArray


@dataclass(frozen=True)
class Deal:
    """One change of contract value; ``touch`` caused it, or -1; ``opened`` is None if no sale."""

    at: float
    account: int
    kind: str
    iacv_usd: int
    arr_usd: int
    term_months: int
    touch: int
    day_only: bool
    opened: float | None


@dataclass(frozen=True)
class LostDeal:
    """A deal that came to nothing; ``closed`` may be after the end: then it is open still."""

    opened: float
    closed: float
    account: int
    amount_usd: int


def draw_contracts(
    knobs: Knobs, accounts: Accounts, bought: FloatArray, rng: np.random.Generator
) -> Contracts:
    """Draw terms, and after how many of them each customer leaves."""
    n = len(bought)
    draw = rng.random(n)
    term = np.array(
        [
            SEGMENTS[s].terms_months[int(u * len(SEGMENTS[s].terms_months))]
            for s, u in zip(accounts.segment, draw, strict=True)
        ]
    )
    leaves = np.array([s.churn_at_renewal for s in SEGMENTS])[accounts.segment]
    churned = bought + rng.geometric(leaves, n) * term * DAYS_A_MONTH
    return Contracts(term, np.where(churned < knobs.days, churned, np.inf))


def draw_deals(
    knobs: Knobs, accounts: Accounts, contracts: Contracts, first: Caused, expansions: Caused,
    rng: np.random.Generator,
) -> list[Deal]:  # fmt: skip
    """All changes of contract value, customer by customer, each customer's in order of time."""
    deals: list[Deal] = []
    order = np.argsort(expansions.account, kind="stable")
    starts = np.searchsorted(expansions.account[order], np.arange(len(accounts.ids) + 1))
    for at, account, touch in zip(
        first.at.tolist(), first.account.tolist(), first.touch.tolist(), strict=True
    ):
        mine = order[starts[account] : starts[account + 1]]
        changes = [
            (float(expansions.at[i]), "expansion", int(expansions.touch[i])) for i in mine
        ] + _renewals(at, contracts, account, knobs)
        deals += _history(at, account, touch, sorted(changes), accounts, contracts, knobs, rng)
    return deals


def draw_lost_deals(
    knobs: Knobs, accounts: Accounts, bought: FloatArray, rng: np.random.Generator
) -> list[LostDeal]:
    """Draw deals of prospects that fail, at the same rate for all."""
    until = np.minimum(bought, knobs.days)
    length = np.maximum(until - accounts.arrived, 0.0)
    account = np.repeat(np.arange(len(length)), rng.poisson(LOST_PER_DAY * length))
    opened = accounts.arrived[account] + rng.random(len(account)) * length[account]
    segment = accounts.segment[account]
    cycle = np.array([s.sales_cycle_days for s in SEGMENTS])[segment]
    closed = opened + 1.0 + rng.exponential(cycle)
    median = np.array([s.median_iacv_usd for s in SEGMENTS])[segment]
    amount = np.round(median * np.exp(rng.normal(0.0, 0.5, len(account)))).astype(np.int64)
    return [
        LostDeal(*row)
        for row in zip(
            opened.tolist(), closed.tolist(), account.tolist(), amount.tolist(), strict=True
        )
    ]


def _renewals(
    at: float, contracts: Contracts, account: int, knobs: Knobs
) -> list[tuple[float, str, int]]:
    churned = float(contracts.churned[account])
    step = float(contracts.term_months[account]) * DAYS_A_MONTH
    count = int((min(churned, knobs.days) - at) / step + 1e-9)
    renewals = [(at + k * step, "renewal", NO_TOUCH) for k in range(1, count + 1)]
    # The same sum as in draw_contracts may end a hair before or after churn.
    renewals = [r for r in renewals if r[0] < min(churned - 1.0, knobs.days)]
    return [*renewals, (churned, "churn", NO_TOUCH)] if churned < knobs.days else renewals


def _history(
    at: float, account: int, touch: int, changes: list[tuple[float, str, int]],
    accounts: Accounts, contracts: Contracts, knobs: Knobs, rng: np.random.Generator,
) -> list[Deal]:  # fmt: skip
    segment = SEGMENTS[accounts.segment[account]]
    term = int(contracts.term_months[account])
    arr, deals = 0, []
    for when, what, caused_by in [(at, "new", touch), *changes]:
        kind, opened = what, None
        if kind == "new":
            iacv = round(segment.median_iacv_usd * np.exp(rng.normal(0.0, segment.sigma_iacv)))
        elif kind == "expansion":
            iacv = max(100, round(EXPANSION_SHARE * arr * np.exp(rng.normal(0.0, SIGMA_EXPANSION))))
        elif kind == "churn":
            iacv = -arr
        elif rng.random() < CONTRACTION:
            kind, iacv = "contraction", -round(arr * rng.uniform(0.1, 0.4))
        else:
            iacv = 0
        arr += iacv
        if kind in ("new", "expansion"):
            earliest = accounts.arrived[account] if kind == "new" else at
            opened = max(float(earliest), when - 1.0 - rng.exponential(segment.sales_cycle_days))
            opened = min(opened, when)
        day_only = (
            kind in ("renewal", "contraction", "churn") or rng.random() < knobs.day_only_share
        )
        deals.append(
            Deal(when, account, kind, int(iacv), arr, term, caused_by, bool(day_only), opened)
        )
    return deals
