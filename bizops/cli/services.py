"""``bizops up``, ``down``, ``status`` and ``doctor``."""

from dataclasses import asdict
from typing import Annotated

import typer

from bizops.cli.data_checks import examine_data
from bizops.cli.printing import Format, FormatOption, print_json
from bizops.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down, status, doctor):
        app.command()(command)


def up(
    brokers: Annotated[
        int | None,
        typer.Option(help="Kafka brokers: 1 or 3; as many as there are already, unless told."),
    ] = None,
) -> None:
    """Start Kafka and PostgreSQL here, and return when both answer.

    What runs already is left alone, what crashed is started again. BIZOPS_KAFKA and
    BIZOPS_DATABASE_URL name services to use instead: those are only checked.

    Example: bizops up --brokers 3
    """
    from bizops import local

    settings = Settings.from_environment()
    local.up(settings, brokers, say=lambda sentence: typer.echo(sentence, err=True))
    for one in local.look(settings):
        typer.echo(f"{one.service:<10} {one.health:<8} {one.address}")


def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Delete their data, logs and secrets too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before deleting.")] = False,
) -> None:
    """Stop what `bizops up` started; the data stays unless --purge is given.

    Example: bizops down --purge --yes
    """
    from bizops import local

    settings = Settings.from_environment()
    if purge:
        if not yes:
            question = f"Delete all data of Kafka and PostgreSQL under {settings.home}?"
            typer.confirm(question, abort=True)
        local.purge(settings)
        typer.echo(f"Stopped, and deleted the data under {settings.home}.")
    elif local.down(settings):
        typer.echo(f"Stopped; the data stays under {settings.home}.")
    else:
        typer.echo(f"Nothing runs under {settings.home}.")


def status(output: FormatOption = Format.TABLE) -> None:
    """Print what runs where, and whether it answers; exit code 1 unless all of it does.

    Example: bizops status --format json
    """
    from bizops import local
    from bizops.local.status import Health

    settings = Settings.from_environment()
    found = local.look(settings)
    healthy = all(one.health is Health.HEALTHY for one in found)
    if output is Format.JSON:
        services = [asdict(one) for one in found]
        content = {"home": settings.home, "healthy": healthy, "services": services}
        print_json(content)
    else:
        for one in found:
            pid = one.pid if one.pid is not None else "-"
            where = one.address or "-"
            typer.echo(f"{one.service:<10} {one.health:<12} {pid:>8}  {where:<22} {one.note}")
    raise typer.Exit(0 if healthy else 1)


def doctor(
    data: Annotated[
        bool, typer.Option("--data", help="Look at the data in the database instead.")
    ] = False,
    currency: Annotated[
        str | None,
        typer.Option(
            envvar="BIZOPS_CURRENCY",
            help="With --data: the reporting currency that amounts need exchange rates to.",
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Say what this machine lacks, a sentence each; exit code 1 if something necessary does.

    With --data: what in the data does not fit together, such as campaigns without spend, touches
    without accounts and sources that fell silent, and what share of IACV each leaves unattributed
    or in doubt; exit code 1 if that is 5 % or more, or a source is silent. docs/data-checks.md says
    what each means.

    Example: bizops doctor --data --format json
    """
    from bizops import local
    from bizops.local.doctor import Verdict

    settings = Settings.from_environment()
    if data:
        raise typer.Exit(0 if examine_data(settings, currency or None, output) else 1)
    found = local.examine(settings)
    fine = all(one.verdict is not Verdict.MISSING for one in found)
    if output is Format.JSON:
        content = {"ok": fine, "checks": [asdict(one) for one in found]}
        print_json(content)
    else:
        for one in found:
            typer.echo(f"{one.verdict:<8} {one.name:<17} {one.sentence}")
    raise typer.Exit(0 if fine else 1)
