"""``bizops forget`` and ``bizops export``: what a person may ask for."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json
from bizops.errors import BizopsError, UsageError
from bizops.settings import Settings

if TYPE_CHECKING:
    from streams.erasure import Erasure

__all__ = ["register"]

PersonArgument = Annotated[
    str, typer.Argument(metavar="KIND:VALUE", help="Such as email:ada@example.com or lead_id:L1.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(forget)
    app.command()(export)


def forget(
    person: PersonArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    even_if_unknown: Annotated[
        bool,
        typer.Option(
            "--even-if-unknown", help="Suppress the identifier though nothing is stored of it yet."
        ),
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Erase a person: all events and facts of theirs, by all that is known to be one person.

    What comes of them later, or is read again from Kafka, is not stored. docs/privacy.md says what
    stays, and why.

    Example: bizops forget email:ada@example.com
    """
    from bizops.database import connect
    from streams.erasure import forget as forget_person
    from streams.subject import parse_identifier

    settings = Settings.from_environment()
    asked = parse_identifier(person)
    connection = connect(migrated_database(settings), application="bizops-forget")
    try:
        found = forget_person(connection, settings, asked, dry_run=True)
        if not found.found and not even_if_unknown:
            raise UsageError(
                f"nothing is stored of {person}; with --even-if-unknown it is kept from being "
                "stored from now on"
            )
        if dry_run:
            _print(found, form, done=False)
            return
        if not yes:
            _print(found, Format.TABLE, done=False, err=True)
            typer.confirm("Erase this for good?", abort=True, err=True)
        done = forget_person(connection, settings, asked)
    finally:
        connection.close()
    _print(done, form, done=True, kafka=_kafka_note(settings))
    _restate(settings, done)


def export(
    person: PersonArgument,
    output: Annotated[Path | None, typer.Option(help="New file, which only you may read.")] = None,
) -> None:
    """Write everything stored of a person as JSON, as they may ask for it.

    Example: bizops export email:ada@example.com --output ada.json
    """
    from bizops.database import connect
    from streams.export import export_person
    from streams.subject import parse_identifier

    asked = parse_identifier(person)
    connection = connect(migrated_database(Settings.from_environment()))
    try:
        content = export_person(connection, asked)
    finally:
        connection.close()
    if content is None:
        raise UsageError(f"nothing is stored of {person}")
    if output is None:
        print_json(content)
        return
    text = json.dumps(content, indent=2, default=str) + "\n"
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
    except FileExistsError:
        raise UsageError(f"{output} is there already; name a new file for the export") from None
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error}") from None
    print(f"wrote {output}", file=sys.stderr)


def _restate(settings: Settings, erasure: "Erasure") -> None:
    """Give credit anew to the touches that are left; what was erased stays so in any case."""
    from attribution.restate import restate

    try:
        restate(migrated_database(settings), sorted(erasure.accounts), forgotten=True)
    except BizopsError as error:
        print(f"credit is not restated yet ({error}); run `bizops restate --forgotten`, "
              "or `bizops attribute`", file=sys.stderr)  # fmt: skip


def _print(
    erasure: "Erasure", form: Format, *, done: bool, kafka: str | None = None, err: bool = False
) -> None:
    names = [f"{kind}:{value}" for kind, value in erasure.person.identifiers]
    if form is Format.JSON:
        print_json({"done": done, "identifiers": names, "rows": erasure.rows, "kafka": kafka,
                    "accounts": sorted(erasure.accounts)})  # fmt: skip
        return
    typer.echo(f"one person: {', '.join(names)}", err=err)
    for table, count in sorted(erasure.rows.items()):
        typer.echo(f"  {count:>8,} rows of {table}", err=err)
    if done:
        typer.echo(f"erased {erasure.rows.total():,} rows; suppressed {len(names):,} identifiers")
    if kafka:
        typer.echo(kafka)


def _kafka_note(settings: Settings) -> str:
    """Until when Kafka still holds what was erased here."""
    from bizops.endpoints import find_kafka
    from bizops.topics import retention

    try:
        kept = retention(settings, find_kafka(settings))
    except BizopsError as error:
        return f"how long Kafka keeps the person's events can't be said: {error}"
    if kept is None:
        return (
            "Kafka keeps the person's events for ever: set retention.ms on its topics; "
            "read again they are not stored"
        )
    until = datetime.now(UTC) + kept + timedelta(days=1)  # brokers look now and then
    return f"Kafka still holds the person's events until {until:%Y-%m-%d} at the latest"
