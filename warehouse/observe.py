"""What is summed for a report: touches, spend, leads, and credit with its intervals."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from bizops.database import Connection, load_queries
from warehouse.added import ITEMS, AddedSums, compare, read_added, read_relative
from warehouse.added import QUERIES as ITEM_QUERIES
from warehouse.draws import DrawSums, FloatArray, estimates, read_draw_sums
from warehouse.figures import BASELINE, Comparison, Estimate, Group, Observed
from warehouse.question import Question

__all__ = ["NOTHING", "QUERIES", "ask", "observe"]

QUERIES = load_queries("warehouse")
ONE_CONVERSION = 1.0
OF_CREDIT = ("median_conversion_days", "iacv_at_median_conversion_time", "kept", "earned")
"""What the query of credit gives besides what intervals are of."""
NOTHING = Estimate.exact(0.0)


def ask(
    connection: Connection, name: str, parameters: Mapping[str, Any], *, credit: str = ""
) -> list[tuple[Any, ...]]:
    """All rows of a named query; ``credit`` is the table that stands for ``{credit}`` in it."""
    with connection.cursor() as cursor:
        cursor.execute(with_common(QUERIES[name]).replace("{credit}", credit), parameters)
        return cursor.fetchall()


def with_common(query: str) -> str:
    """The query with those that several begin with, on conversions and leads, in their places."""
    for name in ("conversions", "leads"):
        query = query.replace(f"{{{name}}}", QUERIES[name])
    return query


def observe(
    connection: Connection,
    question: Question,
    parameters: Mapping[str, Any],
    credit_table: str,
) -> dict[Group, Observed]:
    """All that is summed, for each group that has anything and for the baseline of each period."""
    touches = _by_group(connection, "touches", parameters)
    spend = _by_group(connection, "spend", parameters)
    leads = _by_group(connection, "attributed_leads", parameters)
    credit = _by_group(connection, "credit", parameters, credit=credit_table)
    totals = {row[0]: row[1:] for row in ask(connection, "totals", parameters)}
    has_leads = ask(connection, "has_lead_credit", parameters)[0][0]
    sums, added, comparisons = _draws(connection, question, parameters)

    counted = {start: float(total[0]) for start, total in totals.items()}
    explained = {start: total[1] for start, total in totals.items()}
    exact = {group: row[0] for group, row in credit.items()}
    conversions, base_conversions = _shared_out(
        counted, sums.shares, exact, zero_below=ONE_CONVERSION
    )
    iacv, base_iacv = _shared_out(
        explained, sums.amounts, {group: row[1] for group, row in credit.items()}
    )
    incremental = estimates(added.conversions, zero_below=ONE_CONVERSION)
    added_iacv = estimates(added.iacv)
    groups = {*touches, *spend, *leads, *conversions, *incremental}
    observed = {
        group: Observed(
            touches=touches.get(group, (0, 0))[0],
            leads=touches.get(group, (0, 0))[1],
            attributed_leads=leads.get(group, (0.0,))[0] if has_leads else None,
            spend=spend.get(group, (None,))[0],
            conversions=conversions.get(group, NOTHING),
            incremental_conversions=incremental.get(group, NOTHING) if incremental else None,
            incremental_iacv=added_iacv.get(group, NOTHING) if added_iacv else None,
            iacv=iacv.get(group, NOTHING),
            **dict(zip(OF_CREDIT, credit.get(group, ())[2:], strict=False)),
            draws=sums.of(group),
            comparison=comparisons.get(group),
        )
        for group in groups
        if group.key != BASELINE
    }
    base_leads = {group.start: row[0] for group, row in leads.items() if group.key == BASELINE}
    for start in {*totals, *base_leads}:
        unexplained = totals[start][2] - totals[start][1] if start in totals else 0.0
        observed[_baseline(question.by, start)] = Observed(
            attributed_leads=base_leads.get(start),
            conversions=base_conversions.get(start, NOTHING),
            iacv=base_iacv.get(start, NOTHING).plus(unexplained),
        )
    return observed


def _baseline(by: str, start: date | None) -> Group:
    campaign_id = BASELINE if by in ("campaign", "creative") else ""
    return Group(BASELINE, campaign_id, start, BASELINE if by == "creative" else "")


def _draws(
    connection: Connection, question: Question, parameters: Mapping[str, Any]
) -> tuple[DrawSums, AddedSums, dict[Group, Comparison]]:
    """Draws of credit by the conversion's day, of what is added by the touch's; who is best."""
    if question.model != "bayesian":
        return DrawSums(), AddedSums(), {}
    in_parts = question.by in (*ITEMS, "lead")
    query = ITEM_QUERIES["credit_draws_of_items"] if in_parts else QUERIES["credit_draws"]
    sums = read_draw_sums(connection, with_common(query), parameters)
    if question.by in ("account", "lead"):  # draws of what is added are kept by campaign only
        return sums, AddedSums(), {}
    relative = read_relative(connection, parameters) if question.by in ITEMS else {}
    added = read_added(connection, parameters, relative)
    return sums, added, compare(added, relative, question.by)


def _shared_out(
    totals: Mapping[date | None, float],
    draws: Mapping[Group, FloatArray],
    exact: Mapping[Group, float],
    *,
    zero_below: float = 0.0,
) -> tuple[dict[Group, Estimate], dict[date | None, Estimate]]:
    """What each group gets of a period's total, and what none gets.

    By the draws where there are any, else by the figures without doubt; what none gets is the
    rest, draw by draw, so that a column adds up to its total.
    """
    if not draws:
        rest = dict(totals)
        for group, value in exact.items():
            rest[group.start] -= value
        return (
            {group: Estimate.exact(value) for group, value in exact.items()},
            {start: Estimate.exact(value) for start, value in rest.items()},
        )
    shape = next(iter(draws.values()))
    rest_draws = {start: total + 0.0 * shape for start, total in totals.items()}
    for group, values in draws.items():
        rest_draws[group.start] = rest_draws[group.start] - values
    return estimates(draws, zero_below=zero_below), estimates(rest_draws, zero_below=zero_below)


def _by_group(
    connection: Connection, name: str, parameters: Mapping[str, Any], *, credit: str = ""
) -> dict[Group, tuple[Any, ...]]:
    rows = ask(connection, name, parameters, credit=credit)
    return {Group(*row[:4]): row[4:] for row in rows}
