"""A report as JSON, as CSV, or as a table for people."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bizops.best import Times, told
from warehouse.figures import Comparison, Estimate, Range, Row
from warehouse.question import KEYS, Question
from warehouse.report import Report, Run

__all__ = [
    "amount",
    "as_csv",
    "as_json",
    "as_table",
    "describe_run",
    "harmless",
    "key_cells",
    "printable",
]

RANGES = ("cac", "ltv", "roi")
FIGURES = (
    "touches",
    "leads",
    "attributed_leads",
    "spend",
    "cost_per_lead",
    "attributed_conversions",
    "incremental_conversions",
    "incremental_iacv",
    "attributed_iacv",
    "median_conversion_days",
    "iacv_at_median_conversion_time",
    "estimated_iacv",
    *RANGES,
    "roi_above_one",
    "roi_above_one_unknown",
    "bound",
)
COMPARED = {
    "creative": (
        "relative_effect",
        "probability_best",
        "worst",
        "times_worst",
        "probability_above_worst",
    ),
    "collateral": ("relative_effect",),
}
"""Figures that only some reports have."""
ENDS = dict.fromkeys(
    (
        "attributed_conversions",
        "incremental_conversions",
        "incremental_iacv",
        "attributed_iacv",
        "relative_effect",
    ),
    Estimate._fields,
) | {"times_worst": Times._fields}


def as_json(report: Report) -> str:
    """A JSON array of one object a row; what is not known is null."""
    return json.dumps([_record(report, row) for row in report.rows], indent=2, ensure_ascii=False)


def as_csv(report: Report) -> str:
    """CSV with a header; an interval takes five columns, what is not known is empty."""
    text = io.StringIO()
    columns: list[str] = [*KEYS[report.question.by], "period_start"]
    for name in _figures(report):
        if name in RANGES:
            columns += (name, f"{name}_low", f"{name}_high")
        else:
            columns += (f"{name}_{end}" for end in ENDS[name]) if name in ENDS else (name,)
    writer = csv.DictWriter(text, [*columns, "currency", "run_id"], lineterminator="\n")
    writer.writeheader()
    for row in report.rows:
        record = _record(report, row)
        for name in ENDS.keys() & record.keys():
            estimate = record.pop(name) or dict.fromkeys(ENDS[name])
            record |= {f"{name}_{end}": value for end, value in estimate.items()}
        writer.writerow({name: harmless(value) for name, value in record.items()})
    return text.getvalue()


def describe_run(run: Run) -> str:
    """One line on where the credit comes from."""
    parts = [f"run {run.run_id}", f"published {run.published_at:%Y-%m-%d %H:%M} UTC"]
    if run.data_until is not None:
        parts.append(f"data until {run.data_until:%Y-%m-%d %H:%M}")
    parts += [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in run.diagnostics.items()
        if isinstance(value, int | float | str)
    ]
    if run.provisional:
        parts.append(f"{run.provisional:,} conversions came since: their credit is provisional")
    for currency, amounts, day in run.without_rate:
        parts.append(
            f"left out: {amounts:,} amounts in {currency}, the last of {day}, have no rate"
        )
    if run.waiting:
        parts.append(f"{run.waiting:,} revenue events not attributed yet (`bizops attribute`)")
    return "; ".join(parts)


def _record(report: Report, row: Row) -> dict[str, Any]:
    return (
        dict(zip(KEYS[report.question.by], key_cells(report.question, row), strict=True))
        | {"period_start": row.group.start.isoformat() if row.group.start else None}
        | dict(pair for name in _figures(report) for pair in _named(name, _figure(row, name)))
        | {"currency": row.currency, "run_id": report.run.run_id}
    )


def key_cells(question: Question, row: Row) -> tuple[str | None, ...]:
    """What a row is named by, in the order of the question's keys."""
    others: dict[str, tuple[str | None, ...]] = {
        "campaign": (row.group.campaign_id,),
        "account": (row.account_name,),
        "creative": (row.group.campaign_id, row.group.item),
    }
    return (row.group.key, *others.get(question.by, ()))


def _figures(report: Report) -> tuple[str, ...]:
    return FIGURES + COMPARED.get(report.question.by, ())


def _figure(row: Row, name: str) -> Any:
    for holder in (row, row.comparison, row.comparison and row.comparison.beside):
        if hasattr(holder, name):
            return getattr(holder, name)
    return None


def _named(name: str, value: Any) -> list[tuple[str, Any]]:
    """A figure under its name; of CAC, LTV and ROI the ends of the interval under theirs."""
    if name in RANGES:
        figures = value or (None, None, None)
        return list(zip((name, f"{name}_low", f"{name}_high"), figures, strict=True))
    return [(name, value._asdict() if isinstance(value, Estimate | Times) else value)]


def harmless(value: Any) -> Any:
    """Text that a spreadsheet will not run: campaign names come from anyone's web address."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


@dataclass(frozen=True)
class Column:
    """A column of the table; of those that don't fit, the highest ``expendable`` goes first."""

    title: str
    figure: str
    show: Callable[[Any], str]
    expendable: int = 0


def _count(value: float) -> str:
    if abs(value) >= 10_000 or value == int(value):
        return amount(value)
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 1 else f"{value:.2g}"


