"""``bizops trace``: where an event is."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.errors import UsageError
from bizops.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(
    event_id: Annotated[str, typer.Argument(help="The event_id, as its source gave it.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show where an event is: stored, or a dead letter and why, with its times.

    Logs name the same event_id. When PostgreSQL showed it to readers is known where
    track_commit_timestamp is on.

    Example: bizops trace salesforce:Opportunity:0065g00000XyZ
    """
    from bizops.database import opened
    from streams.trace import trace_event

    with opened(migrated_database(Settings.from_environment())) as connection:
        places = trace_event(connection, event_id)
    if not places:
        raise UsageError(
            f"event {event_id!r} is neither stored nor a dead letter; if it was published, it is "
            "with what `bizops stream --until-caught-up` brings"
        )
    if form is Format.JSON:
        print_json([asdict(place) for place in places])
        return
    rows = [
        (
            place.state if place.reason is None else f"{place.state}: {place.reason}",
            place.type or f"{place.topic}/{place.partition}/{place.offset}",
            _moment(place.occurred_at),
            _moment(place.received_at),
            _moment(place.stored_at),
            place.detail or "",
        )
        for place in places
    ]
    print_table(("state", "where", "occurred (UTC)", "in Kafka", "stored", "detail"), rows)


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S.%f}"[:-3]
