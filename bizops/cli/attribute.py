"""``bizops attribute`` and ``bizops runs``."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json
from bizops.models import ON_REQUEST
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.runs import Run
    from bizops.database import Connection

__all__ = ["register"]


runs = typer.Typer(help="The fits so far, published or failed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(attribute)
    runs.command("list")(list_)
    runs.command("show")(show)
    app.add_typer(runs, name="runs")


def attribute(
    seed: Annotated[int, typer.Option(min=0, help="Same seed and data, same numbers.")] = 1,
    draws: Annotated[int, typer.Option(min=10, help="Draws of each chain.")] = 1500,
    chains: Annotated[int, typer.Option(min=2, help="Chains, sampled side by side.")] = 4,
    lookback: Annotated[
        float, typer.Option(help="Days before a conversion in which rules count touches.")
    ] = 90,
    rules_only: Annotated[
        bool,
        typer.Option(
            "--rules-only",
            help="Leave the model out; reports have rules only, until the next run with it.",
        ),
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Also publish {', '.join(ON_REQUEST)}, or all; may be given several times."
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Fit the model to all timelines and publish whom it credits, with each rule beside it.

    Markov chains of a longer memory than one touch come with `--model`.

    Nothing is published unless the draws pass: R-hat at most 1.01, ESS 400 or more, no divergences.

    Example: bizops attribute --seed 7
    """
    from attribution.fit import Options
    from attribution.fit import attribute as run_attribution
    from attribution.sampling import Sampling
    from bizops.database import opened

    settings = Settings.from_environment()
    database_url = migrated_database(settings)
    also = tuple(model or ())
    options = Options(Sampling(seed, draws, chains=chains), lookback, rules_only, also)
    run = run_attribution(settings, database_url, options, say=_note)
    with opened(database_url) as connection:
        channels = _channels(connection, run)
    if form is Format.JSON:
        print_json(vars(run) | {"channels": channels})
        return
    _print_run(run)
    _print_channels(channels)


def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """List runs, the newest first.

    Example: bizops runs list --limit 5
    """
    from attribution.runs import list_runs
    from attribution.stale import count_stale
    from bizops.database import opened

    with opened(migrated_database(Settings.from_environment())) as connection:
        found = list_runs(connection, limit)
        stale = count_stale(connection)
    if form is Format.JSON:
        print_json([vars(run) | _stale_of(run, stale) for run in found])
        return
    for run in found:
        size = f"{run.data['conversions']:,} conversions" if run.data else ""
        note = run.error or _diagnostics(run)
        note += _stale_note(_stale_of(run, stale))
        typer.echo(f"{run.run_id}  {run.status:<9}  {size:<20}  {note}".rstrip())
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
        channels = _channels(connection, run)
        stale = _stale_of(run, count_stale(connection))
    if form is Format.JSON:
        print_json(vars(run) | stale | {"channels": channels})
        return
    _print_run(run)
    if note := _stale_note(stale):
        typer.echo(f"  credit{note}")
    for name in ("settings", "data", "timings"):
        for key, value in sorted((getattr(run, name) or {}).items()):
            typer.echo(f"  {name} {key}: {json.dumps(value)}")
    _print_channels(channels)


def _note(line: str) -> None:
    typer.echo(line, err=True)


def _channels(connection: "Connection", run: "Run") -> list[dict[str, Any]]:
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
    if not found:
        return "no fit"
    return (
        f"R-hat {found['r_hat_max']:.3f}, ESS {found['ess_bulk_min']} bulk and "
        f"{found['ess_tail_min']} tail, {found['divergences']} divergences"
    )


def _print_run(run: "Run") -> None:
    typer.echo(f"Run {run.run_id}: {run.status}{f', {run.error}' if run.error else ''}")
    typer.echo(f"  {_diagnostics(run)}")
    timings = run.timings or {}
    steps = [f"{name[:-2]} {timings[name]:.1f} s" for name in timings if name.endswith("_s")]
    memory = timings.get("peak_memory_mb")
    typer.echo(f"  {', '.join(sorted(steps))}{f'; at most {memory:,} MB' if memory else ''}")


def _print_channels(channels: list[dict[str, Any]]) -> None:
    if not channels:
        return
    model = channels[0]["model"]
    typer.echo(f"\n{'channel':<22}{'conversions':>26}{'IACV':>42}   ({model}, 90 % intervals)")
    for row in channels:
        counted = "{mean:,.1f} [{low:,.0f}, {high:,.0f}]".format(**row["conversions"])
        valued = "{mean:,.0f} [{low:,.0f}, {high:,.0f}]".format(**row["iacv"])
        typer.echo(f"{row['channel']:<22}{counted:>26}{valued:>38} {row['currency']}")
