"""``bizops curves`` and ``bizops sequences``: what more would bring, and in which order."""

import csv
import io
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.bands import Band, Cost
    from attribution.curves import Curves
    from attribution.repeats import Repeat
    from attribution.responses import Response

__all__ = ["register"]

UNKNOWN = "–"


class By(StrEnum):
    """What spend is looked at by."""

    CHANNEL = "channel"
    CAMPAIGN = "campaign"


class CurveFormat(StrEnum):
    """How curves are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(curves)
    app.command()(sequences)


def curves(
    by: Annotated[By, typer.Option(help="Spend by channel, or by channel and campaign.")] = (
        By.CHANNEL
    ),
    form: Annotated[
        CurveFormat, typer.Option("--format", help="csv has the points of the curves.")
    ] = CurveFormat.TABLE,
) -> None:
    """Say what the next touch still adds, and what the next unit of money would bring.

    Of the published run: what the n-th touch of a campaign on an account adds beside the first, and
    where spend varied, conversions and IACV at 0.25 to 3 times the spend, with marginal beside
    average CAC. Where spend did not vary there is no evidence, and it says so. docs/curves.md has
    what is known and what is not.

    Example: bizops curves --by campaign --format csv
    """
    from warehouse.formats import printable

    found = _read()
    whole = by is By.CHANNEL
    shown = [
        row
        for row in found.responses
        if row.spend is None
        or (row.campaign_id is None) == whole  # in currencies that don't add up
    ]
    if form is CurveFormat.JSON:
        print_json(
            {"run_id": found.run_id, "repeats": _plain(found.repeats), "spend": _plain(shown)}
        )
        return
    if form is CurveFormat.CSV:
        typer.echo(_as_csv(found.run_id, shown), nl=False)
        return
    typer.echo(f"Run {found.run_id}; [low, high]: 90 % intervals, as right as the model is")
    typer.echo("\nWhat the n-th touch of a campaign on an account adds")
    heads = ["channel", "n-th touch", "touches", "beside the first", "conversions", "IACV"]
    print_table(heads, [[printable(cell) for cell in _repeat(row)] for row in found.repeats])
    typer.echo("\nWhat more spend would bring")
    if not shown:
        typer.echo("No spend is recorded: no CAC and no curve (`bizops schema` has the event).")
        return
    heads = ["place", "spend", "conversions", "average CAC", "marginal CAC", "IACV a unit more",
             "evidence"]  # fmt: skip
    print_table(heads, [[printable(cell) for cell in _response(row)] for row in shown])


def sequences(form: FormatOption = Format.TABLE) -> None:
    """Say which orders of channels work, with the evidence for each, or that there is none.

    Of the published run: how many times as much a touch adds that comes within 30 days after
    another channel. docs/curves.md has how a verdict is come to.

    Example: bizops sequences
    """
    from warehouse.formats import printable

    found = _read()
    if form is Format.JSON:
        print_json({"run_id": found.run_id, "sequences": _plain(found.sequences)})
        return
    typer.echo(f"Run {found.run_id}; [low, high]: 90 % intervals, as right as the model is")
    if not found.sequences:
        typer.echo("No channel came within 30 days after another one.")
        return
    heads = ("order", "touches", "conversions", "adds times", "P(more)", "Bayes factor",
             "because of it", "evidence")  # fmt: skip
    rows = [
        (
            f"{row.first} > {row.then}",
            f"{row.touches:,}",
            f"{row.conversions:,}",
            _shown(row.times),
            f"{row.above:.2f}",
            f"{row.bayes_factor:.2g}",
            _shown(row.added),
            row.verdict,
        )
        for row in found.sequences
    ]
    print_table(heads, [[printable(cell) for cell in row] for row in rows])


def _read() -> "Curves":
    from attribution.curves import read_curves
    from attribution.runs import published_run
    from bizops.database import opened

    database_url = migrated_database(Settings.from_environment())
    with opened(database_url, application="bizops-curves") as connection:
        return read_curves(connection, published_run(connection))


def _repeat(row: "Repeat") -> Iterable[str]:
    last = "+" if row.last is None else f"–{row.last}" if row.last > row.first else ""
    relative = _shown(row.relative)
    if row.first > 1 and row.relative is not None and not row.is_evidence:
        relative += ", mostly the prior"
    iacv = ", ".join(f"{_shown(value)} {currency}" for currency, value in row.iacv.items())
    return (
        row.channel,
        f"{row.first}{last}",
        f"{row.touches:,}",
        relative,
        _shown(row.conversions),
        iacv or UNKNOWN,
    )


def _response(row: "Response") -> Iterable[str]:
    said = {"own": "its own spend", "channel": "its channel's spend"}.get(row.evidence, "none")
    return (
        row.channel if row.campaign_id is None else f"{row.channel} / {row.campaign_id}",
        UNKNOWN if row.spend is None else f"{row.spend:,.0f} {row.currency}",
        _shown(row.conversions),
        _cost(row.average_cac),
        _cost(row.marginal_cac),
        _shown(row.iacv_per_unit),
        f"{said}: {row.why}" if row.why else said,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _shown(value: "Band | None") -> str:
    if value is None:
        return UNKNOWN
    return f"{_number(value.mean)} [{_number(value.low)}, {_number(value.high)}]"


def _cost(value: "Cost | None") -> str:
    """A cost whose high end has no bound is open there."""
    if value is None or value.estimate is None:
        return UNKNOWN
    low = "0" if value.low is None else _number(value.low)
    high = "no bound" if value.high is None else _number(value.high)
    return f"{_number(value.estimate)} [{low}, {high}]"


def _plain(value: Any) -> Any:
    """Dataclasses and named tuples as objects of JSON."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _as_csv(run_id: str, rows: "Iterable[Response]") -> str:
    """A line for each point of each curve; an interval takes five columns."""
    from attribution.bands import Band
    from warehouse.formats import harmless

    figures = ("touches", "conversions", "iacv")
    text = io.StringIO()
    columns = ["channel", "campaign_id", "currency", "multiplier", "spend"]
    columns += [f"{figure}_{end}" for figure in figures for end in Band._fields]
    writer = csv.DictWriter(text, [*columns, "was_seen", "evidence", "run_id"], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        for point in row.curve:
            record: dict[str, Any] = {
                "channel": row.channel,
                "campaign_id": row.campaign_id,
                "currency": row.currency,
                "multiplier": point.multiplier,
                "spend": round(point.spend, 2),
                "was_seen": point.was_seen,
                "evidence": row.evidence,
                "run_id": run_id,
            }
            for figure in figures:
                band = getattr(point, figure)
                ends = dict.fromkeys(Band._fields) if band is None else band._asdict()
                record |= {f"{figure}_{end}": value for end, value in ends.items()}
            writer.writerow({name: harmless(value) for name, value in record.items()})
    return text.getvalue()
