"""``bizops dead-letters``: look at events that could not be stored, retry them, drop them."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.errors import UsageError
from bizops.settings import Settings

if TYPE_CHECKING:
    from streams.dead_letters import Filters, StoredDeadLetter

__all__ = ["register"]

RETRIED_AT_ONCE = 1000

dead_letters = typer.Typer(help="Events that could not be stored, with the reason for each.")

Place = Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` shows it.")]
MaybePlace = Annotated[
    str | None, typer.Argument(help="TOPIC/PARTITION/OFFSET of one; else give filters, or --all.")
]
Reason = Annotated[str | None, typer.Option(help="Only of this reason.")]
Topic = Annotated[str | None, typer.Option(help="Only of this topic.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        help="Only those that Kafka took at or after this time (UTC).",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    ),
]
AllOf = Annotated[bool, typer.Option("--all", help="All there are.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many, latest first.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    dead_letters.callback(invoke_without_command=True)(list_unless_told)
    dead_letters.command("list")(list_)
    dead_letters.command("show")(show)
    dead_letters.command("retry")(retry)
    dead_letters.command("drop")(drop)
    app.add_typer(dead_letters, name="dead-letters")


def list_unless_told(context: typer.Context) -> None:
    """Events that could not be stored, with the reason for each; `list` unless told."""
    if context.invoked_subcommand is None:
        list_()


def list_(
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """List events that could not be stored, with the reason for each.

    Example: bizops dead-letters list --reason unknown_version --limit 5 --format json
    """
    from bizops.database import opened
    from streams.dead_letters import count_by_reason, read_dead_letters

    settings = Settings.from_environment()
    with opened(migrated_database(settings)) as connection:
        counts = count_by_reason(connection)
        wanted = _Wanted(None, reason, topic, since).filters(settings)
        letters = read_dead_letters(connection, limit, wanted)
    if form is Format.JSON:
        print_json([letter.as_data() for letter in letters])
        return
    if not letters:
        print("no dead letters" if not counts else "no such dead letters")
        return
    print(", ".join(f"{reason}: {count:,}" for reason, count in counts.items()))
    rows = [(letter.place, letter.reason, letter.detail) for letter in letters]
    print_table(("topic/partition/offset", "reason", "detail"), rows)


def show(
    place: Place,
    raw: Annotated[
        bool, typer.Option("--raw", help="Only the payload's bytes, to mend and publish again.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show one dead letter whole, with what to do about it.

    Example: bizops dead-letters show touches/3/1234 --raw
    """
    from bizops.database import opened
    from streams.dead_letters import advice, read_dead_letters

    settings = Settings.from_environment()
    with opened(migrated_database(settings)) as connection:
        letters = read_dead_letters(connection, 1, _Wanted(place).filters(settings))
    if not letters:
        raise UsageError(f"there is no dead letter {place}; `bizops dead-letters list` shows them")
    (letter,) = letters
    if raw:
        sys.stdout.buffer.write(letter.payload)
        return
    if form is Format.JSON:
        print_json(letter.as_data() | {"advice": advice(letter.reason)})
        return
    for name, text in (
        ("place", letter.place),
        ("received", f"{letter.received_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("key", "" if letter.key is None else letter.key.decode(errors="backslashreplace")),
        ("event_id", letter.event_id or ""),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("to do", advice(letter.reason)),
    ):
        typer.echo(f"{name:<9} {text}")
    typer.echo(letter.pretty_payload())


def retry(
    place: MaybePlace = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    everything: AllOf = False,
    limit: Limit = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Store dead letters again, as after an upgrade; those that still can't be stay, with why.

    Example: bizops dead-letters retry --reason unknown_version
    """
    from bizops.database import connect
    from streams.dead_letters import read_dead_letters
    from streams.records import Written
    from streams.store import Store
    from streams.suppression_key import find_key

    settings = Settings.from_environment()
    wanted = _Wanted(place, reason, topic, since, everything).some(settings)
    connection = connect(migrated_database(settings), application="bizops-retry")
    try:
        with connection:
            letters = read_dead_letters(connection, limit, wanted)
        _found(letters, place)
        store = Store(connection, settings.topic_prefix, find_key=lambda: find_key(settings))
        records = sorted(
            (letter.record for letter in letters), key=lambda r: (r.topic, r.partition, r.offset)
        )
        written = Written()
        for start in range(0, len(records), RETRIED_AT_ONCE):
            written.add(store.retry(records[start : start + RETRIED_AT_ONCE]))
    finally:
        connection.close()
    stored = written.stored + written.repeated + written.superseded
    if form is Format.JSON:
        print_json({"stored": stored, "suppressed": written.suppressed, "dead": written.dead})
        return
    print(
        f"retried {len(letters):,} dead letters: {stored.total():,} are events now, "
        f"{written.dead.total():,} are still dead"
    )
    for why, count in written.dead.most_common():
        print(f"  {why}: {count:,}")


def drop(
    place: MaybePlace = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    everything: AllOf = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop dead letters for good: their bytes go, and reading Kafka again doesn't bring them back.

    Example: bizops dead-letters drop --reason invalid_json --topic touches
    """
    from bizops.database import connect
    from streams.dead_letters import drop as drop_letters
    from streams.dead_letters import read_dead_letters

    settings = Settings.from_environment()
    wanted = _Wanted(place, reason, topic, since, everything).some(settings)
    connection = connect(migrated_database(settings))
    try:
        with connection:
            letters = read_dead_letters(connection, None, wanted)
        _found(letters, place)
        if letters and not yes:
            typer.confirm(f"Drop {len(letters):,} dead letters for good?", abort=True, err=True)
        print(f"dropped {drop_letters(connection, letters):,} dead letters")
    finally:
        connection.close()


@dataclass(frozen=True)
class _Wanted:
    """Which dead letters a command was told."""

    place: str | None = None
    reason: str | None = None
    topic: str | None = None
    since: datetime | None = None
    everything: bool = False

    def some(self, settings: Settings) -> "Filters":
        """As filters; an error where nothing was told."""
        if not (self.place or self.reason or self.topic or self.since or self.everything):
            raise UsageError(
                "which dead letters? give a place, --reason, --topic, --since or --all"
            )
        return self.filters(settings)

    def filters(self, settings: Settings) -> "Filters":
        """As filters."""
        from streams.dead_letters import Filters, parse_place

        topic, partition, offset = self.topic, None, None
        if self.place:
            topic, partition, offset = parse_place(self.place)
        since = None if self.since is None else self.since.replace(tzinfo=UTC)
        return Filters(topic, partition, offset, self.reason, since, settings.topic_prefix)


def _found(letters: "list[StoredDeadLetter]", place: str | None) -> None:
    if place and not letters:
        raise UsageError(f"there is no dead letter {place}; `bizops dead-letters list` shows them")
