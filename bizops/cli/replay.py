"""``bizops replay``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.endpoints import find_endpoints
from bizops.settings import Settings

if TYPE_CHECKING:
    from streams.replay import Rebuilt
    from streams.reread import Reread

__all__ = ["register"]


class Origin(StrEnum):
    """What state is rebuilt from."""

    EVENTS = "events"
    KAFKA = "kafka"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    origin: Annotated[
        Origin,
        typer.Option(
            "--from", help="The stored events, or first Kafka once more, for rows that were lost."
        ),
    ] = Origin.EVENTS,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that read Kafka.")] = 1,
    form: FormatOption = Format.TABLE,
) -> None:
    """Rebuild all derived state, of identity and of summaries, while the stream goes on.

    Where everything was right nothing changes, and it says so. It may be stopped at any moment;
    what operators decided is kept.

    Example: bizops replay --from kafka --workers 2
    """
    from streams.replay import rebuild
    from streams.reread import reread

    settings = Settings.from_environment()
    database_url = migrated_database(settings)
    again = None
    if origin is Origin.KAFKA:
        with _progress() as tell:
            again = reread(
                settings,
                find_endpoints(settings),
                workers,
                lambda done, total: tell("Kafka", done, total),
            )
    with _progress() as tell:
        rebuilt = rebuild(database_url, tell)
    if form is Format.JSON:
        print_json(asdict(rebuilt) | {"reread": asdict(again) if again is not None else None})
        return
    if again is not None:
        _print_reread(again)
    _print_rebuilt(rebuilt)


def _print_reread(again: "Reread") -> None:
    stored = ", ".join(f"{kind} {count:,}" for kind, count in again.stored.items())
    print(f"{again.records:,} records of Kafka read again; stored meanwhile: {stored or 'nothing'}")
    for topic, count in again.gone.items():
        print(
            f"Kafka no longer holds {count:,} records of {topic}: rows of theirs that were lost "
            "do not come back from there"
        )


def _print_rebuilt(rebuilt: "Rebuilt") -> None:
    print(f"rebuilt from {rebuilt.events:,} stored events that name people:", end=" ")
    if not rebuilt.changes:
        print("same as before")
        return
    print("what was wrong is mended")
    rows = [
        (table, f"{c.missing:,}", f"{c.stray:,}", f"{c.wrong:,}")
        for table, c in rebuilt.changes.items()
    ]
    print_table(("table", "rows missing", "stray", "wrong"), rows)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"reading {what}", completed=done, total=total)

        yield tell
