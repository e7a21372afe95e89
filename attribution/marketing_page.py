"""A run for a marketer, on one page: what brought conversions, what changed, what is not known."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from attribution.charts import intervals
from attribution.credit import BASELINE
from attribution.evidence_page import bounds_said, moves_said
from attribution.html import page, table
from attribution.runs import Run
from attribution.versions import Compared

__all__ = ["marketing_page"]

SURE = 0.95
MOST_CAMPAIGNS = 12


def marketing_page(
    run: Run,
    channels: Sequence[dict[str, Any]],
    campaigns: Sequence[dict[str, Any]],
    creatives: Mapping[str, str | None],
    change: Compared | None,
    stale: int | None,
    more: Iterable[str] = (),
) -> str:
    """The page's text.

    Parameters
    ----------
    channels, campaigns
        Rows as of :func:`attribution.runs.channel_table`; those of campaigns name one.
    creatives
        By campaign that has several, which works best; None where there is no evidence.
    change
        The run beside the one before it; None if there is none.
    stale
        How many conversions' credit is not up to date; None where that is not known.
    more
        Sections of HTML on what more would bring.
    """
    until = f" until {run.data_until:%d %B %Y}" if run.data_until else ""
    model = channels[0]["model"] if channels else ""
    by = "" if model in ("", "bayesian") else f" (by the rule {model}, which has no intervals)"
    return page(
        f"What brought conversions{until}",
        [
            *_total(channels),
            _chart("Channels", channels, "channel", by),
            _chart("Campaigns that brought most", campaigns[:MOST_CAMPAIGNS], "campaign_id", by),
            *more,
            *_ads(creatives),
            "<h2>What changed</h2>",
            *_changes(change),
            *_experiments(run),
            "<h2>What is not known</h2>",
            "<ul>"
            + "".join(f"<li>{said}</li>" for said in _unknown(run, channels, stale))
            + "</ul>",
            f'<p class="note">Run {escape(run.run_id)}. Bars hold the true figure with a '
            "probability of 90 %, as far as the model is right.</p>",
        ],
    )


def _total(channels: Sequence[dict[str, Any]]) -> Iterator[str]:
    total = sum(row["conversions"]["mean"] for row in channels)
    anyway = [row["conversions"] for row in channels if row["channel"] == BASELINE]
    if not channels or len(anyway) > 1:
        yield f"<p>{total:,.0f} conversions in all.</p>"
        return
    base = anyway[0] if anyway else {"mean": 0.0, "low": 0.0, "high": 0.0}
    brought, least, most = (total - base[end] for end in ("mean", "high", "low"))
    yield (
        f"<p><strong>Of {total:,.0f} conversions campaigns brought {brought:,.0f}</strong> "
        f"(between {least:,.0f} and {most:,.0f}); the other {base['mean']:,.0f} would have come "
        "anyway.</p>"
    )


def _chart(title: str, rows: Sequence[dict[str, Any]], name: str, by: str) -> str:
    shown = [row for row in rows if row["channel"] != BASELINE]
    if not shown:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    bars = [(_label(row, name), *row["conversions"].values(), None) for row in shown]
    money = [
        (_label(row, name), "{mean:,.0f}".format(**row["iacv"]),
         "{low:,.0f} to {high:,.0f}".format(**row["iacv"]), row["currency"])
        for row in shown
    ]  # fmt: skip
    heads = ("", "IACV", "between", "")
    chart = intervals(bars, f"conversions that would not be there without it{by}", "conversions")
    return f"<h2>{escape(title)}</h2>{chart}" + table("", heads, money)


def _experiments(run: Run) -> Iterator[str]:
    items = [f"<li>{said}</li>" for said in moves_said(run.diagnostics or {})]
    if items:
        yield f"<h2>What experiments say</h2><ul>{''.join(items)}</ul>"


def _ads(creatives: Mapping[str, str | None]) -> Iterator[str]:
    if not creatives:
        return
    yield "<h2>Ads that work better than others of their campaign</h2>"
    told = [f"<li>{escape(name)}: {escape(text)}</li>" for name, text in creatives.items() if text]
    yield f"<ul>{''.join(told)}</ul>" if told else ""
    alike = sum(text is None for text in creatives.values())
    if alike:
        yield f"<p>Of {alike:,} campaigns there is no evidence that one works better.</p>"


def _label(row: dict[str, Any], name: str) -> str:
    return str(row[name]) if name == "channel" else f"{row['channel']} / {row[name]}"


def _changes(change: Compared | None) -> Iterator[str]:
    if change is None:
        yield "<p>There is no run before this one to compare with.</p>"
        return
    clear, rest = [], []
    for row in change.channels:
        beside = row["conversions"]
        above = beside["probability_above_zero"]
        if row["channel"] == BASELINE:
            continue
        if above is None or SURE > above > 1 - SURE:
            rest.append(escape(row["channel"]))
            continue
        first, second = (beside[of]["mean"] for of in ("first", "second"))
        text = f"from {first:,.0f} to {second:,.0f}"
        clear.append(
            f"<li>{escape(row['channel'])}: {'more' if above >= SURE else 'less'}, {text}</li>"
        )
    yield f"<p>Beside run {escape(change.first.run_id)}:</p>"
    yield f"<ul>{''.join(clear)}</ul>" if clear else "<p>No channel changed beyond doubt.</p>"
    if rest:
        yield f"<p>Too close to call: {', '.join(dict.fromkeys(rest))}.</p>"


def _unknown(run: Run, channels: Sequence[dict[str, Any]], stale: int | None) -> Iterator[str]:
    yield from bounds_said(run.diagnostics or {})
    nothing = [
        escape(row["channel"])
        for row in channels
        if row["channel"] != BASELINE and row["conversions"]["low"] == 0 and "bound" not in row
    ]
    if nothing:
        yield f"Whether {', '.join(nothing)} brought anything at all."
    yield (
        "Whether something else made people both touch a campaign and buy. Who has decided to buy "
        "searches for the company; such searches get credit they do not deserve. Only an "
        "experiment tells."
    )
    yield (
        "What a campaign would bring with more money, where spend hardly varied: figures are of "
        "what was done, on average."
    )
    if stale:
        yield (
            f"How {stale:,} conversions look with what came since this run "
            "(<code>bizops restate</code> brings them up to date)."
        )
    if run.status not in ("published", "withdrawn"):
        yield f"This run is {escape(run.status)}: its figures are not to be used."
