"""The figures of one row of a report, and those that follow from others. No input or output."""

from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from bizops.best import Beside

__all__ = [
    "BASELINE",
    "Comparison",
    "Estimate",
    "Group",
    "Observed",
    "Retention",
    "Row",
    "make_row",
    "rank",
    "roi_above_one",
]

BASELINE = "(baseline)"


class Group(NamedTuple):
    """What a row is about.

    Attributes
    ----------
    key
        Channel, account_id or collateral_id, or ``(baseline)``.
    campaign_id
        Empty unless the report is by campaign or creative.
    start
        First day of the period, or None for all time.
    item
        The creative_id, empty unless the report is by creative.
    """

    key: str
    campaign_id: str
    start: date | None
    item: str = ""


class Estimate(NamedTuple):
    """A mean with its 90 % and 50 % intervals; all are equal where nothing is uncertain."""

    mean: float
    low: float
    high: float
    low_50: float
    high_50: float

    def at_most(self) -> "Estimate":
        """The same as an upper bound of what may be nothing."""
        return self._replace(low=0.0, low_50=0.0)

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """Of a figure without doubt."""
        return cls(value, value, value, value, value)

    def plus(self, constant: float) -> "Estimate":
        """Moved by an amount without doubt."""
        return Estimate(*(value + constant for value in self))


@dataclass(frozen=True)
class Comparison:
    """A creative beside the others of its campaign, or collateral beside its campaigns' means.

    Attributes
    ----------
    relative_effect
        Of a touch, where 1 is the mean of its campaign's.
    beside, worst
        A creative in its campaign, and which of the campaign's has the lowest mean; None where the
        campaign has no other.
    """

    relative_effect: Estimate
    beside: Beside | None = None
    worst: str | None = None


@dataclass(frozen=True)
class Observed:
    """What is summed for a group; None where it cannot be known."""

    touches: int | None = None
    leads: int | None = None
    attributed_leads: float | None = None
    spend: float | None = None
    conversions: Estimate | None = None
    incremental_conversions: Estimate | None = None
    incremental_iacv: Estimate | None = None
    iacv: Estimate | None = None
    median_conversion_days: float | None = None
    iacv_at_median_conversion_time: float | None = None
    iacv_draws: NDArray[np.float64] | None = None
    """Of credited IACV, shape ``(draw,)``."""
    comparison: Comparison | None = None

    def at_most(self) -> "Observed":
        """The same where credit is an upper bound."""
        named = ("conversions", "incremental_conversions", "incremental_iacv", "iacv")
        found = {name: getattr(self, name) for name in named}
        return replace(self, **{name: one.at_most() for name, one in found.items() if one})


@dataclass(frozen=True)
class Retention:
    """How long customers stay: ``churned`` of them in ``years`` of being customers in total.

    >>> Retention(churned=2, years=10.0).mean_years
    5.0
    >>> Retention(churned=0, years=10.0).mean_years is None
    True
    """

    churned: float
    years: float

    @property
    def mean_years(self) -> float | None:
        """1 / annual churn rate; None where no churn was seen."""
        return divided(self.years, self.churned)


@dataclass(frozen=True)
class Row:
    """One row of a report: docs/metrics.md defines each figure, and when it is None."""

    group: Group
    account_name: str | None
    touches: int | None
    leads: int | None
    attributed_leads: float | None
    spend: float | None
    cost_per_lead: float | None
    attributed_conversions: Estimate | None
    incremental_conversions: Estimate | None
    incremental_iacv: Estimate | None
    attributed_iacv: Estimate | None
    median_conversion_days: float | None
    iacv_at_median_conversion_time: float | None
    estimated_iacv: float | None
    cac: float | None
    ltv: float | None
    roi: float | None
    roi_above_one: float | None
    roi_above_one_unknown: str | None
    currency: str | None
    comparison: Comparison | None = None
    bound: str | None = None
    """``upper`` where credit is the most it can be, and so are LTV and ROI, and CAC the least."""


