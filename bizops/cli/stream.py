"""Commands on the stream: run it, look at a timeline, look at dead letters."""

import signal
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.endpoints import find_endpoints
from bizops.errors import UsageError
from bizops.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(stream)
    app.command()(timeline)
    app.command(name="dead-letters")(dead_letters)


def stream(
    until_caught_up: Annotated[
        bool, typer.Option(help="End when every event published so far is in PostgreSQL.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the partitions.")
    ] = 1,
) -> None:
    """Keep timelines in PostgreSQL: bring events over from Kafka, losing none.

    Example: bizops stream --until-caught-up --workers 2
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from streams.pool import WorkerPool

    settings = Settings.from_environment()
    pool = WorkerPool(settings, find_endpoints(settings), workers)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns = (TextColumn("storing events"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("stream", total=None)
        try:
            pool.start()
            stored = pool.run(
                until_caught_up=until_caught_up,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        finally:
            pool.stop()
    print(f"caught up: {stored:,} events stored", file=sys.stderr)


def timeline(
    account: Annotated[str, typer.Argument(help="The account_id.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show an account's touches, revenue and deals in order.

    Example: bizops timeline acme
    """
    from bizops.database import opened
    from streams.timelines import read_timeline

    with opened(migrated_database(Settings.from_environment())) as connection:
        entries = read_timeline(connection, account)
    if not entries:
        raise UsageError(f"no event of account {account!r} is known")
    if form is Format.JSON:
        print_json([asdict(entry) for entry in entries])
        return
    rows = [
        (
            f"{e.occurred_at:%Y-%m-%d}" if e.day_only else f"{e.occurred_at:%Y-%m-%d %H:%M}",
            e.kind if e.entry == "touch" else f"{e.entry}: {e.kind}",
            e.channel or "",
            e.campaign_id or "",
            e.person or "",
            "" if e.iacv is None else f"{e.iacv:,} {e.currency}",
        )
        for e in entries
    ]
    print_table(("when (UTC)", "what", "channel", "campaign", "person", "IACV"), rows)


def dead_letters(
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show events that could not be stored, with the reason for each.

    Example: bizops dead-letters --limit 5 --format json
    """
    from bizops.database import opened
    from streams.dead_letters import count_by_reason, read_dead_letters

    with opened(migrated_database(Settings.from_environment())) as connection:
        counts = count_by_reason(connection)
        letters = read_dead_letters(connection, limit)
    if form is Format.JSON:
        print_json([asdict(letter) for letter in letters])
        return
    if not letters:
        print("no dead letters")
        return
    print(", ".join(f"{reason}: {count:,}" for reason, count in counts.items()))
    rows = [(f"{d.topic}/{d.partition}/{d.offset}", d.reason, d.detail) for d in letters]
    print_table(("topic/partition/offset", "reason", "detail"), rows)
