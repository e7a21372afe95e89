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
    "kind of touch", "days after", "conver-\nsions", "account-\ndays", "rate", "50 %", "90 %",
    "same\naccounts", "90 %",
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
    model = f"model of run {found.run_id}" if found.run_id else "no model is published"
    left_out = (
        f" ({found.left_out:,} more, of accounts of which nothing was known before, are left out)"
        if found.left_out
        else ""
    )
    return (
        f"{found.conversions:,} conversions{left_out}; data until "
        f"{found.data_until:%Y-%m-%d %H:%M} UTC; {model}. A rate of × 2: twice that of time "
        "without such a touch in 90 days. One 90 % interval in twenty is above × 1 by chance alone."
    )


def _cells(signal: "Signal") -> Iterator[list[str]]:
    """The rows of a kind in the table; what the model holds stands under the name of a channel."""
    from warehouse.formats import amount

    for head, window in zip(_heads(signal), signal.windows, strict=True):
        ratio, same = window.ratio, window.same_accounts
        yield [
            head,
            f"{window.from_days:g}–{window.to_days:g}",
            f"{window.conversions:,}",
            amount(window.account_days),
            f"× {_digits(ratio.value)}" if ratio else str(window.note),
            f"{_digits(ratio.low_50)}–{_digits(ratio.high_50)}" if ratio else "",
            f"{_digits(ratio.low_90)}–{_digits(ratio.high_90)}" if ratio else "",
            f"× {_digits(same.value)}" if same else "",
            f"{_digits(same.low_90)}–{_digits(same.high_90)}" if same else "",
        ]


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def _heads(signal: "Signal") -> tuple[str, str, str]:
    if signal.touch_type is not None:
        return f"{signal.channel}: {signal.touch_type or '(no type)'}", "", ""
    held = signal.model
    if held is None:
        return signal.channel, "", ""
    added = held.incremental_per_touch
    return (
        signal.channel,
        f"  model: {_interval(held.credited)} credited",
        f"  {_interval(added, 1_000)} by 1,000 touches" if added else "",
    )


def _interval(estimate: "Estimate", times: float = 1.0) -> str:
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
    estimates = (held.credited, held.incremental_per_touch) if held else (None, None)
    model = [end for estimate in estimates for end in _ends(estimate)]
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
