"""``bizops attribute`` and ``bizops retrain``: fit, check, publish."""

from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json
from bizops.cli.progress import sampling_progress
from bizops.cli.runs import channels_of, print_channels, print_run
from bizops.models import ON_REQUEST
from bizops.settings import Settings

if TYPE_CHECKING:
    from attribution.runs import Run

__all__ = ["register"]


Seed = Annotated[int, typer.Option(min=0, help="Same seed and data, same numbers.")]
Draws = Annotated[
    int, typer.Option(min=10, help="Draws of each chain; twice as many of over 50,000 conversions.")
]
Chains = Annotated[int, typer.Option(min=2, help="Chains, sampled side by side.")]
Lookback = Annotated[
    float, typer.Option(help="Days before a conversion in which rules count touches.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(attribute)
    app.command()(retrain)


def attribute(
    seed: Seed = 1,
    draws: Draws = 1000,
    chains: Chains = 4,
    lookback: Lookback = 90,
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

    settings = Settings.from_environment()
    database_url = migrated_database(settings)
    also = tuple(model or ())
    options = Options(Sampling(seed, draws, chains=chains), lookback, rules_only, also)
    with sampling_progress() as progress:
        run = run_attribution(settings, database_url, options, say=_note, progress=progress)
    _print_result(run, database_url, form)


def retrain(
    force: Annotated[
        bool, typer.Option("--force", help="Fit even if nothing new came since the last fit.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for another run that is at work.")
    ] = 0,
    seed: Seed = 1,
    draws: Draws = 1000,
    chains: Chains = 4,
    lookback: Lookback = 90,
    form: FormatOption = Format.TABLE,
) -> None:
    """Fit anew if anything new came, and publish only what passes every gate: made for cron.

    Besides the draws a run is held to posterior predictive checks and to the held-out log score of
    the published run. Exit codes: 0 published, or nothing new; 3 a gate failed, which is named, and
    the run published before stays; 75 another run is at work. A run that was killed is found by
    the next one, marked as failed and cleaned up. docs/retraining.md has the gates and a cron line.

    Example: bizops retrain --wait 600
    """
    from attribution.fit import Options
    from attribution.fit import retrain as run_retraining
    from attribution.sampling import Sampling

    settings = Settings.from_environment()
    database_url = migrated_database(settings)
    options = Options(Sampling(seed, draws, chains=chains), lookback)
    with sampling_progress() as progress:
        done = run_retraining(
            settings,
            database_url,
            options,
            force=force,
            wait_s=wait,
            say=_note,
            progress=progress,
        )
    if not done.is_new:
        _note(
            f"nothing new came since run {done.run.run_id} read the timelines, so nothing was "
            "fitted; --force fits anyway"
        )
    _print_result(done.run, database_url, form)


def _print_result(run: "Run", database_url: str, form: Format) -> None:
    from bizops.database import opened

    with opened(database_url) as connection:
        channels = channels_of(connection, run)
    if form is Format.JSON:
        print_json(vars(run) | {"channels": channels})
        return
    print_run(run)
    print_channels(channels)


def _note(line: str) -> None:
    typer.echo(line, err=True)
