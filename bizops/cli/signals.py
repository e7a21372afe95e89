"""``bizops signals``: which kinds of touch go with revenue, beside what the model credits."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import print_json, print_table
from bizops.errors import UsageError
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.ratios import Ratio
    from attribution.signals import Estimate, Signal, Signals

__all__ = ["register"]

COLUMNS = (
    "kind of touch", "days after", "conversions", "account-days", "rate, beside time without",
    "50 %", "90 %", "same accounts", "90 %", "model: credited", "per 1,000 touches",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(signals)


def signals(
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Say which touches and usage events go with revenue, and what the model holds to be cause.

    For each channel and each type of touch in it: how many times the rate of conversion is in the
    days after the last such touch what it is without one (accounts of the same segment, in the same
    state and month; and, as a second opinion, the same accounts at other times), with 50 and 90 %
    intervals. Kinds that surely go with revenue come first; where fewer than ten accounts
    converted it says "too few". Going together is not cause. docs/signals.md has the method.

    Example: bizops signals --format csv
    """
    from attribution.signals import NOTE, find_signals

    if form not in ("table", "json", "csv"):
        raise UsageError(f"no format {form!r}; have table, json, csv")
    found = find_signals(migrated_database(Settings.from_environment()))
    if form == "json":
        print_json(_data(found, NOTE))
        return
    if form == "csv":
        typer.echo(_csv(found), nl=False)
    else:
        print_table(COLUMNS, [cells for signal in found.signals for cells in _cells(signal)])
    for line in (_basis(found), NOTE):
        typer.echo(line, err=form == "csv")


def _data(found: "Signals", note: str) -> dict[str, Any]:
    data = asdict(found) | {"note": note}
    for signal in data["signals"]:
        for window in signal["windows"]:
            for name in ("ratio", "same_accounts"):
                window[name] = window[name] and window[name]._asdict()
    return data


def _basis(found: "Signals") -> str:
    model = f"the model of run {found.run_id}" if found.run_id else "no model is published"
    left_out = (
        f" ({found.left_out:,} more of accounts of which nothing was known before are left out)"
        if found.left_out
        else ""
    )
    return (
        f"{found.conversions:,} conversions{left_out}; data until "
        f"{found.data_until:%Y-%m-%d %H:%M} UTC; {model}."
    )


def _cells(signal: "Signal") -> Iterator[list[str]]:
    """The rows of a kind in the table; what is the same in all stands in the first."""
    kind = signal.channel if signal.touch_type is None else f"  {_type(signal)} ({signal.channel})"
    held = signal.model
    model = ["", ""]
    if held is not None and signal.touch_type is None:
        model = [_interval(held.credited), _interval(held.incremental_per_touch, 1_000)]
    for window in signal.windows:
        ratio, same = window.ratio, window.same_accounts
        yield [
            kind,
            f"{window.from_days:g}–{window.to_days:g}",
            f"{window.conversions:,}",
            f"{window.account_days:,.0f}",
            f"× {ratio.value:.2f}" if ratio else str(window.note),
            f"{ratio.low_50:.2f}–{ratio.high_50:.2f}" if ratio else "",
            f"{ratio.low_90:.2f}–{ratio.high_90:.2f}" if ratio else "",
            f"× {same.value:.2f}" if same else "",
            f"{same.low_90:.2f}–{same.high_90:.2f}" if same else "",
            *model,
        ]
        kind, model = "", ["", ""]


def _type(signal: "Signal") -> str:
    return signal.touch_type or "(no type)"


def _interval(estimate: "Estimate | None", times: float = 1.0) -> str:
    if estimate is None:
        return ""
    mean, low, high = (times * end for end in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:,.1f} ({low:,.1f}–{high:,.1f})"


def _csv(found: "Signals") -> str:
    """One row a kind and window; what is not known is empty."""
    import csv
    import io

    from warehouse.formats import harmless

    text = io.StringIO()
    records = [record for signal in found.signals for record in _records(found, signal)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows([harmless(value) for value in record] for record in records)
    return text.getvalue()


RATIO = ("", "_low_50", "_high_50", "_low_90", "_high_90")
ENDS = ("_mean", "_low", "_high")
HEADINGS = [
    "channel", "touch_type", "touches", "accounts_touched", "from_days", "to_days",
    "conversions", "accounts", "account_days", "without_conversions", "without_account_days",
    "note",
    *(f"{name}{end}" for name in ("ratio", "same_accounts") for end in RATIO),
    *(f"{name}{end}" for name in ("credited", "incremental_per_touch") for end in ENDS),
    "run_id",
]  # fmt: skip


def _records(found: "Signals", signal: "Signal") -> Iterator[list[Any]]:
    held = signal.model
    model = [*_ends(held and held.credited), *_ends(held and held.incremental_per_touch)]
    for window in signal.windows:
        yield [
            signal.channel, signal.touch_type, signal.touches, signal.accounts,
            window.from_days, window.to_days, window.conversions, window.accounts,
            window.account_days, signal.without_conversions, signal.without_account_days,
            window.note, *_values(window.ratio), *_values(window.same_accounts), *model,
            found.run_id,
        ]  # fmt: skip


def _values(ratio: "Ratio | None") -> list[float | None]:
    return [*ratio] if ratio else [None] * len(RATIO)


def _ends(estimate: "Estimate | None") -> list[float | None]:
    return [estimate.mean, estimate.low, estimate.high] if estimate else [None] * len(ENDS)
