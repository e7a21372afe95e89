"""``bizops demo``: the whole pipeline on a simulated company, each model beside the truth."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.printing import Format, FormatOption, print_json
from bizops.comparison import Comparison, compare
from bizops.errors import ServiceError, UsageError
from bizops.models import BAYESIAN as MODEL
from bizops.models import MODELS
from bizops.settings import Settings

if TYPE_CHECKING:
    from bizops.database import Connection
    from bizops.endpoints import Endpoints
    from bizops.simulation.truth import Truth

__all__ = ["register"]

WHERE_NEXT = {
    "report --by campaign": "each campaign, with what it cost and brought",
    "report --by channel --period quarter": "the same over time; --format csv for a spreadsheet",
    "timeline {account}": "everything that is known of one account",
    "runs list": "the fits so far, with their diagnostics",
    "status": "what is running",
    "down": "stop it; the data stays",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Which simulated company.")] = 7,
    accounts: Annotated[int, typer.Option(min=50, help="How many accounts it knows.")] = 3000,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run the whole pipeline on a simulated company and show each model beside the truth.

    Starts Kafka and PostgreSQL, migrates, publishes two years of events, streams them, fits the
    model, builds the marts, and prints the table by channel. Run again, it shows the same at once.

    Example: bizops demo --accounts 300
    """
    from bizops import local
    from bizops.database import opened
    from bizops.simulation import Truth
    from producers.sources.simulated import truth_path

    settings = Settings.from_environment()
    _preflight(settings)
    with _step("Starting Kafka and PostgreSQL"):
        endpoints = local.up(settings)
    world = {"seed": seed, "accounts": accounts}
    if _finished(settings, endpoints, world):
        _say("The demo has run here before; this is what it found.")
    else:
        _run(settings, endpoints, world)
    truth = Truth.from_json(truth_path(settings, seed).read_bytes())
    with opened(endpoints.database_url, application="bizops-demo") as connection:
        outcome = _Outcome.read(connection, truth)
        account = _an_account(connection)
    if form is Format.JSON:
        print_json(asdict(outcome))
        return
    outcome.show()
    _point_on(account)


def _point_on(account: str) -> None:
    """Print commands as they can be pasted here, whether or not bizops is on the PATH."""
    name = "bizops" if shutil.which("bizops") else os.path.relpath(sys.argv[0])
    print("\nWhere to look next")
    for command, what in WHERE_NEXT.items():
        print(f"  {name + ' ' + command.format(account=account):<52} {what}")
    print(f"  {'docs/metrics.md, docs/model.md':<52} what each figure means, and what breaks it")


def _run(settings: Settings, endpoints: "Endpoints", world: dict[str, int]) -> None:
    """Everything between the services and the marts."""
    from attribution.fit import attribute
    from producers.publisher import Publisher, publish
    from producers.source import open_source
    from streams.pool import WorkerPool
    from warehouse.schema import migrate
    from warehouse.transform import transform

    with _step("Migrating the database"):
        migrate(endpoints.database_url)
    _claim(settings, endpoints, world)
    pool = WorkerPool(settings, endpoints, size=2)
    try:
        pool.start()
        with _step("Publishing two years of events, streamed into timelines as they come"):
            source = open_source("simulated", world)
            with Publisher(settings, endpoints.kafka) as publisher:
                publish(source.read(), publisher, on_rejected=lambda rejected: None)
            pool.run(until_caught_up=True)
    finally:
        pool.stop()
    with _step("Fitting the model"):
        run = attribute(settings, endpoints.database_url)
    with _step("Building the marts"):
        transform(settings, endpoints.database_url)
    _marker(settings).write_text(json.dumps(world | {"run_id": run.run_id}))


def _claim(settings: Settings, endpoints: "Endpoints", world: dict[str, int]) -> None:
    """Make sure that nothing but this demo's company is there: the truth is about it alone."""
    from bizops.database import opened

    with opened(endpoints.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from stream.touches), "
            "exists (select from stream.touches where not starts_with(event_id, %s))",
            (f"simulated:{world['seed']}",),
        )
        held, others = cursor.fetchone() or (False, False)
    marker = _marker(settings)
    known = json.loads(marker.read_text()) if marker.exists() else world
    if others or (held and world.items() - known.items()):
        raise UsageError(
            f"the installation in {settings.home} holds other events already; the demo wants one "
            "of its own: set BIZOPS_HOME to another folder, such as .bizops-demo"
        )
    marker.write_text(json.dumps(world))


