"""``bizops restate``: credit of the published run brought up to date without a fit."""

from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json
from bizops.errors import UsageError
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.restate import Restatement

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(restate)


def restate(
    account: Annotated[
        list[str] | None,
        typer.Option(help="Only this account, stale or not; may be given several times."),
    ] = None,
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="Look at every lead: touches of some are gone.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Bring the published run's credit up to date with late, moved and erased events.

    The model stays as it was fitted; conversions that came since are credited by it and marked as
    provisional until the next `bizops attribute`.

    Example: bizops restate --account acme
    """
    from attribution.restate import restate as restate_credit

    database_url = migrated_database(Settings.from_environment())
    done = restate_credit(database_url, account or None, forgotten=forgotten)
    if done is None:
        raise UsageError("no run is published, so there is no credit to restate")
    if form is Format.JSON:
        print_json(vars(done))
        return
    _print(done)


def _print(done: "Restatement") -> None:
    if done.restated_at is None:
        typer.echo(f"Run {done.run_id}: nothing is stale.")
        return
    typer.echo(
        f"Run {done.run_id}: restated {done.conversions:,} conversions and {done.leads:,} leads."
    )
    for why, count in sorted(done.reasons.items()):
        typer.echo(f"  {why}: {count:,}")
    if done.new_campaigns:
        typer.echo(f"  not known to the fit: {', '.join(done.new_campaigns)}")
