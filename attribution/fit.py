"""One run of attribution, from timelines to published credit."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attribution.account_activity import account_activity
from attribution.added import find_added
from attribution.credit import bayesian_credit
from attribution.evidence import after_sale_touches, lift_records, moved, placebo_records
from attribution.features import Features, build_features
from attribution.gates import hold_to_gates
from attribution.items import load_items
from attribution.journeys import Journeys, load_journeys
from attribution.kept import Kept
from attribution.leads import credit_leads_by_model, load_leads
from attribution.lift import without_tests
from attribution.model import centres, load_priors
from attribution.pairs import counted_pairs
from attribution.posterior import Posterior, thinned, touch_intensity
from attribution.publish import Findings, write_findings
from attribution.records import data_record, name_campaigns, settings_record
from attribution.rulebook import credit_by_rules, find_effects
from attribution.rules import LOOKBACK_DAYS
from attribution.runs import (
    Run,
    exclusive,
    find_run,
    new_run_id,
    published_run,
    read_snapshot,
    remove_leftovers,
    run_folder,
    settle_failure,
    start_run,
)
from attribution.sampling import Progress, Sampling, Say, sample
from bizops.database import opened
from bizops.errors import GateError, UsageError
from bizops.models import BAYESIAN, chosen_models
from bizops.settings import Settings

__all__ = ["Options", "Retrained", "attribute", "retrain"]


@dataclass(frozen=True)
class Options:
    """What a run may be told.

    Attributes
    ----------
    lookback_days
        Window of the rules; the model learns how long touches work.
    rules_only
        Leave the model out.
    every_gate
        Hold the run not only to its draws but to what was observed, and to the published run.
    also
        Models to publish beside those that every run has; ``all`` is every one there is.
    """

    sampling: Sampling = field(default_factory=Sampling)
    lookback_days: float = LOOKBACK_DAYS
    rules_only: bool = False
    also: tuple[str, ...] = ()
    every_gate: bool = False

    @property
    def rules(self) -> list[str]:
        """The rules that are published, by name."""
        return [name for name in chosen_models(self.also) if name != BAYESIAN]


@dataclass(frozen=True)
class Retrained:
    """What a retraining came to.

    Attributes
    ----------
    run
        The published run.
    is_new
        False if nothing had changed since it, so that nothing was fitted.
    """

    run: Run
    is_new: bool


def attribute(
    settings: Settings,
    database_url: str,
    options: Options | None = None,
    *,
    say: Say = lambda line: None,
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Run:
    """Fit the model to everything in the database, and publish whom it credits.

    Published are the model's credit and each rule's, in one transaction. A run whose draws do not
    pass, or that fails in any other way, is kept as failed with the reason, and what was published
    before it stays. A database without conversions, or without a touch before any, is no failure:
    everything there is then goes to the baseline.

    Parameters
    ----------
    say
        Is told of progress, line by line.
    progress
        Is told of progress while it samples, in place of ``say``.

    Raises
    ------
    UsageError
        If the database has neither touches nor revenue, or an option makes no sense.
    BusyError
        If another run is at work.
    GateError
        If the draws do not pass.
    """
    options = options or Options()
    _check(options)
    with exclusive(database_url):
        return _carry_out(_Work(settings.home, database_url, options, say, progress), now)


def retrain(
    settings: Settings,
    database_url: str,
    options: Options | None = None,
    *,
    force: bool = False,
    wait_s: float = 0.0,
    say: Say = lambda line: None,
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Retrained:
    """Do what :func:`attribute` does, if there is anything new, and publish under every gate.

    Parameters
    ----------
    force
        Fit even where all that a fit depends on is as it was for the published run.
    wait_s
        How long to wait for another run that is at work.

    Raises
    ------
    UsageError, BusyError
        As :func:`attribute`.
    GateError
        If any gate failed; the run published before stays.
    """
    options = replace(options or Options(), every_gate=True)
    _check(options)
    with exclusive(database_url, wait_s, say):
        work = _Work(settings.home, database_url, options, say, progress)
        with opened(database_url) as connection:
            published = published_run(connection)
        if published is not None and not force and work.is_as_for(published):
            return Retrained(published, is_new=False)
        return Retrained(_carry_out(work, now), is_new=True)


def _carry_out(work: "_Work", now: Callable[[], datetime]) -> Run:
    """One run, recorded whatever becomes of it, by whoever holds the right to attribute."""
    started_at, url = now(), work.database_url
    with opened(url) as connection:
        remove_leftovers(connection, work.home)
    work.run_id = new_run_id(started_at)
    start_run(url, work.run_id, started_at, settings_record(work.options))
    try:
        work.run()
    except BaseException as error:
        settle_failure(url, work.run_id, error, **work.found)
    with opened(url) as connection:
        return find_run(connection, work.run_id)


class _Work:
    """The steps of one run, and what has been found so far."""

    def __init__(
        self,
        home: Path,
        database_url: str,
        options: Options,
        say: Say,
        progress: Progress | None = None,
    ) -> None:
        self.home, self.database_url, self.run_id = home, database_url, ""
        self.options, self.say, self.progress = options, say, progress
        self.timings: dict[str, float] = {}
        self.found: dict[str, Any] = {"timings": self.timings}
        self._findings: Findings | None = None
        self._began = self._last = time.perf_counter()

    def is_as_for(self, published: Run) -> bool:
        """Whether all that a fit depends on is what it was for a run with a model."""
        self._findings = self._read()
        before, now = published.data or {}, self.found["data"]
        return not published.settings.get("rules_only") and all(
            before.get(name) == now[name] for name in ("hash", "leads_hash")
        )

    def run(self) -> None:
        findings = self._findings or self._read()
        journeys = findings.journeys
        pairs = counted_pairs(
            journeys.touches,
            journeys.conversions.account,
            journeys.conversions.time_us,
            journeys.conversions.day_only,
        )
        rules, lookback = self.options.rules, self.options.lookback_days
        findings.effects = find_effects(rules, journeys, pairs, lookback)
        credit_by_rules(findings, pairs, rules, lookback)
        self._step("rules_s")
        if not self.options.rules_only:
            self._model(findings)
        self.say("publishing")
        with opened(self.database_url, application="bizops-attribute") as connection:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.timings["peak_memory_mb"] = round(memory)
            self.timings["total_s"] = round(time.perf_counter() - self._began, 2)
            write_findings(connection, self.run_id, findings, **self._record())
        self.say(f"published run {self.run_id}")

    def _read(self) -> Findings:
        self.say("reading the timelines")
        with opened(self.database_url, application="bizops-attribute") as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            self.found |= read_snapshot(connection)
            journeys = load_journeys(connection)
            findings = Findings(journeys, load_leads(connection, journeys))
            findings.items = load_items(connection, journeys)
            self._after_sale = after_sale_touches(connection, journeys)
        if not len(journeys.touches) and not len(journeys.revenue):
            raise UsageError(
                "there is nothing to attribute: the database has neither touches of accounts nor "
                "revenue; publish some with `bizops produce` and run `bizops stream`"
            )
        self.found["data"] = data_record(journeys, findings.leads)
        self.found["data_until"] = datetime.fromtimestamp(journeys.until_us / 1e6, UTC)
        self._step("read_s")
        touches, conversions = len(journeys.touches), len(journeys.conversions)
        self.say(
            f"{touches:,} touches and {conversions:,} conversions "
            f"of {len(journeys.account_ids):,} accounts, {len(journeys.units):,} campaigns"
        )
        return findings

    def _model(self, findings: Findings) -> None:
        journeys = findings.journeys
        features = build_features(journeys)
        self._step("features_s")
        posterior = self._fit(features, journeys) if len(features.conversion) else None
        if posterior is not None:
            if self.options.every_gate:
                self._hold(features, journeys, posterior)
            self._weigh(features, journeys, posterior)
        self._last = time.perf_counter()
        credit, draws = bayesian_credit(features, journeys.touches.unit, posterior)
        findings.credit[BAYESIAN], findings.draws = credit, draws
        if posterior is not None:
            found, seed = (journeys, features, posterior), self.options.sampling.seed
            findings.added = find_added(*found, findings.items, (credit, draws), seed)
            names = (journeys.units, features.channels, features.baselines, features.knots)
            findings.kept = Kept(*names, posterior)
            findings.activity = account_activity(journeys, features)
        findings.lead_credit[BAYESIAN] = credit_leads_by_model(
            findings.leads, touch_intensity(posterior, features.unit_channel)
        )
        self._step("credit_s")

    def _fit(self, features: Features, journeys: Journeys) -> Posterior:
        tree, gates, seconds = sample(
            features, load_priors(), self.options.sampling, self.say, self.progress
        )
        self.timings |= {name: round(value, 2) for name, value in seconds.items()}
        name_campaigns(gates, journeys)
        self.found["diagnostics"] = gates.summary | {
            "activity_levels": features.activity_levels.tolist(),
            "centres": list(centres(features)),
        }
        self.found["artifact"] = str(_save(tree, run_folder(self.home, self.run_id)))
        if gates.failed:
            raise self._refusal(f"its draws do not pass: {'; '.join(gates.failed)}")
        return thinned(tree, features, seed=self.options.sampling.seed)

    def _weigh(self, features: Features, journeys: Journeys, posterior: Posterior) -> None:
        """Find which channels share a cause with conversions, and what lift tests moved."""
        self._last = time.perf_counter()
        found: dict[str, Any] = {
            "placebo": placebo_records(journeys, features, posterior, self._after_sale)
        }
        without = None
        if len(features.lift.tests):
            self.say("fitting once more without lift tests, to tell what they moved")
            untested, settings = without_tests(features), self.options.sampling
            settings = replace(settings, draws=max(settings.draws // 2, 10))
            tree, _, _ = sample(untested, load_priors(), settings, self.say, self.progress)
            without = thinned(tree, untested, seed=settings.seed)
            found["lift_moved"] = moved(features, posterior, without)
        if len(journeys.lift_tests):
            found["lift_tests"] = lift_records(journeys, features, posterior, without)
        self.found["diagnostics"] = self.found.get("diagnostics", {}) | found
        self._step("evidence_s")

    def _hold(self, features: Features, journeys: Journeys, posterior: Posterior) -> None:
        """Refuse a run that does not foresee what came, or less well than the published one."""
        self.say("checking what it predicts")
        self._last = time.perf_counter()
        with opened(self.database_url, application="bizops-attribute") as connection:
            found, failed = hold_to_gates(
                connection, journeys, features, posterior, self.options.sampling.seed
            )
        self.found["diagnostics"] = self.found.get("diagnostics", {}) | found
        self._step("gates_s")
        if failed:
            raise self._refusal("; ".join(failed))

    def _refusal(self, why: str) -> GateError:
        with opened(self.database_url) as connection:
            before = published_run(connection)
        stays = f"run {before.run_id} stays published" if before else "no run is published"
        return GateError(f"run {self.run_id} is not published, {why}; {stays}")

    def _record(self) -> dict[str, Any]:
        return {"diagnostics": {}, "artifact": None} | self.found

    def _step(self, name: str) -> None:
        now = time.perf_counter()
        self.timings[name] = round(now - self._last, 2)
        self._last = now


def _check(options: Options) -> None:
    if not options.lookback_days > 0:
        raise UsageError(f"a lookback of {options.lookback_days:g} days; expected more than 0")
    for name, least in (("draws", 10), ("tune", 10), ("chains", 2)):
        value = getattr(options.sampling, name)
        if value < least:
            raise UsageError(f"{name} is {value}; expected {least} or more")
    if options.rules_only and BAYESIAN in options.also:
        raise UsageError(f"both {BAYESIAN} and rules only are asked for; expected one of them")
    chosen_models(options.also)


def _save(tree: Any, folder: Path) -> Path:
    """Draws and statistics of the sampler as a zarr store that ``xarray`` and ArviZ open."""
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / "draws.zarr", folder / "draws.zarr.partial"
    kept = {"posterior": tree["posterior"].to_dataset()}
    stats = tree["sample_stats"].to_dataset()
    numeric = [name for name, array in stats.data_vars.items() if array.dtype.kind in "bfiu"]
    kept["sample_stats"] = stats[numeric]
    type(tree).from_dict(kept).to_zarr(partial, mode="w", consolidated=False)
    return partial.rename(path)
