"""One run of attribution, from timelines to published credit."""

import hashlib
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from attribution.credit import bayesian_credit, incremental
from attribution.features import Features, build_features
from attribution.journeys import Journeys, load_journeys
from attribution.kept import Kept
from attribution.leads import Leads, credit_leads_by_model, load_leads
from attribution.model import load_priors
from attribution.pairs import counted_pairs
from attribution.posterior import CREDIT_DRAWS, Posterior, thinned, touch_intensity
from attribution.publish import Findings, write_findings
from attribution.rulebook import credit_by_rules, find_effects
from attribution.rules import HALF_LIFE_DAYS, LOOKBACK_DAYS
from attribution.runs import (
    Run,
    exclusive,
    fail_run,
    find_run,
    new_run_id,
    read_snapshot,
    start_run,
)
from attribution.sampling import Gates, Sampling, sample
from bizops.database import opened
from bizops.errors import BizopsError, UsageError
from bizops.models import BAYESIAN, chosen_models
from bizops.settings import Settings

__all__ = ["Options", "attribute"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run may be told.

    Attributes
    ----------
    lookback_days
        Window of the rules; the model learns how long touches work.
    rules_only
        Leave the model out.
    also
        Models to publish beside those that every run has; ``all`` is every one there is.
    """

    sampling: Sampling = field(default_factory=Sampling)
    lookback_days: float = LOOKBACK_DAYS
    rules_only: bool = False
    also: tuple[str, ...] = ()

    @property
    def rules(self) -> list[str]:
        """The rules that are published, by name."""
        return [name for name in chosen_models(self.also) if name != BAYESIAN]


def attribute(
    settings: Settings,
    database_url: str,
    options: Options | None = None,
    *,
    say: Say = lambda line: None,
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

    Raises
    ------
    UsageError
        If the database has neither touches nor revenue, or an option makes no sense.
    BizopsError
        If another run is at work, or the draws do not pass.
    """
    options = options or Options()
    _check(options)
    with exclusive(database_url):
        started_at = now()
        run_id = new_run_id(started_at)
        start_run(database_url, run_id, started_at, _settings_record(options))
        work = _Work(settings.home, database_url, run_id, options, say)
        try:
            work.run()
        except BaseException as error:
            reason = str(error) if isinstance(error, BizopsError) else repr(error)
            if isinstance(error, KeyboardInterrupt):
                reason = "interrupted"
            fail_run(database_url, run_id, reason, **work.found)
            raise
    with opened(database_url) as connection:
        return find_run(connection, run_id)


class _Work:
    """The steps of one run, and what has been found so far."""

    def __init__(
        self, home: Path, database_url: str, run_id: str, options: Options, say: Say
    ) -> None:
        self.home, self.database_url, self.run_id = home, database_url, run_id
        self.options, self.say = options, say
        self.timings: dict[str, float] = {}
        self.found: dict[str, Any] = {"timings": self.timings}
        self._began = self._last = time.perf_counter()

    def run(self) -> None:
        findings = self._read()
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
            leads = load_leads(connection, journeys)
        if not len(journeys.touches) and not len(journeys.revenue):
            raise UsageError(
                "there is nothing to attribute: the database has neither touches of accounts nor "
                "revenue; publish some with `bizops produce` and run `bizops stream`"
            )
        self.found["data"] = _data_record(journeys, leads)
        self.found["data_until"] = datetime.fromtimestamp(journeys.until_us / 1e6, UTC)
        self._step("read_s")
        touches, conversions = len(journeys.touches), len(journeys.conversions)
        self.say(
            f"{touches:,} touches and {conversions:,} conversions "
            f"of {len(journeys.account_ids):,} accounts, {len(journeys.units):,} campaigns"
        )
        return Findings(journeys, leads)

    def _model(self, findings: Findings) -> None:
        journeys = findings.journeys
        features = build_features(journeys)
        self._step("features_s")
        posterior = self._fit(features, journeys) if len(features.conversion) else None
        self._last = time.perf_counter()
        credit, draws = bayesian_credit(features, journeys.touches.unit, posterior)
        findings.credit[BAYESIAN], findings.draws = credit, draws
        if posterior is not None:
            findings.incremental = incremental(features, posterior)
            names = (journeys.units, features.channels, features.baselines)
            findings.kept = Kept(*names, posterior)
        findings.lead_credit[BAYESIAN] = credit_leads_by_model(
            findings.leads, touch_intensity(posterior, features.unit_channel)
        )
        self._step("credit_s")

    def _fit(self, features: Features, journeys: Journeys) -> Posterior:
        tree, gates, seconds = sample(features, load_priors(), self.options.sampling, self.say)
        self.timings |= {name: round(value, 2) for name, value in seconds.items()}
        _name_campaigns(gates, journeys)
        self.found["diagnostics"] = gates.summary
        self.found["artifact"] = str(_save(tree, self.home / "runs" / self.run_id))
        if gates.failed:
            raise BizopsError(
                f"run {self.run_id} is not published, its draws do not pass: "
                f"{'; '.join(gates.failed)}; the run published before it stays"
            )
        return thinned(tree, features, seed=self.options.sampling.seed)

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


def _settings_record(options: Options) -> dict[str, Any]:
    return {
        **asdict(options.sampling),
        "lookback_days": options.lookback_days,
        "half_life_days": HALF_LIFE_DAYS,
        "rules_only": options.rules_only,
        "rules": options.rules,
        "credit_draws": CREDIT_DRAWS,
        "priors": {name: list(prior) for name, prior in load_priors().items()},
        "version": metadata.version("bizops"),
        "code": _code_hash(),
    }


def _code_hash() -> str:
    """Changes with any line of this package: tells which code made a run."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(files("attribution").iterdir(), key=lambda path: path.name):
        if path.name.endswith((".py", ".sql", ".toml")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _data_record(journeys: Journeys, leads: Leads) -> dict[str, Any]:
    conversions = journeys.conversions
    return {
        "accounts": len(journeys.account_ids),
        "touches": len(journeys.touches),
        "revenue_events": len(journeys.revenue),
        "conversions": len(conversions),
        "campaigns": len(journeys.units),
        "channels": len({channel for channel, _ in journeys.units}),
        "leads": len(leads.lead_ids),
        "iacv": {
            str(currency): float(conversions.amounts[conversions.currency == currency].sum())
            for currency in np.unique(conversions.currency.astype(str))
        },
        "hash": journeys.content_hash(),
    }


def _name_campaigns(gates: Gates, journeys: Journeys) -> None:
    """Campaigns by name rather than by number in what is said of parameters."""
    for name, parameter in gates.summary["worst"].items():
        if parameter.startswith("log_effect["):
            unit = journeys.units[int(parameter.partition("[")[2].rstrip("]"))]
            gates.summary["worst"][name] = f"log_effect[{' / '.join(unit)}]"


def _save(tree: Any, folder: Path) -> Path:
    """Draws and statistics of the sampler as a zarr store that ``xarray`` and ArviZ open."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "draws.zarr"
    kept = {"posterior": tree["posterior"].to_dataset()}
    stats = tree["sample_stats"].to_dataset()
    numeric = [name for name, array in stats.data_vars.items() if array.dtype.kind in "bfiu"]
    kept["sample_stats"] = stats[numeric]
    type(tree).from_dict(kept).to_zarr(path, mode="w", consolidated=False)
    return path
