"""``bizops produce SOURCE`` and ``bizops schema``."""

import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import typer
from typer.core import TyperGroup

from bizops.cli.printing import Format, print_json
from bizops.errors import BizopsError, UsageError
from bizops.settings import Settings

if TYPE_CHECKING:
    from producers.publisher import Summary
    from producers.source import Extracted, Rejected, Source

__all__ = ["register"]

SHOWN_ERRORS = 20
PROGRESS_EVERY = 500
OPTION_TYPES = (bool, int, float, str, Path)


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check and count; publish nothing, need no Kafka.")
]
SummaryFormat = Annotated[Format, typer.Option("--format", help="How to print the summary.")]
Rejects = Annotated[
    Path | None,
    typer.Option("--rejects", help="Write all rejected records, with reasons, as JSON lines."),
]


class _Sources(TyperGroup):
    """A sub-command a source; a source's file is loaded when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        from producers.source import source_names

        return source_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from producers.source import find_source

        return _command(cmd_name, find_source(cmd_name))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    sources = typer.Typer(cls=_Sources, no_args_is_help=True, rich_markup_mode=None)
    sources.callback()(produce)
    app.add_typer(sources, name="produce")
    app.command()(schema)


def produce() -> None:
    """Publish the events of a source to Kafka.

    A record that is no valid event is rejected and never stops the rest; then the exit code is 1.
    What is published twice counts once.

    Example: bizops produce jsonl events.jsonl.gz
    """


def schema(
    event_type: Annotated[
        str | None,
        typer.Argument(metavar="[TYPE]", help="One type, such as touch; all unless told."),
    ] = None,
) -> None:
    """Print the event contract as JSON Schema.

    Example: bizops schema touch
    """
    from bizops.events import EVENT_TYPES, json_schema

    if event_type is not None and event_type not in EVENT_TYPES:
        raise UsageError(f"no type {event_type!r}; have {', '.join(sorted(EVENT_TYPES))}")
    print_json(json_schema(event_type))


def _command(name: str, source: type["Source"]) -> Any:
    """The sub-command of one source, its options made of the source's fields."""

    def run(dry_run: bool, output: Format, rejects: Path | None, **options: Any) -> None:
        from producers.source import open_source

        given = {key: value for key, value in options.items() if value is not None}
        _run(open_source(name, given), dry_run, output, rejects)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(_parameter(key, source) for key in source.model_fields),
        inspect.Parameter("dry_run", keyword, default=False, annotation=DryRun),
        inspect.Parameter("output", keyword, default=Format.TABLE, annotation=SummaryFormat),
        inspect.Parameter("rejects", keyword, default=None, annotation=Rejects),
    ]
    # Typer reads both, whichever version it is of.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    story = inspect.cleandoc(source.__doc__ or "")
    app.command(name, help=f"{source.description}\n\n{story}\n\n\b\nExample: {source.example}")(run)
    return typer.main.get_command(app)


def _parameter(name: str, source: type["Source"]) -> inspect.Parameter:
    from producers.source import Argument, Option

    field = source.model_fields[name]
    kind = _option_type(field.annotation)
    mark = next((m for m in field.metadata if isinstance(m, Argument | Option)), Option(""))
    default = inspect.Parameter.empty if field.is_required() else field.get_default()
    if isinstance(mark, Argument):
        declared: Any = typer.Argument(help=mark.help, metavar=name.upper().removesuffix("S"))
    else:
        declared = typer.Option(f"--{name.replace('_', '-')}", help=mark.help)
    if not (field.is_required() or isinstance(default, OPTION_TYPES)):
        default = None  # then the source's own default holds
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, declared],
    )


def _option_type(annotation: Any) -> Any:
    """What Typer reads: what it knows itself, else text that the source's own type checks."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _option_type(next(part for part in parts if part is not type(None))) | None
    if origin in (tuple, list):
        return list[_option_type(parts[0])]  # type: ignore[misc]
    return annotation if annotation in OPTION_TYPES else str


def _run(source: "Source", dry_run: bool, output: Format, rejects: Path | None) -> None:
    with ExitStack() as stack:
        note = _Rejections(stack.enter_context(_opened(rejects)))
        records = stack.enter_context(_progress(source.read()))
        summary = _count(records, note) if dry_run else _publish(records, note)
    _print(summary, note, dry_run, output)
    if summary.rejected:
        total = summary.rejected + summary.acknowledged
        rest = "is valid" if dry_run else "was published"
        where = f"; all are in {rejects}" if rejects else ""
        raise BizopsError(
            f"{summary.rejected:,} of {total:,} records were rejected, the rest {rest}{where}"
        )


def _publish(
    records: Iterator["Extracted | Rejected"], note: Callable[["Rejected"], None]
) -> "Summary":
    from bizops.endpoints import find_kafka
    from producers.publisher import Publisher, publish

    settings = Settings.from_environment()
    # What cannot be read at all is said before Kafka is asked for.
    first = list(islice(records, 1))
    kafka = find_kafka(settings)
    with Publisher(settings, kafka, note) as publisher:
        return publish(chain(first, records), publisher, note)


def _count(
    records: Iterator["Extracted | Rejected"], note: Callable[["Rejected"], None]
) -> "Summary":
    from producers.publisher import Summary
    from producers.source import Rejected

    summary = Summary()
    for record in records:
        if isinstance(record, Rejected):
            summary.rejected += 1
            note(record)
        else:
            summary.published[record.event.type] += 1
    return summary


class _Rejections:
    """Says the first rejected records on standard error, and writes all to a file if asked to."""

    def __init__(self, file: IO[str] | None) -> None:
        self.first: list[dict[str, str]] = []
        self.total = 0
        self._file = file

    def __call__(self, rejected: "Rejected") -> None:
        self.total += 1
        if self._file:
            self._file.write(json.dumps(asdict(rejected), ensure_ascii=False) + "\n")
        if self.total <= SHOWN_ERRORS:
            error = asdict(rejected)
            del error["record"]
            self.first.append(error)
            typer.echo(f"{rejected.origin}: {rejected.sentence}", err=True)
        elif self.total == SHOWN_ERRORS + 1:
            typer.echo("… and more; --rejects FILE writes them all", err=True)


@contextmanager
def _opened(file: Path | None) -> Iterator[IO[str] | None]:
    if file is None:
        yield None
        return
    try:
        opened = file.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {(error.strerror or '').lower()}") from None
    with opened:
        yield opened


@contextmanager
def _progress[T](records: Iterator[T]) -> Iterator[Iterator[T]]:
    """The same records, counted on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield records
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} records"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def counted() -> Iterator[T]:
            for number, record in enumerate(records, start=1):
                if number % PROGRESS_EVERY == 0:
                    progress.update(task, completed=number)
                yield record

        yield counted()


def _print(summary: "Summary", note: _Rejections, dry_run: bool, output: Format) -> None:
    counts = dict(sorted(summary.published.items()))
    if output is Format.JSON:
        what = {
            "dry_run": dry_run,
            "valid" if dry_run else "published": counts,
            "total": summary.acknowledged,
            "rejected": summary.rejected,
            "errors": note.first,
        }
        print_json(what)
        return
    rows = [*counts.items(), ("total", summary.acknowledged), ("rejected", summary.rejected)]
    width = max(len(name) for name, _ in rows)
    typer.echo(f"{'type':{width}}  {'valid' if dry_run else 'published':>12}")
    for name, count in rows:
        typer.echo(f"{name:{width}}  {count:>12,}")
