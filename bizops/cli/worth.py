"""``bizops explain``, ``whatif`` and ``worth``: what accounts cost, are worth, and may add."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.errors import UsageError
from bizops.settings import Settings

__all__ = ["register"]

MOST_TOUCHES = 8  # of a conversion, in the table; JSON has all

Account = Annotated[str, typer.Argument(help="The account_id, or its name or domain.")]
Margin = Annotated[
    float | None,
    typer.Option(
        envvar="BIZOPS_MARGIN",
        help="Share of IACV left after the cost of serving it, such as 0.8: LTV needs it.",
    ),
]
Currency = Annotated[str | None, typer.Option(help="Amounts in this currency only, such as EUR.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(explain)
    app.command()(whatif)
    app.command()(worth)


def explain(
    account: Account,
    margin: Margin = None,
    currency: Currency = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Explain one account: who gets its deals, what is expected of it, its CAC and LTV.

    Shares are the published run's model's, with 90 % intervals; a deal that came since the run is
    provisional. docs/worth.md says what each figure is.

    Example: bizops explain acme --margin 0.8
    """
    from attribution.explain import explain as answer
    from bizops.database import opened
    from streams.summaries import read_summary

    _check_margin(margin)
    with opened(migrated_database(Settings.from_environment())) as connection:
        found = answer(connection, account, margin=margin, currency=currency)
        summary = read_summary(connection, found["account_id"])
    if form is Format.JSON:
        print_json(found | {"timeline": {"persons": summary.persons, "channels": [
            vars(channel) for channel in summary.channels
        ]}})  # fmt: skip
        return
    named = f" ({found['name']})" if found["name"] else ""
    typer.echo(f"{found['account_id']}{named}, segment {found['segment']}")
    lines = [summary.sentences()[0], *_outlook_lines(found["outlook"])]
    lines += [*_cost_lines(found), *_worth_lines(found)]
    typer.echo("\n".join(lines))
    for deal in found["conversions"]:
        _print_deal(deal)
    if found["acquired_by"]:
        typer.echo("\nAcquired by (shares of the first new deal)")
        rows = [
            (row["channel"], row["campaign_id"], _percent(row["share"]))
            for row in found["acquired_by"]["campaigns"]
            if row["share"]["mean"] >= 0.005
        ]
        print_table(("channel", "campaign", "share"), rows)
    typer.echo(f"\nRun {found['run_id']}, as of {found['as_of']:%Y-%m-%d}.", err=True)


def whatif(
    account: Account,
    touch: Annotated[
        str | None, typer.Option(help="Channel of the touch. [all channels, the best first]")
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option(help="One of the channel's campaigns. [a new one, like the others]"),
    ] = None,
    days: Annotated[float, typer.Option(help="Conversions count for so many days.")] = 90.0,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Day of the touch, in UTC. [the end of what is known]"
        ),
    ] = None,
    margin: Margin = None,
    currency: Currency = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say what one more touch of an account is expected to add: conversions, IACV, LTV.

    It is the average over accounts like this one, by the published run's model, which knows no
    more of what touches cause than it was fitted to; one touch adds little. docs/worth.md.

    Example: bizops whatif acme --touch email --margin 0.8
    """
    from attribution.whatif import what_if
    from bizops.database import opened

    _check_margin(margin)
    with opened(migrated_database(Settings.from_environment())) as connection:
        found = what_if(
            connection,
            account,
            channel=touch,
            campaign_id=campaign,
            days=days,
            at=at.replace(tzinfo=UTC) if at else None,
            margin=margin,
            currency=currency,
        )
    if form is Format.JSON:
        print_json(found)
        return
    rows = [
        (
            row["channel"],
            row["campaign_id"] or "(a new one)",
            _follows(row),
            _figure(row["conversions"]),
            _figure(row["iacv"]),
            _figure(row["ltv"]),
            _number(row["cost"]),
            _number(row["probability_it_pays"]),
        )
        for row in found["touches"]
    ]
    titles = ("channel", "campaign", "it would be", "conversions added", "IACV added", "LTV added")
    print_table((*titles, "cost", "pays"), rows)
    typer.echo("\n" + "\n".join(_caveats(found)))


def worth(
    by: Annotated[str, typer.Option(help="channel, campaign or segment.")],
    margin: Margin = None,
    currency: Currency = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say what customers are worth by what acquired them: retention, expansion and LTV.

    A customer is its first new deal's causes', by their shares; `(baseline)` are those that no
    campaign acquired. docs/worth.md says what each figure is.

    Example: bizops worth --by channel --margin 0.8
    """
    from attribution.worth import customers_worth
    from bizops.database import opened

    _check_margin(margin)
    with opened(migrated_database(Settings.from_environment())) as connection:
        found = customers_worth(connection, by, margin=margin, currency=currency)
    if form is Format.JSON:
        print_json(found)
        return
    keys = ("channel", "campaign_id") if by == "campaign" else (by,)
    shown = {
        "customers": "customers",
        "retention_years": "years they stay",
        "first_iacv": "first IACV",
        "expansion_iacv_per_year": "expansion a year",
        "ltv": "LTV",
    }
    rows = [(*(row[key] for key in keys), *(_figure(row[name]) for name in shown)) for row in found]
    print_table((*keys, *shown.values()), rows)
    if margin is None:
        typer.echo("\nLTV needs a margin: --margin or BIZOPS_MARGIN.", err=True)