def amount(value: float) -> str:
    """Three digits that matter, in thousands or millions.

    >>> [amount(value) for value in (0.0, 7.25, 950.4, 12_345.0, 1_234_567.0, -40_000.0)]
    ['0', '7.25', '950', '12.3k', '1.23M', '-40k']
    """
    sizes = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
    size, suffix = next((s for s in sizes if abs(value) >= 0.9995 * s[0]), (1.0, ""))
    scaled = value / size
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    text = f"{scaled:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if digits else text) + suffix


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _spread(show: Callable[[float], str]) -> Callable[[Estimate], str]:
    def shown(value: Estimate) -> str:
        if value.low == value.high:
            return show(value.mean)
        return f"{show(value.mean)} ({show(value.low)}–{show(value.high)})"

    return shown


def _range(show: Callable[[float], str]) -> Callable[[Range], str]:
    def shown(figure: Range) -> str:
        if figure.low == figure.high:
            return show(figure.value)
        high = "" if figure.high is None else show(figure.high)
        return f"{show(figure.value)} ({show(figure.low)}–{high})"

    return shown


COLUMNS = (
    Column("Touches", "touches", _count, 7),
    Column("Leads", "leads", _count, 8),
    Column("Leads won", "attributed_leads", _count, 10),
    Column("Spend", "spend", amount, 2),
    Column("Per lead", "cost_per_lead", amount, 9),
    Column("Conversions", "attributed_conversions", _spread(_count), 1),
    Column("Incremental", "incremental_conversions", _spread(_count), 6),
    Column("IACV", "attributed_iacv", _spread(amount)),
    Column("Days", "median_conversion_days", _count, 11),
    Column("Est. IACV", "estimated_iacv", amount, 12),
    Column("CAC", "cac", _range(amount), 3),
    Column("LTV", "ltv", _range(amount), 5),
    Column("ROI", "roi", _range(_count), 4),
    Column("ROI > 1", "roi_above_one", _percent, 4),
    Column("Effect", "relative_effect", _spread(_count), 1),
    Column("Best", "probability_best", _percent, 1),
)


def as_table(report: Report, *, width: int) -> str:
    """A table of at most ``width`` columns of text, and a line on the run.

    A column without any figure is left out; so are, where the table is too wide, columns that can
    be spared, by name in the last line.
    """
    console = Console(width=width, color_system=None, file=io.StringIO(), emoji=False)
    columns = [
        column
        for column in COLUMNS
        if any(_figure(row, column.figure) is not None for row in report.rows)
    ]
    left_out: list[str] = []
    table = _table(report, columns)
    endless = console.options.update(max_width=10_000)
    while Measurement.get(console, endless, table).maximum > width:
        spared = max(columns, key=lambda column: column.expendable)
        if not spared.expendable:
            break
        columns.remove(spared)
        left_out.append(spared.title)
        table = _table(report, columns)
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join([*lines, *_notes(report, left_out)])


def _table(report: Report, columns: list[Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    by_period = report.question.period != "all"
    if by_period:
        table.add_column(report.question.period.capitalize(), no_wrap=True)
    names = KEYS[report.question.by]
    for name in names:
        title = name.removesuffix("_id").removeprefix("account_").capitalize()
        table.add_column(title, no_wrap=True, max_width=28 if len(names) < 3 else 20)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for row in report.rows:
        cells = [_day(row.group.start)] if by_period else []
        cells += [printable(part) for part in key_cells(report.question, row)]
        for column in columns:
            value = _figure(row, column.figure)
            cells.append("–" if value is None else column.show(value))
        table.add_row(*map(Text, cells))
    return table


def _notes(report: Report, left_out: list[str]) -> list[str]:
    everything = sum(row.attributed_iacv.mean for row in report.rows if row.attributed_iacv)
    currency = next((row.currency for row in report.rows if row.currency), "")
    question = report.question
    notes = ["", f"By {question.model}; IACV of these rows: {everything:,.2f} {currency}".rstrip()]
    if question.model == "bayesian":
        notes[-1] += "; (low–high): 90 % intervals, as right as the model is"
    if report.left_out:
        notes.append(f"{report.left_out:,} more rows: without --limit")
    if left_out:
        notes.append(f"More columns than fit: {', '.join(left_out)}; all with --format json")
    told = [*_bounds(report), *_best(report), describe_run(report.run)]
    return [*notes, *map(printable, told)]


def _bounds(report: Report) -> Iterator[str]:
    """Which channels' credit is an upper bound."""
    channels = dict.fromkeys(row.group.key for row in report.rows if row.bound)
    if channels:
        yield (
            f"{', '.join(channels)}: at most so much. Its touches come after conversions, too, so "
            "that people who buy go there on their own; only a lift test tells what it brings"
        )


def _best(report: Report) -> Iterator[str]:
    """Which creative of each campaign works best, and how sure that is."""
    campaigns: dict[tuple[str, str], dict[str, Comparison]] = {}
    for row in report.rows:
        if row.comparison and row.comparison.beside:
            creatives = campaigns.setdefault((row.group.key, row.group.campaign_id), {})
            creatives[row.group.item] = row.comparison
    alike = 0
    for names, creatives in campaigns.items():
        best, its = max(creatives.items(), key=lambda each: each[1].relative_effect.mean)
        sentence = told(best, its.worst, its.beside) if its.worst and its.beside else None
        alike += sentence is None
        if sentence:
            yield f"{' / '.join(names)}: {sentence}"
    if alike:
        yield f"{alike:,} campaigns: no evidence that one creative works better than another"


def _day(start: date | None) -> str:
    return start.isoformat() if start else ""


def printable(text: str | None) -> str:
    """Text without what would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text or "")
