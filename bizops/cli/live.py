"""``bizops live``: deals credited as they are won, by the model of the last fit."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from bizops.beside import kept_running
from bizops.cli.database import migrated_database
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.live import Credited

__all__ = ["beside_stream", "register"]

COMMAND = (sys.executable, "-c", "from bizops.cli import main; main()", "live")
BOUNDS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 60.0)

log = logging.getLogger("bizops.live")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(live)


def live() -> None:
    """Credit deals as they are won, by the model of the last fit, until stopped.

    `bizops stream` runs it beside its workers. What it credits is provisional until the next
    `bizops attribute`, and in `bizops report` at once. With BIZOPS_LIVE_METRICS_PORT set, it serves
    /metrics there.

    Example: bizops live
    """
    from attribution.live import follow
    from streams.logs import set_up_logging

    settings = Settings.from_environment()
    set_up_logging(settings.watching.log_format)
    log.setLevel(logging.INFO)
    database_url = migrated_database(settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    follow(database_url, stopped, _telling(settings))


def beside_stream(settings: Settings, database_url: str) -> AbstractContextManager[None]:
    """Run it for as long as a block lasts, if whoever may write the stream may write credit too."""
    from attribution.live import may_credit

    if not may_credit(database_url):
        typer.echo(
            "deals are not credited as they are won: who runs this may not write credit; run "
            "`bizops live` as bizops_attribute, and this with --no-live",
            err=True,
        )
        return nullcontext()
    settings = replace(settings, database_url=database_url)
    return kept_running("bizops live", COMMAND, os.environ | settings.environment())


def _telling(settings: Settings) -> "Callable[[list[Credited]], None]":
    """Logs and counts what was credited."""
    count = _counting(settings)

    def tell(credited: "list[Credited]") -> None:
        seconds = [deal.seconds for deal in credited if deal.seconds is not None]
        took = f", at most {max(seconds):.2f} s after they came to Kafka" if seconds else ""
        log.info("%d deals credited in run %s%s", len(credited), credited[0].run_id, took)
        count(len(credited), seconds)

    return tell


def _counting(settings: Settings) -> Callable[[int, list[float]], None]:
    from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
    from prometheus_client.exposition import start_http_server

    registry: Any = CollectorRegistry()
    ProcessCollector(registry=registry)
    deals = Counter("bizops_live_deals", "Deals credited as they were won", registry=registry)
    seconds = Histogram(
        "bizops_live_event_to_credit_seconds",
        "From Kafka's time of a deal to the commit that showed its credit to readers",
        buckets=BOUNDS_S,
        registry=registry,
    )
    watching = settings.watching
    if watching.live_metrics_port is not None:
        try:
            start_http_server(watching.live_metrics_port, watching.metrics_host, registry)
        except OSError as error:
            log.warning("no metrics on port %d: %s", watching.live_metrics_port, error.strerror)

    def count(credited: int, took: list[float]) -> None:
        deals.inc(credited)
        for value in took:
            seconds.observe(max(0.0, value))  # the producer's clock may be ahead of ours

    return count