def make_row(
    group: Group,
    seen: Observed,
    *,
    retention: Retention,
    margin: float | None,
    currency: str | None,
    account_name: str | None = None,
    bounded: bool = False,
) -> Row:
    """Work out what follows from what was summed.

    Parameters
    ----------
    margin
        Share of IACV that is left after the cost of serving it, in (0, 1], or None.
    bounded
        Whether credit is an upper bound, so that it may be nothing.
    """
    baseline = group.key == BASELINE
    conversions = seen.conversions.mean if seen.conversions and not baseline else None
    iacv = seen.iacv.mean if seen.iacv and not baseline else None
    cac = divided(seen.spend, conversions)
    ltv = product(divided(iacv, conversions), margin, retention.mean_years)
    above_one, unknown = roi_above_one(seen, baseline, margin, retention)
    if bounded:
        seen = seen.at_most()
        above_one, unknown = None, unknown or "credit is an upper bound"
    return Row(
        group=group,
        account_name=account_name,
        touches=seen.touches,
        leads=seen.leads,
        attributed_leads=seen.attributed_leads,
        spend=seen.spend,
        cost_per_lead=divided(seen.spend, seen.attributed_leads),
        attributed_conversions=seen.conversions,
        incremental_conversions=seen.incremental_conversions,
        incremental_iacv=seen.incremental_iacv,
        attributed_iacv=seen.iacv,
        median_conversion_days=seen.median_conversion_days,
        iacv_at_median_conversion_time=seen.iacv_at_median_conversion_time,
        estimated_iacv=product(2.0, seen.iacv_at_median_conversion_time),
        cac=cac,
        ltv=ltv,
        roi=divided(ltv, cac),
        roi_above_one=above_one,
        roi_above_one_unknown=unknown,
        currency=currency,
        comparison=seen.comparison,
        bound="upper" if bounded else None,
    )


def roi_above_one(
    seen: Observed, baseline: bool, margin: float | None, retention: Retention
) -> tuple[float | None, str | None]:
    """Probability that ROI is above one, or None and why it cannot be known.

    ROI is credited IACV x margin x years of retention / spend: the conversions that LTV and CAC are
    by cancel out. Each posterior draw has its IACV; the rate at which customers are lost is
    ``Gamma(churned + 1/2, years)`` (Jeffreys' prior), and independent of it, so that a draw's
    probability is that of a rate below ``IACV x margin / spend``, in closed form.
    """
    reasons = (
        (baseline, "nothing is spent on the baseline"),
        (seen.spend is None, "no spend was recorded"),
        (seen.spend is not None and seen.spend <= 0, "the spend recorded is not above zero"),
        (margin is None, "no margin was given"),
        (
            not retention.churned,
            "no customer was lost in a whole term yet, so that retention is not known",
        ),
        (seen.iacv_draws is None, "there are no posterior draws"),
    )
    unknown = next((reason for holds, reason in reasons if holds), None)
    if unknown or seen.iacv_draws is None or seen.spend is None or margin is None:
        return None, unknown
    rates = seen.iacv_draws * margin / seen.spend
    chances = gammainc(retention.churned + 0.5, rates * retention.years)
    return float(chances.mean()), None


def divided(above: float | None, below: float | None) -> float | None:
    """The quotient; None where either is not known or nothing can be divided by.

    >>> divided(1.0, 4.0), divided(None, 4.0), divided(1.0, 0.0)
    (0.25, None, None)
    """
    return None if above is None or not below else above / below


def product(*factors: float | None) -> float | None:
    """All factors multiplied; None where one is not known."""
    result = 1.0
    for factor in factors:
        if factor is None:
            return None
        result *= factor
    return result


def rank(row: Row) -> tuple[date, bool, float, int, Group]:
    """Order of rows: by period, the most IACV first, the baseline last."""
    iacv = row.attributed_iacv.mean if row.attributed_iacv else 0.0
    start = row.group.start or date.min
    return start, row.group.key == BASELINE, -iacv, -(row.touches or 0), row.group
