"""Commands on the stream: run it, look at a timeline."""

import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
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


def stream(
    until_caught_up: Annotated[
        bool, typer.Option(help="End when every event published so far is in PostgreSQL.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the partitions.")
    ] = 1,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Credit deals as they are won, as `bizops live`. [live; not until caught up]",
        ),
    ] = None,
    dead_letter_run: Annotated[
        int | None,
        typer.Option(
            min=0, help="Stop at more dead letters in a row; 0: never. [BIZOPS_DEAD_LETTER_RUN]"
        ),
    ] = None,
    dead_letter_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Stop at a greater share of dead letters in a partition's latest 1,000 events; "
            "0: never. [BIZOPS_DEAD_LETTER_SHARE]",
        ),
    ] = None,
) -> None:
    """Keep timelines in PostgreSQL: bring events over from Kafka, losing none.

    Beside it runs `bizops live`, which credits each deal as it is won (docs/real-time.md).

    It stops when too much cannot be stored, which is the sign of a bad release, not of bad events.

    With BIZOPS_METRICS_PORT set, the first worker serves /metrics, /live and /ready there, each
    further one on the next port; BIZOPS_LOG=json makes a log of JSON lines.

    Example: bizops stream --until-caught-up --workers 2
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from bizops.cli.live import beside_stream
    from streams.pool import WorkerPool

    settings = Settings.from_environment()
    if dead_letter_run is not None:
        settings = replace(settings, dead_letter_run=dead_letter_run)
    if dead_letter_share is not None:
        settings = replace(settings, dead_letter_share=dead_letter_share)
    endpoints = find_endpoints(settings)
    pool = WorkerPool(settings, endpoints, workers)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns = (TextColumn("storing events"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with (
        ExitStack() as beside,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("stream", total=None)
        try:
            pool.start()
            if live or (live is None and not until_caught_up):
                beside.enter_context(beside_stream(settings, endpoints.database_url))
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
    """Show an account's touches, revenue and deals in order, under a summary of them.

    Example: bizops timeline acme
    """
    from bizops.database import opened
    from streams.summaries import read_summary
    from streams.timelines import read_timeline

    with opened(migrated_database(Settings.from_environment())) as connection:
        entries = read_timeline(connection, account)
        summary = read_summary(connection, account)
    if not entries:
        raise UsageError(f"no event of account {account!r} is known")
    if form is Format.JSON:
        print_json([asdict(entry) for entry in entries])
        return
    print("\n".join((*summary.sentences(), "")))
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
