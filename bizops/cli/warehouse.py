"""``bizops migrate``, ``transform`` and ``report``."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bizops.endpoints import find_database
from bizops.errors import UsageError
from bizops.models import BAYESIAN, MODELS
from bizops.settings import Settings

if TYPE_CHECKING:
    from bizops.database import Connection
    from warehouse.question import Question
    from warehouse.report import CreditRow, Run

__all__ = ["register"]

ALL = "all"
Margin = Annotated[
    float | None,
    typer.Option(
        envvar="BIZOPS_MARGIN",
        help="Share of IACV left after the cost of serving it, such as 0.8, of products of which "
        "no event says it: LTV needs it.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(migrate)
    app.command()(transform)
    app.command()(report)


def migrate() -> None:
    """Bring the database's schema to the newest revision; harmless if it is there already.

    Example: bizops migrate
    """
    from warehouse.schema import migrate as bring_up_to_date

    found, now = bring_up_to_date(find_database(Settings.from_environment()))
    typer.echo(f"Already at revision {now}." if found == now else f"Now at revision {now}.")


def transform(
    select: Annotated[
        list[str] | None,
        typer.Option(help="Only these: a dbt selector, such as +account_timeline; repeatable."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Make everything anew.")] = False,
    margin: Margin = None,
) -> None:
    """Build the marts with dbt, and test them.

    The marts are in the schema `marts`: performance of channels, campaigns, organizations, leads
    and collateral, each account's timeline, the metrics of each department, and which of those are
    available. What has changed since the last time is brought up to date; all is made anew after
    another run of `bizops attribute`. Credit is of the newest published run; before the first it is
    empty. Amounts are told in BIZOPS_CURRENCY where they have an exchange rate, else in their own.

    Example: bizops transform --select +account_timeline
    """
    from rich.console import Console

    from warehouse.transform import transform as build

    settings = Settings.from_environment()
    database_url = find_database(settings)
    with Console(stderr=True).status("dbt builds and tests the marts…"):
        built = build(settings, database_url, select=tuple(select or ()), full=full, margin=margin)
    for name, rows in sorted(built.rows.items()):
        told = "a view" if rows is None else f"{rows:,} rows"
        typer.echo(f"marts.{name:<26} {told:>14}")
    how = "made anew" if built.is_full else "brought up to date"
    typer.echo(f"{built.models} models {how}, {built.tests} tests passed.")


def report(
    by: Annotated[
        str,
        typer.Option(
            help="channel, campaign, account (organization), lead, creative or collateral."
        ),
    ],
    period: Annotated[str, typer.Option(help="day, week, month, quarter or all.")] = "all",
    model: Annotated[
        str,
        typer.Option(help=f"{', '.join(MODELS)}; or all, side by side."),
    ] = "bayesian",
    lookback: Annotated[
        float | None,
        typer.Option(help="A rule counts touches up to so many days before the conversion."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, in UTC.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, in UTC.")
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(
            envvar="BIZOPS_CURRENCY",
            help="Tell amounts in this currency, such as EUR, by the exchange rates of their days.",
        ),
    ] = None,
    margin: Margin = None,
    limit: Annotated[
        int | None, typer.Option(help="Most rows of a period, the (baseline) aside.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Say what each channel, campaign, account, lead, creative or collateral cost and brought.

    What no campaign gets is the row (baseline), so that the column of IACV adds up to all there
    is. What cannot be known is empty, never 0. docs/metrics.md defines each figure. `--model all`
    shows what each model credits, side by side; `--by creative` says which of a campaign's ads
    works best, and how sure that is.

    Example: bizops report --by campaign --period month --from 2026-01-01 --format csv
    """
    import sys

    from rich.console import Console

    from bizops.database import opened
    from warehouse import formats
    from warehouse.question import Question

    if form not in ("table", "json", "csv"):
        raise UsageError(f"no format {form!r}; have table, json, csv")
    settings = Settings.from_environment()
    question = Question(
        by=by,
        period=period,
        model=BAYESIAN if model == ALL else model,
        first_day=_day(first),
        last_day=_day(last),
        currency=currency,
        margin=margin,
        limit=limit,
        calendar=settings.calendar,
    )
    database_url = find_database(settings)
    width = Console().width if sys.stdout.isatty() else 120
    with opened(database_url, application="bizops-report") as connection:
        answer = _side_by_side if model == ALL else _by_one_model
        run, shown = answer(connection, question, lookback, form, width)
    if form != "table":
        typer.echo(formats.describe_run(run), err=True)
    typer.echo(shown, nl=False)


def _by_one_model(
    connection: "Connection", question: "Question", lookback: float | None, form: str, width: int
) -> "tuple[Run, str]":
    """A report as text, and the run it is of."""
    from warehouse import formats
    from warehouse.report import report as answer

    rows = _credit_rows(connection, question, lookback)
    found = answer(connection, question, credit_rows=rows)
    if form == "csv":
        return found.run, formats.as_csv(found)
    as_json = form == "json"
    shown = formats.as_json(found) if as_json else formats.as_table(found, width=width)
    return found.run, shown + "\n"


def _side_by_side(
    connection: "Connection", question: "Question", lookback: float | None, form: str, width: int
) -> "tuple[Run, str]":
    """The same of all models."""
    from warehouse.side_by_side import side_by_side

    if lookback is not None:
        raise UsageError("--lookback is for one rule at a time: expected --model with its name")
    found = side_by_side(connection, question)
    if form == "csv":
        return found.run, found.as_csv()
    shown = found.as_json() if form == "json" else found.as_table(width=width)
    return found.run, shown + "\n"


def _credit_rows(
    connection: "Connection", question: "Question", lookback: float | None
) -> "Iterable[CreditRow] | None":
    """Credit of a rule by another window than the run's; None where the run's will do."""
    from warehouse.report import read_run

    if lookback is None:
        return None
    if question.model == BAYESIAN:
        raise UsageError("--lookback is for rules: the Bayesian model learns how long touches work")
    if not lookback > 0:
        raise UsageError(f"--lookback is {lookback:g}; expected days, above 0")
    if read_run(connection).lookback_days == lookback:
        return None
    from attribution.rulebook import credit_by_rule

    return credit_by_rule(connection, question.model, lookback)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
