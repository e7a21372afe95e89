"""How long customers stay and what they buy, with doubt: what LTV is made of.

Means that deals are drawn from are those of a Dirichlet process around all deals (Ferguson, 1973;
without the other deals it is Rubin's Bayesian bootstrap, 1981): nothing is supposed of the shape of
amounts, and where there are few deals their mean is drawn to that of all.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bizops.database import Connection, load_queries

__all__ = [
    "PRIOR_CUSTOMERS",
    "QUERIES",
    "Customers",
    "ask",
    "deal_amounts",
    "load_amounts",
    "load_customers",
    "retention_years",
]

FloatArray = NDArray[np.float64]

QUERIES = load_queries("attribution", "worth.sql")
PRIOR_CUSTOMERS = 5.0
"""A group's means are drawn to those of all as if so many average customers were in it."""


@dataclass(frozen=True)
class Customers:
    """Everybody who ever was a customer; all of shape ``(customer,)``.

    Attributes
    ----------
    lost, term_years
        How often each was lost, in how many years of whole terms: nobody can be lost in one that
        runs.
    years
        Of being a customer, whether a term has ended or not.
    first_deal
        The run's conversion that made it one; None where it knows of none.
    first_iacv
        What that was worth, in the currency asked for; NaN where it is not known.
    expanded_by
        Sum of expansions, in the currency asked for.
    """

    account_ids: NDArray[np.object_]
    segment: NDArray[np.object_]
    lost: FloatArray
    term_years: FloatArray
    years: FloatArray
    first_deal: NDArray[np.object_]
    first_iacv: FloatArray
    expanded_by: FloatArray

    def __len__(self) -> int:
        return len(self.account_ids)


def load_customers(
    connection: Connection, run_id: str, data_until: datetime, currency: str | None
) -> Customers:
    """Read all customers, with the first deals of a run."""
    values = {"run_id": run_id, "data_until": data_until, "currency": currency}
    rows = ask(connection, "customers", values)
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 8
    texts = [np.array(column, dtype=object) for column in (columns[0], columns[1], columns[5])]
    numbers = [np.array(columns[place], dtype=np.float64) for place in (2, 3, 4, 6, 7)]
    return Customers(
        account_ids=texts[0],
        segment=texts[1],
        lost=numbers[0],
        term_years=numbers[1],
        years=numbers[2],
        first_deal=texts[2],
        first_iacv=numbers[3],
        expanded_by=numbers[4],
    )


def load_amounts(
    connection: Connection, run_id: str, kind: str, currency: str | None
) -> tuple[NDArray[np.object_], FloatArray]:
    """Segments and IACV of a run's conversions of one kind, in one currency."""
    values = {"run_id": run_id, "kind": kind, "currency": currency}
    rows = ask(connection, "amounts", values)
    segments = np.array([segment for segment, _ in rows], dtype=object)
    return segments, np.array([iacv for _, iacv in rows], dtype=np.float64)


def retention_years(
    customers: Customers, draws: int, random: np.random.Generator
) -> FloatArray | None:
    """Draws of the average retention, 1 / churn rate; None where nobody was lost yet.

    Losses are Poisson in the years of whole terms; with a flat prior of their rate the mean
    retention is years / losses, as reports have it.

    Returns
    -------
    In years, shape ``(draw,)``.
    """
    lost, years = customers.lost.sum(), customers.term_years.sum()
    if not lost or not years:
        return None
    return np.asarray(years / random.gamma(lost + 1.0, 1.0, draws))


def deal_amounts(
    amounts: FloatArray, of_group: NDArray[np.bool_], draws: int, random: np.random.Generator
) -> FloatArray | None:
    """Draws of the mean amount of a group's deals; None where there is no deal at all.

    Parameters
    ----------
    amounts, of_group
        Of all deals, and which are the group's, shape ``(deal,)``.

    Returns
    -------
    Shape ``(draw,)``; its mean is (group's sum + 5 x mean of all) / (group's deals + 5).
    """
    if not len(amounts):
        return None
    found = np.empty(draws)
    for d in range(draws):
        weight = random.exponential(size=len(amounts))
        prior = random.gamma(PRIOR_CUSTOMERS)
        overall = weight @ amounts / weight.sum()
        inside = random.exponential(size=int(of_group.sum()))
        found[d] = (inside @ amounts[of_group] + prior * overall) / (inside.sum() + prior)
    return found


def ask(connection: Connection, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of a named query of worth.sql."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[name], values)
        return cursor.fetchall()
