"""The figures of one row of a report, and those that follow from others. No input or output."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

__all__ = ["BASELINE", "Estimate", "Group", "Observed", "Retention", "Row", "make_row", "rank"]

BASELINE = "(baseline)"


class Group(NamedTuple):
    """What a row is about.

    Attributes
    ----------
    key
        Channel or account_id, or ``(baseline)``.
    campaign_id
        Empty unless the report is by campaign.
    start
        First day of the period, or None for all time.
    """

    key: str
    campaign_id: str
    start: date | None


class Estimate(NamedTuple):
    """A mean and its 90 % interval; all three are equal where nothing is uncertain."""

    mean: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """Of a figure without doubt."""
        return cls(value, value, value)

    def plus(self, constant: float) -> "Estimate":
        """Moved by an amount without doubt."""
        return Estimate(self.mean + constant, self.low + constant, self.high + constant)


@dataclass(frozen=True)
class Observed:
    """What is summed for a group; None where it cannot be known."""

    touches: int | None = None
    leads: int | None = None
    attributed_leads: float | None = None
    spend: float | None = None
    conversions: Estimate | None = None
    incremental_conversions: Estimate | None = None
    iacv: Estimate | None = None
    median_conversion_days: float | None = None
    iacv_at_median_conversion_time: float | None = None


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
    attributed_iacv: Estimate | None
    median_conversion_days: float | None
    iacv_at_median_conversion_time: float | None
    estimated_iacv: float | None
    cac: float | None
    ltv: float | None
    roi: float | None
    currency: str | None


def make_row(
    group: Group,
    seen: Observed,
    *,
    retention: Retention,
    margin: float | None,
    currency: str | None,
    account_name: str | None = None,
) -> Row:
    """Work out what follows from what was summed.

    Parameters
    ----------
    margin
        Share of IACV that is left after the cost of serving it, in (0, 1], or None.
    """
    baseline = group.key == BASELINE
    conversions = seen.conversions.mean if seen.conversions and not baseline else None
    iacv = seen.iacv.mean if seen.iacv and not baseline else None
    cac = divided(seen.spend, conversions)
    ltv = product(divided(iacv, conversions), margin, retention.mean_years)
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
        attributed_iacv=seen.iacv,
        median_conversion_days=seen.median_conversion_days,
        iacv_at_median_conversion_time=seen.iacv_at_median_conversion_time,
        estimated_iacv=product(2.0, seen.iacv_at_median_conversion_time),
        cac=cac,
        ltv=ltv,
        roi=divided(ltv, cac),
        currency=currency,
    )


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
