"""How long customers stay, and what they come to, by the channel or campaign that acquired them.

Each customer was acquired by one cause of its first ``new`` deal: a campaign, or none (the
baseline). Which one is not known, so in each posterior draw it is drawn from the deal's shares.
Losses are Poisson in the years of whole terms, their rates Gamma around the rate of all, as
unlike each other as the data say: a group of few customers is close to all. Amounts are as in
:mod:`attribution.customers`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from attribution.customers import PRIOR_CUSTOMERS, QUERIES, Customers
from bizops.arrays import decode_arrays
from bizops.database import Connection
from bizops.intervals import Interval, interval

__all__ = ["NOT_KNOWN", "Causes", "Worth", "draw_causes", "group_rates", "worth_by"]

FloatArray = NDArray[np.float64]
Place = tuple[str, str]

NOT_KNOWN: Place = ("(not known)", "(not known)")
"""What acquired customers of whom the run has no first deal."""
BATCH = 2_000
LIKENESS = np.geomspace(2.0, 200.0, 12)
"""Shapes that the Gamma of groups' rates may have, all as likely beforehand: from rates that differ
by 70 % to rates that are the same."""


@dataclass(frozen=True)
class Causes:
    """What acquired each customer, draw by draw.

    Attributes
    ----------
    places
        Channel and campaign of each cause.
    of_customer
        Index into ``places``, shape ``(draw, customer)``.
    """

    places: tuple[Place, ...]
    of_customer: NDArray[np.int32]

    def by(self, *, channel_only: bool) -> "Causes":
        """The same, or by channel alone."""
        if not channel_only:
            return self
        channels = sorted({channel for channel, _ in self.places})
        number = np.array([channels.index(channel) for channel, _ in self.places], dtype=np.int32)
        return Causes(tuple((channel, "") for channel in channels), number[self.of_customer])


@dataclass(frozen=True)
class Worth:
    """One group of customers; intervals hold 90 % of the draws, those of ``_50`` half of them.

    Attributes
    ----------
    customers
        How many the group acquired.
    retention_years
        Average retention; None where nobody at all was lost yet.
    first_iacv
        Of a customer's first deal; None where no amount is known.
    expansion_iacv_per_year
        What a customer's expansions add in a year; None where there were no customer years.
    ltv, ltv_50
        first_iacv x margin x retention_years; None where one of them is not known.
    """

    place: Place
    customers: Interval
    lost: Interval
    years: Interval
    retention_years: Interval | None
    first_iacv: Interval | None
    expansion_iacv_per_year: Interval | None
    ltv: Interval | None
    ltv_50: Interval | None


def draw_causes(
    connection: Connection, run_id: str, customers: Customers, random: np.random.Generator
) -> Causes:
    """Draw a cause of each customer's first deal from each of the run's draws of its shares."""
    places: dict[Place, int] = {NOT_KNOWN: 0}
    of_deal: dict[str, NDArray[np.int32]] = {}
    draws = 1
    for deal, names, shares in _deals(connection, run_id):
        numbers = np.array([places.setdefault(name, len(places)) for name in names], dtype=np.int32)
        passed = np.cumsum(shares, axis=0)
        draws = shares.shape[1]
        chance = random.random(draws) * passed[-1]
        of_deal[deal] = numbers[(passed <= chance).sum(axis=0).clip(max=len(numbers) - 1)]
    nobody = np.zeros(draws, dtype=np.int32)
    found = [of_deal.get(deal, nobody) for deal in customers.first_deal]
    of_customer = np.stack(found, axis=1) if found else np.zeros((draws, 0), dtype=np.int32)
    return Causes(tuple(places), of_customer)


def _deals(connection: Connection, run_id: str) -> Iterator[tuple[str, list[Place], FloatArray]]:
    """First deals, with draws of the shares of each of their causes, a few at a time."""

    def rows() -> Iterator[tuple[Any, ...]]:
        with connection.cursor("acquiring") as cursor:
            cursor.itersize = BATCH
            cursor.execute(QUERIES["acquiring"], {"run_id": run_id})
            while batch := cursor.fetchmany(BATCH):
                yield from batch

    for deal, same in groupby(rows(), key=lambda row: str(row[0])):
        causes = list(same)
        shares = decode_arrays([row[3] for row in causes]).astype(np.float64)
        yield deal, [(row[1], row[2]) for row in causes], shares


def worth_by(
    customers: Customers, causes: Causes, margin: float | None, random: np.random.Generator
) -> list[Worth]:
    """What customers come to by what acquired them, those who acquired most first."""
    draws, groups = len(causes.of_customer), len(causes.places)
    shape = (draws, groups)
    count, lost, years = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    first, expansion = np.full(shape, np.nan), np.full(shape, np.nan)
    known = ~np.isnan(customers.first_iacv)
    amounts = np.where(known, customers.first_iacv, 0.0)
    for d, of in enumerate(causes.of_customer):

        def summed(values: FloatArray, of: NDArray[np.int32] = of) -> FloatArray:
            return np.bincount(of, values, minlength=groups)

        count[d] = summed(np.ones(len(customers)))
        lost[d], years[d] = summed(customers.lost), summed(customers.term_years)
        weight = random.exponential(size=len(customers))
        prior = random.gamma(PRIOR_CUSTOMERS)
        first[d] = _drawn_to_all(summed(weight * amounts), summed(weight * known), prior)
        gained, stayed = weight * customers.expanded_by, weight * customers.years
        prior *= stayed.sum() / max(weight.sum(), 1e-300)  # in years of average customers
        expansion[d] = _drawn_to_all(summed(gained), summed(stayed), prior)
    retention = _retention(lost, years, random)
    ltv = None if margin is None or retention is None else first * margin * retention
    found = [
        Worth(
            place=place,
            customers=interval(count[:, g]),
            lost=interval(lost[:, g]),
            years=interval(years[:, g]),
            retention_years=_of_group(retention, g),
            first_iacv=_of_group(first, g),
            expansion_iacv_per_year=_of_group(expansion, g),
            ltv=_of_group(ltv, g),
            ltv_50=_of_group(ltv, g, probability=0.5),
        )
        for g, place in enumerate(causes.places)
        if count[:, g].any()
    ]
    return sorted(found, key=lambda worth: (-float(worth.customers.mean), worth.place))


def _of_group(draws: FloatArray | None, group: int, *, probability: float = 0.9) -> Interval | None:
    if draws is None or np.isnan(draws[:, group]).any():
        return None
    return interval(draws[:, group], probability=probability)


def _drawn_to_all(sums: FloatArray, sizes: FloatArray, prior: float) -> FloatArray:
    """Means of groups, with so much of the mean of all added to each; NaN where that is unknown."""
    if sizes.sum() <= 0:
        return np.full(len(sums), np.nan)
    return np.asarray((sums + prior * sums.sum() / sizes.sum()) / (sizes + prior))


def _retention(
    lost: FloatArray, years: FloatArray, random: np.random.Generator
) -> FloatArray | None:
    """Draws of each group's average retention, ``(draw, group)``; None where nobody was lost."""
    if not lost[0].sum() or not years[0].sum():
        return None
    found = np.empty(lost.shape)
    for d in range(len(lost)):
        overall = random.gamma(lost[d].sum() + 1.0) / years[d].sum()
        found[d] = 1 / group_rates(lost[d], years[d], overall, random)
    return found


def group_rates(
    lost: FloatArray, years: FloatArray, overall: float, random: np.random.Generator
) -> FloatArray:
    """Draw groups' annual churn rates around that of all, and how alike they are along with it.

    Given the shape ``k`` of the Gamma of rates, a group's losses are negative binomial and its rate
    is ``Gamma(k + lost, (k - 1) / overall + years)``: its mean retention is what it would be if
    ``k - 1`` customers more had been lost, after the average time of all.

    Returns
    -------
    Shape ``(group,)``, each above zero.
    """
    k = LIKENESS[:, None]
    before = (k - 1) / overall
    log = gammaln(k + lost) - gammaln(k) + k * np.log(before) - (k + lost) * np.log(before + years)
    log = log.sum(axis=1)  # what does not depend on k is left out
    chances = np.exp(log - log.max())
    likeness = float(random.choice(LIKENESS, p=chances / chances.sum()))
    rates = random.gamma(likeness + lost) / ((likeness - 1) / overall + years)
    return np.asarray(np.maximum(rates, 1e-300))
