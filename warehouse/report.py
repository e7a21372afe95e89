"""What each channel, campaign, account or lead cost and brought, over any days and by any model."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from bizops.bounds import bounded_channels
from bizops.database import Connection
from bizops.errors import UsageError
from bizops.models import BAYESIAN, ON_REQUEST
from warehouse.figures import BASELINE, Retention, Row, make_row, rank
from warehouse.observe import QUERIES, ask, observe
from warehouse.question import KEYS, Question
from warehouse.schema import check_schema

__all__ = ["CreditRow", "Report", "Run", "limited", "read_run", "report"]

CreditRow = Sequence[Any]
"""A row with the columns of attribution.credit, in their order; run and model may be left out."""


@dataclass(frozen=True)
class Run:
    """The published run that a report is made of.

    Attributes
    ----------
    lookback_days
        Window of the rules whose credit it holds.
    waiting
        Revenue events with IACV that it does not explain, such as those that came after it.
    provisional
        Conversions that came after the fit and are credited by its model.
    without_rate
        Amounts that are left out, because they have no rate to the currency asked for: currency,
        how many, and the day of the last.
    """

    run_id: str
    published_at: datetime
    data_until: datetime | None
    lookback_days: float | None
    diagnostics: Mapping[str, Any]
    waiting: int
    provisional: int = 0
    without_rate: tuple[tuple[str, int, date], ...] = ()


@dataclass(frozen=True)
class Report:
    """Rows in order of period, then of IACV, the baseline's last in each period.

    Attributes
    ----------
    left_out
        Rows that ``limit`` has cut off.
    """

    question: Question
    run: Run
    rows: list[Row]
    left_out: int


def report(
    connection: Connection,
    question: Question,
    *,
    credit_rows: Iterable[CreditRow] | None = None,
) -> Report:
    """Answer ``question`` from the timelines and the published run.

    Parameters
    ----------
    credit_rows
        Credit of the question's rule that was worked out for this report, in place of the run's.

    Raises
    ------
    UsageError
        If nothing has been attributed yet, the run has no credit of this model, or amounts of
        several currencies would be added up.
    ServiceError
        If the database has not the schema this code needs.
    """
    run = read_run(connection)
    parameters = question.parameters() | {"run_id": run.run_id}
    parameters["data_until"] = run.data_until or run.published_at
    parameters["currency"] = currency = _currency(connection, question, parameters)
    left = ask(connection, "without_rate", parameters) if currency else []
    run = replace(run, without_rate=tuple((row[0], row[1], row[2]) for row in left))
    credit_table = "attribution.credit"
    if credit_rows is not None:
        _store(connection, credit_rows, run.run_id, question.model)
        credit_table = "report_credit"
    elif not ask(connection, "has_credit", parameters)[0][0]:
        asked = f" --model {question.model}" if question.model in ON_REQUEST else ""
        raise UsageError(
            f"run {run.run_id} gave no credit by {question.model}: "
            f"run `bizops attribute{asked}` again"
        )

    seen = observe(connection, question, parameters, credit_table)
    names_channel = KEYS[question.by][0] == "channel" and question.model == BAYESIAN
    bounded = bounded_channels(run.diagnostics) if names_channel else {}
    retention = Retention(*ask(connection, "retention", parameters)[0])
    by_account = question.by == "account"
    names = dict(ask(connection, "account_names", parameters)) if by_account else {}
    rows = [
        make_row(
            group,
            seen[group],
            bounded=group.key in bounded,
            retention=retention,
            currency=currency,
            account_name=names.get(group.key),
        )
        for group in seen
    ]
    kept, left_out = limited(sorted(rows, key=rank), question.limit)
    return Report(question, run, kept, left_out)


def read_run(connection: Connection) -> Run:
    """The published run; errors as in :func:`report`."""
    check_schema(connection)
    found = ask(connection, "run", {})
    if not found:
        raise UsageError("nothing has been attributed yet: run `bizops attribute`")
    run_id, published_at, data_until, settings, diagnostics = found[0]
    lookback = (settings or {}).get("lookback_days")
    waiting, provisional = ask(connection, "waiting", {"run_id": run_id})[0]
    return Run(
        run_id=run_id,
        published_at=published_at,
        data_until=data_until,
        lookback_days=None if lookback is None else float(lookback),
        diagnostics=diagnostics or {},
        waiting=waiting,
        provisional=provisional,
    )


def _currency(
    connection: Connection, question: Question, parameters: Mapping[str, Any]
) -> str | None:
    found = [row[0] for row in ask(connection, "currencies", parameters)]
    wanted = question.currency
    if wanted is not None:
        left = ask(connection, "without_rate", dict(parameters) | {"currency": wanted})
        if found and {currency for currency, *_ in left}.issuperset(found):
            raise UsageError(
                f"no amounts in {wanted}, and no exchange rates to it; there are {', '.join(found)}"
            )
        return wanted
    if len(found) > 1:
        raise UsageError(
            f"amounts are in {', '.join(found)}, which don't add up: choose one with --currency "
            "(or BIZOPS_CURRENCY), in which others are told by their exchange rates"
        )
    return found[0] if found else None


def _store(
    connection: Connection, credit_rows: Iterable[CreditRow], run_id: str, model: str
) -> None:
    lines = io.StringIO()
    csv.writer(lines).writerows((run_id, model, *row[-6:]) for row in credit_rows)
    lines.seek(0)
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists pg_temp.report_credit")
        cursor.execute(QUERIES["make_credit_rows"])
        cursor.copy_expert(QUERIES["copy_credit_rows"], lines)


def limited(rows: list[Row], limit: int | None) -> tuple[list[Row], int]:
    """The first ``limit`` of each period, and its baseline."""
    if limit is None:
        return rows, 0
    counts: dict[date | None, int] = {}
    kept = []
    for row in rows:
        if row.group.key != BASELINE:
            counts[row.group.start] = counts.get(row.group.start, 0) + 1
        if row.group.key == BASELINE or counts[row.group.start] <= limit:
            kept.append(row)
    return kept, len(rows) - len(kept)
