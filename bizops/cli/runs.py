"""``bizops runs``: the fits so far, beside each other, and which of them is published."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.runs import Run
    from attribution.versions import Compared, Switch
    from bizops.database import Connection

__all__ = ["channels_of", "print_channels", "print_run", "register"]


runs = typer.Typer(help="The fits so far, published or failed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    runs.command("list")(list_)
    runs.command("show")(show)
    runs.command("compare")(compare)
    runs.command("promote")(promote)
    runs.command("rollback")(rollback)
    runs.command("report")(report)
    app.add_typer(runs, name="runs")


def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """List runs, the newest first.

    One is published: reports read it. Those before it are kept and can be promoted; one that was
    rolled back is withdrawn.

    Example: bizops runs list --limit 5
    """
    from attribution.runs import list_runs, published_run
    from attribution.stale import count_stale
    from bizops.database import opened

    with opened(migrated_database(Settings.from_environment())) as connection:
        found = list_runs(connection, limit)
        published = published_run(connection)
        stale = count_stale(connection)
    if form is Format.JSON:
        print_json(
            [
                vars(run)
                | {"is_published": published is not None and run.run_id == published.run_id}
                | _stale_of(run, stale)
                for run in found
            ]
        )
        return
    for run in found:
        size = f"{run.data['conversions']:,} conversions" if run.data else ""
        note = run.error or _diagnostics(run)
        note += _stale_note(_stale_of(run, stale))
        kept = run.status == "published" and (published is None or run.run_id != published.run_id)
        status = "kept" if kept else run.status
        typer.echo(f"{run.run_id}  {status:<9}  {size:<20}  {note}".rstrip())
    if not found:
        typer.echo("No runs yet: `bizops attribute` makes one.")


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or how it begins.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show one run: settings, data, diagnostics, timings, and what it credits.

    Example: bizops runs show 20261122T170501-ab12cd
    """
    from attribution.runs import find_run
    from attribution.stale import count_stale
    from bizops.database import opened

    with opened(migrated_database(Settings.from_environment())) as connection:
        run = find_run(connection, run_id)
        channels = channels_of(connection, run)
        stale = _stale_of(run, count_stale(connection))
    if form is Format.JSON:
        print_json(vars(run) | stale | {"channels": channels})
        return
    print_run(run)
    if note := _stale_note(stale):
        typer.echo(f"  credit{note}")
    for name in ("settings", "data", "timings"):
        for key, value in sorted((getattr(run, name) or {}).items()):
            typer.echo(f"  {name} {key}: {json.dumps(value)}")
    print_channels(channels)


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or how it begins.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another one.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show two runs side by side: each channel's credit, how surely it changed, and what differs.

    Example: bizops runs compare 20261121 20261122
    """
    from attribution.versions import compare_runs
    from bizops.database import opened

    with opened(migrated_database(Settings.from_environment())) as connection:
        compared = compare_runs(connection, first, second)
    if form is Format.JSON:
        of = {"first": vars(compared.first), "second": vars(compared.second)}
        print_json(vars(compared) | of)
        return
    _print_compared(compared)


def promote(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or how it begins.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Publish an older run again: reports read it at once, as it was.

    Example: bizops runs promote 20261121T170501-ab12cd
    """
    from attribution.versions import promote as promote_run

    database_url = migrated_database(Settings.from_environment())
    _print_switch(promote_run(database_url, run_id), database_url, form)


def rollback(form: FormatOption = Format.TABLE) -> None:
    """Withdraw the published run: the one published before it is so again.

    Example: bizops runs rollback
    """
    from attribution.versions import rollback as roll_back

    database_url = migrated_database(Settings.from_environment())
    _print_switch(roll_back(database_url), database_url, form)


def report(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or how it begins.")],
    output: Annotated[Path, typer.Option(help="The folder; made if it is not there.")],
) -> None:
    """Write a run as two pages of HTML: statistics.html and, for those who spend, marketing.html.

    The first has traces, ranks, energy, priors beside posteriors, predictive checks and their
    calibration; the second what brought conversions, what changed, and what is not known.

    Example: bizops runs report 20261122T170501-ab12cd --output report
    """
    from attribution.pages import write_pages
    from bizops.database import opened

    with opened(migrated_database(Settings.from_environment())) as connection:
        for path in write_pages(connection, run_id, output):
            typer.echo(path)