def _check_margin(margin: float | None) -> None:
    if margin is not None and not 0 < margin <= 1:
        raise UsageError(f"--margin is {margin:g}; expected a share above 0 and at most 1")


def _outlook_lines(outlook: dict[str, Any] | None) -> list[str]:
    if outlook is None:
        return ["The run found no touch before any conversion: nothing is expected of touches."]
    z = outlook["activity_z"]
    busy = "not known to the run" if z is None else f"z = {z:.2f}"
    lines = [
        f"Now a {outlook['state']}; activity {busy}, which multiplies its rates by "
        f"{_figure(outlook['rate_multiplier'])}"
    ]
    if not outlook["state_buys"]:
        return [*lines, "Nobody in that state ever bought again in the run's data."]
    return [
        *lines,
        f"Expected in the next {outlook['days']:.0f} days: {_figure(outlook['comes_anyway'])} "
        f"conversions anyway, {_figure(outlook['touches_still_add'])} from its touches until now",
    ]


def _cost_lines(found: dict[str, Any]) -> list[str]:
    cost, currency = found["cost"], found["currency"] or ""
    spent, which, said = cost["cac"], "touches", "CAC"
    if found["acquired_by"] is None:
        spent, which, said = cost["spent_until_now"], "touches_until_now", "No new deal; spent"
    line = f"{said}: {_number(spent)} {currency} for {cost[which]:,} touches"
    missing = cost[f"{which}_without_cost"]
    return [f"{line}; what {missing:,} of them cost is not known" if missing else line]


def _worth_lines(found: dict[str, Any]) -> list[str]:
    worth, currency = found["worth"], found["currency"]
    if worth is None:
        return ["No IACV so far."]
    ltv = _figure(worth["ltv"])
    if worth["margin"] is None:
        ltv = "needs --margin or BIZOPS_MARGIN"
    return [
        f"IACV won: {worth['iacv_won']:,.2f} {currency}; annual value now: "
        f"{worth['annual_value']:,.2f} {currency}; LTV: {ltv}"
    ]


def _print_deal(deal: dict[str, Any]) -> None:
    marks = [
        text
        for name, text in (
            ("provisional", "provisional: it came after the run"),
            ("differs_from_published", "not yet as published: `bizops restate`"),
        )
        if deal[name]
    ]
    marked = f" ({'; '.join(marks)})" if marks else ""
    typer.echo(
        f"\n{deal['occurred_at']:%Y-%m-%d} {deal['kind']} {deal['iacv']} {deal['currency']}, "
        f"{deal['conversion_id']}{marked}"
    )
    ordered = sorted(deal["touches"], key=lambda touch: -touch["share"]["mean"])
    rows = [
        (
            f"{touch['occurred_at']:%Y-%m-%d}",
            touch["channel"],
            touch["campaign_id"],
            _percent(touch["share"]),
            _number(touch["cost"]),
        )
        for touch in ordered[:MOST_TOUCHES]
    ]
    rest = sum(touch["share"]["mean"] for touch in ordered[MOST_TOUCHES:])
    if rest:
        others = f"{len(ordered) - MOST_TOUCHES:,} others"
        rows.append(("", others, "", f"{100 * rest:.1f} %", ""))
    rows.append(("", "(baseline)", "", _percent(deal["baseline"]), ""))
    print_table(("touched", "channel", "campaign", "share", "cost"), rows)


def _follows(row: dict[str, Any]) -> str:
    after = f", after {', '.join(row['follows'])}" if row["follows"] else ""
    return f"touch {row['repeat']} of it{after}"


def _caveats(found: dict[str, Any]) -> list[str]:
    day = found["at"]
    until = day + timedelta(days=found["days"])
    lines = [
        f"{found['account_id']} is a {found['state']}; a touch on {day:%Y-%m-%d}, conversions "
        f"until {until:%Y-%m-%d}. Without it {_figure(found['comes_anyway'])} come anyway.",
        "On average over accounts like this one, by what the model learned; one touch adds little.",
    ]
    if not found["state_buys"]:
        lines.append("Nobody in that state ever bought again in the run's data: nothing is added.")
    if found["margin"] is None:
        lines.append("LTV needs a margin: --margin or BIZOPS_MARGIN.")
    elif found["retention_years"] is None:
        lines.append("LTV is not known: no customer was lost yet.")
    return lines


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    from warehouse.formats import amount

    return amount(value) if abs(value) >= 100 else f"{value:.3g}"


def _figure(ends: dict[str, float] | None) -> str:
    if ends is None:
        return "–"
    return f"{_number(ends['mean'])} ({_number(ends['low'])}–{_number(ends['high'])})"


def _percent(ends: dict[str, float]) -> str:
    mean, low, high = (100 * ends[name] for name in ("mean", "low", "high"))
    return f"{mean:.1f} % ({low:.1f}–{high:.1f})"
