"""What a run says of more, for a marketer: further touches, more money, orders of channels."""

from collections.abc import Iterator, Sequence
from html import escape

from attribution.bands import Cost
from attribution.charts import fan
from attribution.curves import Curves
from attribution.html import table
from attribution.repeats import Repeat
from attribution.responses import Response
from attribution.sequences import AGAINST, FOR
from attribution.sequences import Sequence as Order

__all__ = ["sections"]


def sections(curves: Curves) -> Iterator[str]:
    """Sections of HTML, each with its heading."""
    yield "<h2>What further touches still add</h2>"
    yield from _repeats(curves.repeats)
    yield "<h2>What more money would bring</h2>"
    yield from _responses(
        [row for row in curves.responses if row.campaign_id is None or row.spend is None]
    )
    yield "<h2>Which orders of channels work</h2>"
    yield from _orders(curves.sequences)


def _repeats(repeats: Sequence[Repeat]) -> Iterator[str]:
    by_channel: dict[str, list[Repeat]] = {}
    for row in repeats:
        by_channel.setdefault(row.channel, []).append(row)
    if not by_channel:
        yield "<p>There are no touches.</p>"
        return
    yield (
        "<p>Beside the first touch of a campaign on an account, with the ends between which it is "
        "with a probability of 90 %.</p>"
    )
    numbers = [_numbers(row) for row in next(iter(by_channel.values()))]
    yield table("", ("", *numbers[1:], ""), (list(_repeat_cells(of)) for of in by_channel.values()))


def _numbers(row: Repeat) -> str:
    if row.last is None:
        return f"touch {row.first} and later"
    return f"touch {row.first}" + (f" to {row.last}" if row.last > row.first else "")


def _repeat_cells(of: Sequence[Repeat]) -> Iterator[str]:
    yield of[0].channel
    for row in of[1:]:
        at = row.relative
        yield "not known" if at is None else f"{at.mean:.0%} ({at.low:.0%} to {at.high:.0%})"
    known = of[0].is_evidence or of[0].relative is None
    yield "" if known else "the data say little of it; mostly what was thought before"


def _responses(responses: Sequence[Response]) -> Iterator[str]:
    if not responses:
        yield "<p>No spend is recorded, so that nothing is known of it.</p>"
        return
    unknown = []
    for row in responses:
        if not row.curve:
            place = " / ".join(filter(None, (row.channel, row.campaign_id)))
            unknown.append(f"<li>{escape(place)}: {escape(row.why)}</li>")
            continue
        yield (
            f"<p><strong>{escape(row.channel)}</strong>: the next conversion costs "
            f"{_cost(row.marginal_cac)} {escape(row.currency)}; on average one cost "
            f"{_cost(row.average_cac)}.</p>"
        )
        most = row.curve[-1]
        yield fan(
            [point.multiplier for point in row.curve],
            [tuple(point.conversions) for point in row.curve],
            f"{row.channel}: conversions by spend",
            f"red: the spend now; right: {most.multiplier:g} times as much, "
            f"{most.conversions.mean:,.0f} conversions",
            1.0,
        )
    if unknown:
        yield "<p>There is no evidence of what more money would bring for</p>"
        yield f"<ul>{''.join(unknown)}</ul>"


def _cost(cost: Cost | None) -> str:
    if cost is None or cost.estimate is None:
        return "an amount that is not known"
    low = 0.0 if cost.low is None else cost.low
    high = "no bound" if cost.high is None else f"{cost.high:,.0f}"
    return f"{cost.estimate:,.0f} ({low:,.0f} to {high})"


def _orders(orders: Sequence[Order]) -> Iterator[str]:
    told = [row for row in orders if row.verdict in (FOR, AGAINST)]
    if told:
        yield "<ul>" + "".join(f"<li>{_order(row)}</li>" for row in told) + "</ul>"
    rest = len(orders) - len(told)
    if rest:
        other = "other orders" if told else "orders"
        yield f"<p>For {rest} {other} there is no evidence that they matter.</p>"
    if not orders:
        yield "<p>No channel came within 30 days after another one.</p>"


def _order(row: Order) -> str:
    times = row.times
    more = "more" if row.verdict == FOR else "less"
    return (
        f"{escape(row.then)} adds {more} after {escape(row.first)}: {times.mean:.2g} times as much "
        f"({times.low:.2g} to {times.high:.2g}), over {row.touches:,} touches and "
        f"{row.conversions:,} conversions; {row.added.mean:+,.0f} conversions because of it"
    )