def _print_switch(switch: "Switch", database_url: str, form: Format) -> None:
    from attribution.stale import count_stale
    from bizops.database import opened

    with opened(database_url) as connection:
        stale = _stale_of(switch.run, count_stale(connection))
    if form is Format.JSON:
        before = switch.before.run_id if switch.before else None
        print_json(vars(switch.run) | stale | {"before": before})
        return
    place = f", in place of run {switch.before.run_id}" if switch.before else ""
    typer.echo(f"Run {switch.run.run_id} is published{place}.")
    if count := stale["stale_conversions"]:
        typer.echo(
            f"  {count:,} conversions of it are stale, by what came since it read the timelines: "
            "`bizops restate`"
        )
    typer.echo("  The marts are of the run before until `bizops transform`.")


def _print_compared(compared: "Compared") -> None:
    for figure, width in (("conversions", 24), ("iacv", 40)):
        title = f"{figure} ({compared.model})"
        ids = (compared.first.run_id, compared.second.run_id)
        heads = "".join(f"{name:>{width}}" for name in (*ids, "difference"))
        typer.echo(f"{title:<24}{heads}")
        for row in compared.channels:
            beside = row[figure]
            cells = [
                "{mean:,.0f} [{low:,.0f}, {high:,.0f}]".format(**beside[of])
                for of in ("first", "second")
            ]
            cells.append("{mean:+,.0f} [{low:+,.0f}, {high:+,.0f}]".format(**beside["difference"]))
            above = beside["probability_above_zero"]
            sure = "" if above is None else f"  P(more) {above:.2f}"
            money = f" {row['currency']}" if figure == "iacv" else ""
            line = "".join(f"{cell:>{width}}" for cell in cells)
            typer.echo(f"{row['channel']:<24}{line}{sure}{money}")
        typer.echo("")
    typer.echo("not the same" if compared.differences else "settings and data are the same")
    for name, (before, after) in compared.differences.items():
        typer.echo(f"  {name}: {json.dumps(before)} -> {json.dumps(after)}")


def channels_of(connection: "Connection", run: "Run") -> list[dict[str, Any]]:
    """What a run credits to each channel, as data."""
    from attribution.runs import channel_table

    return channel_table(connection, run)


def _stale_of(run: "Run", stale: tuple[str, int] | None) -> dict[str, int | None]:
    """How many conversions are stale; not known of runs that are not the published one."""
    return {"stale_conversions": stale[1] if stale and stale[0] == run.run_id else None}


def _stale_note(stale: dict[str, int | None]) -> str:
    count = stale["stale_conversions"]
    return f"; {count:,} conversions stale: `bizops restate`" if count else ""


def _diagnostics(run: "Run") -> str:
    found = run.diagnostics
    if not found or "r_hat_max" not in found:
        return "no fit"
    return (
        f"R-hat {found['r_hat_max']:.3f}, ESS {found['ess_bulk_min']} bulk and "
        f"{found['ess_tail_min']} tail, {found['divergences']} divergences"
    )


def print_run(run: "Run") -> None:
    """What a run is and how it passed."""
    typer.echo(f"Run {run.run_id}: {run.status}{f', {run.error}' if run.error else ''}")
    typer.echo(f"  {_diagnostics(run)}")
    timings = run.timings or {}
    steps = [f"{name[:-2]} {timings[name]:.1f} s" for name in timings if name.endswith("_s")]
    memory = timings.get("peak_memory_mb")
    typer.echo(f"  {', '.join(sorted(steps))}{f'; at most {memory:,} MB' if memory else ''}")


def print_channels(channels: list[dict[str, Any]]) -> None:
    """What a run credits to each channel."""
    if not channels:
        return
    model = channels[0]["model"]
    typer.echo(f"\n{'channel':<22}{'conversions':>26}{'IACV':>42}   ({model}, 90 % intervals)")
    for row in channels:
        counted = "{mean:,.1f} [{low:,.0f}, {high:,.0f}]".format(**row["conversions"])
        valued = "{mean:,.0f} [{low:,.0f}, {high:,.0f}]".format(**row["iacv"])
        bound = "  (an upper bound)" if row.get("bound") else ""
        typer.echo(f"{row['channel']:<22}{counted:>26}{valued:>38} {row['currency']}{bound}")