def _preflight(settings: Settings) -> None:
    """Say what is missing before anything is started."""
    from bizops import local

    missing = [check.sentence for check in local.examine(settings) if check.verdict == "missing"]
    if missing:
        raise ServiceError(" ".join(missing))


def _marker(settings: Settings) -> Path:
    return settings.home / "demo.json"


def _finished(settings: Settings, endpoints: "Endpoints", world: dict[str, int]) -> bool:
    """Whether this demo's run is still the published one."""
    from bizops.database import opened

    if not _marker(settings).exists():
        return False
    found = json.loads(_marker(settings).read_text())
    with opened(endpoints.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('attribution.published_run')")
        if cursor.fetchone() == (None,):
            return False
        cursor.execute("select run_id from attribution.published_run")
        return cursor.fetchone() == (found.pop("run_id"),) and found == world


@dataclass(frozen=True)
class _Outcome:
    """What each model credits each channel with, beside what it caused."""

    caused: dict[str, float]
    organic: int
    models: dict[str, Comparison]
    intervals: dict[str, tuple[float, float]]

    @classmethod
    def read(cls, connection: "Connection", truth: "Truth") -> "_Outcome":
        with connection.cursor() as cursor:
            cursor.execute(
                "select model, channel, conversions_mean, conversions_low, conversions_high "
                "from attribution.credit_totals join attribution.published_run using (run_id) "
                "where dimension = 'channel' and channel <> '(baseline)'"
            )
            rows = cursor.fetchall()
        caused = {c.channel: float(c.caused_conversions) for c in truth.channels}
        names = sorted({row[0] for row in rows}, key=MODELS.index)
        models = {
            name: compare(
                {channel: mean for model, channel, mean, *_ in rows if model == name},
                caused,
                scaled=name != MODEL,
            )
            for name in names
        }
        intervals = {row[1]: (row[3], row[4]) for row in rows if row[0] == MODEL}
        return cls(caused, truth.organic.conversions, models, intervals)

    def show(self) -> None:
        from rich.console import Console
        from rich.table import Table

        rules = [name for name in self.models if name != MODEL]
        table = Table(box=None, header_style="bold", padding=(0, 1), show_footer=True)
        table.add_column("channel", footer="error", no_wrap=True)
        table.add_column("truth", justify="right")
        for name in (MODEL, *rules):
            error = f"{self.models[name].error:.2f}"
            table.add_column(name.replace("_", " "), justify="right", footer=error)
            if name == MODEL:
                table.add_column("90 %", justify="right", no_wrap=True)
        for channel in sorted(self.caused, key=lambda name: -self.caused[name]):
            low, high = self.intervals.get(channel, (0.0, 0.0))
            given = [f"{self.models[name].conversions[channel]:,.0f}" for name in (MODEL, *rules)]
            interval = f"{low:,.0f} to {high:,.0f}"
            table.add_row(channel, f"{self.caused[channel]:,.0f}", given[0], interval, *given[1:])
        print("\nConversions that each channel caused, and what each model credits it with")
        print("(error = Σ|credit − truth| / Σ truth; rules are scaled to the true total first)\n")
        Console(width=None if sys.stdout.isatty() else 120).print(table)
        best = min(rules, key=lambda name: self.models[name].error)
        print(
            f"\nThe model's error is {self.models[MODEL].error:.2f}; the best rule's, "
            f"{best.replace('_', ' ')}, is {self.models[best].error:.2f}.\n"
            f"{self.organic:,} conversions came without any campaign; a rule gives those to "
            "whoever was near."
        )


def _an_account(connection: "Connection") -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "select account_id from attribution.conversions "
            "join attribution.published_run using (run_id) order by iacv desc, account_id limit 1"
        )
        row = cursor.fetchone()
    return str(row[0]) if row else "ACCOUNT"


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{what} … ", end="", file=sys.stderr, flush=True)
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
