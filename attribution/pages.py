"""A run as two pages of HTML in a folder, one for statisticians and one for marketers."""

from collections.abc import Iterable
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from attribution.curves import read_curves
from attribution.curves_page import sections
from attribution.journeys import QUERIES
from attribution.kept import load_kept
from attribution.marketing_page import marketing_page
from attribution.runs import Run, channel_table, find_run
from attribution.stale import count_stale
from attribution.statistics_page import statistics_page
from attribution.versions import Compared, compare_runs
from bizops.arrays import decode_arrays
from bizops.best import beside, told
from bizops.database import Connection
from bizops.errors import UsageError

__all__ = ["write_pages"]


def write_pages(connection: Connection, run_id: str, folder: Path) -> list[Path]:
    """Write ``statistics.html`` and ``marketing.html`` of a run; older ones are replaced.

    A run that failed has no credit, and only the first.

    Raises
    ------
    UsageError
        If there is no such run, it is still running, or the folder can't be written to.
    """
    run = find_run(connection, run_id)
    if run.status == "running":
        raise UsageError(f"run {run.run_id} is running; its report can be made when it is done")
    kept = load_kept(connection, run.run_id)
    campaigns = tuple(" / ".join(unit) for unit in kept.units) if kept else ()
    pages = {"statistics.html": statistics_page(run, campaigns)}
    if run.status != "failed":
        channels = channel_table(connection, run)
        stale = count_stale(connection)
        pages["marketing.html"] = marketing_page(
            run,
            channels,
            _campaigns(connection, run),
            _creatives(connection, run),
            _change(connection, run),
            stale[1] if stale and stale[0] == run.run_id else None,
            _more(connection, run) if kept else (),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report can't be written to {folder}: {error.strerror}") from None
    return [folder / name for name in pages]


def _more(connection: Connection, run: Run) -> Iterable[str]:
    try:
        return sections(read_curves(connection, run))
    except UsageError as error:  # of a run from before all that is needed was kept
        return (f"<p>{escape(str(error))}</p>",)


def _campaigns(connection: Connection, run: Run) -> list[dict[str, Any]]:
    model = "last_touch" if run.settings.get("rules_only") else "bayesian"
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["campaign_table"], {"run_id": run.run_id, "model": model})
        rows = cursor.fetchall()
    ends = ("mean", "low", "high")
    return [
        {"channel": row[0], "campaign_id": row[1], "currency": row[2]}
        | {"conversions": dict(zip(ends, row[3:6], strict=True))}
        | {"iacv": dict(zip(ends, row[6:9], strict=True))}
        for row in rows
    ]


def _creatives(connection: Connection, run: Run) -> dict[str, str | None]:
    """By campaign that has several, what is known of which works best; None where nothing is."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["creative_effects"], (run.run_id,))
        rows = cursor.fetchall()
    said = {}
    for names, group in groupby(rows, key=lambda row: row[:2]):
        creatives = list(group)
        draws = decode_arrays([row[3] for row in creatives]).astype(np.float64)
        best = int(np.argmax(draws.mean(axis=1)))
        found = beside(draws)[best]
        sentence = told(creatives[best][2], creatives[found.worst][2], found)
        said[" / ".join(names)] = sentence
    return said


def _change(connection: Connection, run: Run) -> Compared | None:
    """The run beside the one that was made and published before it."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["made_before"], (run.run_id,))
        row = cursor.fetchone()
    return compare_runs(connection, row[0], run.run_id) if row else None
