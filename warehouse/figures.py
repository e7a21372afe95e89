"""The figures of one row of a report, and those that follow from others. No input or output."""

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

from bizops.best import Beside
from bizops.intervals import interval

__all__ = [
    "BASELINE",
    "Comparison",
    "Draws",
    "Estimate",
    "Group",
    "Observed",
    "Range",
    "Retention",
    "Row",
    "make_row",
    "rank",
    "roi_above_one",
]

BASELINE = "(baseline)"
SOME_DRAWS = 400
"""Of retention, where there are no draws of credit."""

FloatArray = NDArray[np.float64]


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


class Range(NamedTuple):
    """A figure as it is defined, and its 90 % interval; without a high end where there is none."""

    value: float
    low: float
    high: float | None


class Draws(NamedTuple):
    """What is credited, draw by draw; all of shape ``(draw,)``.

    Attributes
    ----------
    kept
        What is left of the IACV in all the years that its products are known to be kept.
    earned
        What is left each year of products of which that has to be estimated. NaN, as ``kept``,
        where a margin is not known.
    """

    shares: FloatArray
    iacv: FloatArray
    kept: FloatArray
    earned: FloatArray


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
    kept: float = 0.0
    earned: float = 0.0
    """As in :class:`Draws`, by mean shares."""
    draws: Draws | None = None
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

    def draws(self, count: int) -> FloatArray:
        """Years that customers may stay: of a rate that is ``Gamma(churned + 1/2, years)``.

        By Jeffreys' prior; each as likely as any other, in an order of chance, which is always the
        same. Only where churn was seen.
        """
        each = (np.arange(count) + 0.5) / count
        rates = gammaincinv(self.churned + 0.5, each) / self.years
        return np.random.default_rng(1).permutation(1.0 / rates)

    @property
    def ends(self) -> tuple[float, float]:
        """Of the 90 % interval of these years."""
        _, low, high = (float(end[0]) for end in interval(self.draws(SOME_DRAWS)[:, None]))
        return low, high


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
    cac: Range | None
    ltv: Range | None
    roi: Range | None
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
    currency: str | None,
    account_name: str | None = None,
    bounded: bool = False,
) -> Row:
    """Work out what follows from what was summed.

    Parameters
    ----------
    bounded
        Whether credit is an upper bound, so that it may be nothing.
    """
    baseline = group.key == BASELINE
    above_one, unknown = roi_above_one(seen, baseline, retention)
    if bounded:
        seen = seen.at_most()
        above_one, unknown = None, unknown or "credit is an upper bound"
    cac, ltv, roi = (None, None, None) if baseline else _worth(seen, retention, bounded)
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
        roi=roi,
        roi_above_one=above_one,
        roi_above_one_unknown=unknown,
        currency=currency,
        comparison=seen.comparison,
        bound="upper" if bounded else None,
    )


def _worth(
    seen: Observed, retention: Retention, bounded: bool
) -> tuple[Range | None, Range | None, Range | None]:
    """CAC, LTV and ROI.

    Customers that cost so much each are a falling function of conversions alone, so that its draws
    have the ends of theirs. LTV and ROI have doubt of credit and of retention, which are drawn
    together. Where credit is an upper bound, so are LTV and ROI, and CAC is a lower one.
    """
    conversions, spend = seen.conversions, seen.spend
    if conversions is None or not conversions.mean:
        return None, None, None
    cac = None
    if spend is not None:
        unbounded = bounded or conversions.low <= 0
        high = None if unbounded else spend / conversions.low
        cac = Range(spend / conversions.mean, spend / conversions.high, high)
    years = retention.mean_years
    worth = seen.kept + (seen.earned * years if years is not None and seen.earned else seen.earned)
    if math.isnan(worth) or (years is None and seen.earned):
        return cac, None, None
    if seen.draws is None:
        ends = retention.ends if years is not None else (0.0, 0.0)
        low, high = (seen.kept + seen.earned * end for end in ends)
        ltv = Range(*(part / conversions.mean for part in (worth, low, high)))
        return cac, ltv, Range(worth / spend, low / spend, high / spend) if spend else None
    shares, _, kept, earned = seen.draws
    drawn = kept + (earned * retention.draws(len(earned)) if years is not None else 0.0)
    some = shares > 0
    ltv = _ranged(worth / conversions.mean, drawn[some] / shares[some], bounded)
    roi = _ranged(worth / spend, drawn / spend, bounded) if spend else None
    return cac, ltv, roi


def _ranged(value: float, draws: FloatArray, bounded: bool) -> Range:
    _, low, high = (float(end[0]) for end in interval(draws[:, None]))
    return Range(value, 0.0 if bounded else low, high)


def roi_above_one(
    seen: Observed, baseline: bool, retention: Retention
) -> tuple[float | None, str | None]:
    """Probability that ROI is above one, or None and why it cannot be known.

    ROI is what is left of credited IACV over the years of retention / spend: the conversions that
    LTV and CAC are by cancel out. Each posterior draw has its IACV; the rate at which customers are
    lost is ``Gamma(churned + 1/2, years)`` (Jeffreys' prior), and independent of it, so that a
    draw's probability is that of a rate below what is left each year / spend, in closed form; what
    products whose retention is known bring is taken off the spend before.
    """
    draws = seen.draws
    estimated = draws is not None and bool(np.any(draws.earned > 0))
    reasons = (
        (baseline, "nothing is spent on the baseline"),
        (seen.spend is None, "no spend was recorded"),
        (seen.spend is not None and seen.spend <= 0, "the spend recorded is not above zero"),
        (draws is not None and bool(np.isnan(draws.earned).any()), "no margin was given"),
        (draws is None, "there are no posterior draws"),
        (
            estimated and not retention.churned,
            "no customer was lost in a whole term yet, so that retention is not known",
        ),
    )
    unknown = next((reason for holds, reason in reasons if holds), None)
    if unknown or draws is None or seen.spend is None:
        return None, unknown
    lacking = seen.spend - draws.kept
    open_ = lacking > 0
    chances = np.ones(len(lacking))
    rates = draws.earned[open_] / lacking[open_]
    chances[open_] = gammainc(retention.churned + 0.5, rates * retention.years)
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
