"""Which run is the published one, changed without a fit; and two runs beside each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import QUERIES
from attribution.runs import Run, channel_table, exclusive, find_run, published_run
from bizops.arrays import decode_arrays
from bizops.database import Connection, opened
from bizops.errors import UsageError

__all__ = ["Compared", "Switch", "compare_runs", "credited_draws", "promote", "rollback"]

FloatArray = NDArray[np.float64]
Place = tuple[str, str]

BATCH = 2_000
ENDS = ("mean", "low", "high")


@dataclass(frozen=True)
class Switch:
    """The run that is published now, and the one that was."""

    run: Run
    before: Run | None


def promote(database_url: str, run_id: str) -> Switch:
    """Publish an older run again.

    Every run keeps its rows, so that what is read afterwards is exactly what it credited, as
    timelines were then.

    Raises
    ------
    UsageError
        If there is no such run, it is the published one already, or it never passed.
    BusyError
        If a run or a restatement is at work.
    """
    with exclusive(database_url), opened(database_url) as connection:
        run, before = find_run(connection, run_id), published_run(connection)
        if before is not None and before.run_id == run.run_id:
            raise UsageError(f"run {run.run_id} is the published one already")
        if run.status not in ("published", "withdrawn"):
            why = f": {run.error}" if run.error else ""
            raise UsageError(
                f"run {run.run_id} is {run.status}{why}; only a run that was published before "
                "can be published again"
            )
        with connection.cursor() as cursor:
            cursor.execute(QUERIES["promote_run"], (run.run_id,))
        return Switch(find_run(connection, run.run_id), before)


def rollback(database_url: str) -> Switch:
    """Withdraw the published run, so that the one published before it is so again.

    Raises
    ------
    UsageError
        If no run is published, or none was before it; then it stays published.
    BusyError
        If a run or a restatement is at work.
    """
    with exclusive(database_url), opened(database_url) as connection:
        before = published_run(connection)
        if before is None:
            raise UsageError("no run is published, so there is none to roll back")
        with connection.cursor() as cursor:
            cursor.execute(QUERIES["withdraw_run"], (before.run_id,))
        run = published_run(connection)
        if run is None:
            raise UsageError(
                f"no run was published before {before.run_id}, which stays published; "
                "`bizops runs list` shows all, `bizops runs promote RUN` publishes one of them"
            )
        return Switch(run, before)


@dataclass(frozen=True)
class Compared:
    """Two runs beside each other.

    Attributes
    ----------
    model
        Whose credit is compared: the Bayesian model's, or a rule's where a run has no model.
    channels
        For each channel and currency: ``conversions`` and ``iacv``, each with ``first`` and
        ``second`` (mean and 90 % interval), ``difference`` (second less first, the same) and
        ``probability_above_zero``, null without draws.
    differences
        What of settings and data is not the same: by name, the values of both.
    """

    first: Run
    second: Run
    model: str
    channels: list[dict[str, Any]]
    differences: dict[str, list[Any]]


def compare_runs(connection: Connection, first_id: str, second_id: str) -> Compared:
    """Hold what two runs credit to each channel, over all time, beside each other.

    The probability that a difference is above zero takes the two posteriors as independent: the
    share of all pairs of draws in which the second is larger.

    Raises
    ------
    UsageError
        If there is no such run, it is the same one twice, or one was never published.
    """
    first, second = (find_run(connection, run_id) for run_id in (first_id, second_id))
    if first.run_id == second.run_id:
        raise UsageError(f"run {first.run_id} twice; expected two runs")
    for run in (first, second):
        if run.status not in ("published", "withdrawn"):
            why = f": {run.error}" if run.error else ""
            raise UsageError(f"run {run.run_id} is {run.status} and credits nothing{why}")
    without = any(run.settings.get("rules_only") for run in (first, second))
    model = "last_touch" if without else "bayesian"
    tables = [_by_place(channel_table(connection, run, model)) for run in (first, second)]
    draws = [{} if without else credited_draws(connection, run.run_id) for run in (first, second)]
    places = sorted(
        {*tables[0], *tables[1]},
        key=lambda place: (place[0] == "(baseline)", -_mean(tables[1], place), place),
    )
    channels = [
        {"channel": place[0], "currency": place[1]}
        | {
            figure: _beside(place, number, figure, tables, draws)
            for number, figure in enumerate(("conversions", "iacv"))
        }
        for place in places
    ]
    return Compared(first, second, model, channels, dict(_differences(first, second)))


def _by_place(table: list[dict[str, Any]]) -> dict[Place, dict[str, Any]]:
    return {(row["channel"], row["currency"]): row for row in table}


def _mean(table: dict[Place, dict[str, Any]], place: Place) -> float:
    return float(table[place]["iacv"]["mean"]) if place in table else 0.0


def credited_draws(connection: Connection, run_id: str) -> dict[Place, list[FloatArray]]:
    """Draws of a run's credited conversions and IACV by channel and currency, batch by batch."""
    sums: dict[Place, list[FloatArray]] = {}
    with connection.cursor("shares") as cursor:
        cursor.itersize = BATCH
        cursor.execute(QUERIES["shares"], (run_id,))
        while rows := cursor.fetchmany(BATCH):
            shares = decode_arrays([row[3] for row in rows]).astype(np.float64)
            for (channel, currency, iacv, _), drawn in zip(rows, shares, strict=True):
                zero = np.zeros(len(drawn))
                conversions, amounts = sums.setdefault((channel, currency), [zero, zero.copy()])
                conversions += drawn
                amounts += drawn * iacv
    return sums


def _beside(
    place: Place,
    number: int,
    figure: str,
    tables: list[dict[Place, dict[str, Any]]],
    draws: list[dict[Place, list[FloatArray]]],
) -> dict[str, Any]:
    nothing = dict.fromkeys(ENDS, 0.0)
    first, second = (table[place][figure] if place in table else nothing for table in tables)
    if not any(draws):
        change = dict.fromkeys(ENDS, second["mean"] - first["mean"])
        return {"first": first, "second": second, "difference": change} | {
            "probability_above_zero": None
        }
    before, after = (of[place][number] if place in of else np.zeros(1) for of in draws)
    pairs = (after[:, None] - before[None, :]).ravel()
    low, high = np.quantile(pairs, (0.05, 0.95))
    ends = dict(zip(ENDS, (float(pairs.mean()), float(low), float(high)), strict=True))
    above = (pairs > 0).mean() + 0.5 * (pairs == 0).mean()
    return {"first": first, "second": second, "difference": ends} | {
        "probability_above_zero": float(above)
    }


def _differences(first: Run, second: Run) -> Iterator[tuple[str, list[Any]]]:
    for part in ("settings", "data"):
        of_first, of_second = getattr(first, part) or {}, getattr(second, part) or {}
        for name in sorted({*of_first, *of_second}):
            if of_first.get(name) != of_second.get(name):
                yield f"{part} {name}", [of_first.get(name), of_second.get(name)]
