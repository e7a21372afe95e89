"""Credit of the published run brought up to date with the timelines, without a fit."""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
from psycopg2 import errors

from attribution.credit import BASELINE, bayesian_credit
from attribution.features import Terms, build_terms
from attribution.journeys import Journeys, Units, load_journeys
from attribution.kept import Kept, load_effects, load_kept
from attribution.leads import LeadCredit, credit_leads_by_model, load_leads
from attribution.pairs import counted_pairs
from attribution.posterior import touch_intensity
from attribution.publish import Findings, write_credit, write_totals
from attribution.risk import CUSTOMER, PROSPECT
from attribution.rulebook import credit_by_rules
from attribution.runs import exclusive, read_snapshot
from attribution.stale import Published, Stale, ask, find_published, find_stale
from attribution.totals import total_up_again
from bizops.database import Connection, opened
from bizops.models import BAYESIAN

__all__ = ["Restatement", "credit_conversions", "credit_now", "only_conversions", "restate"]

ATTEMPTS = 5


@dataclass(frozen=True)
class Restatement:
    """What was done to a published run.

    Attributes
    ----------
    restated_at
        None if nothing had to be written.
    reasons
        Conversions by why they were stale; one may have several reasons.
    new_campaigns
        ``channel / campaign`` of those that the fit did not know.
    """

    run_id: str
    restated_at: datetime | None
    conversions: int
    leads: int
    reasons: dict[str, int]
    new_campaigns: list[str]


def restate(
    database_url: str, accounts: Collection[str] | None = None, *, forgotten: bool = False
) -> Restatement | None:
    """Compute the credit that is stale from the timelines as they are now, and write it.

    Shares are by the run's rules and by its model, as it was fitted. What is not stale is not
    touched; rows and all sums of them change in one transaction, or not at all.

    Parameters
    ----------
    accounts
        Only these, whether they are stale or not; what else is stale stays so.
    forgotten
        Look at every lead, because touches are gone. An erasure that took credited touches is seen
        without being told.

    Returns
    -------
    None if no run is published.

    Raises
    ------
    BizopsError
        If a run or another restatement is at work.
    UsageError
        If the published run was made before runs kept what this needs.
    """
    with exclusive(database_url):
        attempts = ATTEMPTS
        while True:
            try:
                return _restate(database_url, accounts, forgotten=forgotten)
            except (errors.UniqueViolation, errors.SerializationFailure):
                # a deal was credited as it was won between our look and our rows: look again
                attempts -= 1
                if not attempts:
                    raise


def _restate(
    database_url: str, accounts: Collection[str] | None, *, forgotten: bool
) -> Restatement | None:
    with opened(database_url, application="bizops-restate") as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        run = find_published(connection)
        if run is None:
            return None
        stale = find_stale(connection, run, accounts, every_lead=forgotten)
        return _Work(connection, run, stale).run(everything=accounts is None)


class _Work:
    """The steps of one restatement."""

    def __init__(self, connection: Connection, run: Published, stale: Stale) -> None:
        self.connection, self.run_, self.stale = connection, run, stale
        self.kept = load_kept(connection, run.run_id)
        self._ask = partial(ask, connection, run)

    def run(self, *, everything: bool) -> Restatement:
        conversions, leads = self.stale.conversions, self.stale.doubtful_leads
        new_campaigns: list[str] = []
        changed: set[str] = set()
        if conversions or leads:
            findings = self._compute()
            changed = self._changed_leads(findings)
            _keep_leads(findings, changed)
            known = {*self.kept.units} if self.kept else set()
            used = findings.journeys.units
            new_campaigns = [" / ".join(unit) for unit in used if self.kept and unit not in known]
            self._replace(findings, changed)
        else:
            self._total_up(set())
        restated_at = None
        if conversions or changed:
            restated_at = self._ask(
                "log_restatement",
                conversions=len(conversions),
                leads=len(changed),
                reasons=json.dumps(self.stale.reasons),
                new_campaigns=json.dumps(new_campaigns),
            )[0][0]
        if everything:
            self._ask("move_snapshot")
        return Restatement(
            self.run_.run_id,
            restated_at,
            len(conversions),
            len(changed),
            self.stale.reasons,
            new_campaigns,
        )

    def _compute(self) -> Findings:
        """Credit of the stale conversions and the doubtful leads."""
        first = self.kept.units if self.kept else ()
        leads = self.stale.doubtful_leads
        theirs = self._ask("accounts_of_leads", leads=leads) if leads else []
        accounts = {*self.stale.conversions.values(), *(account for (account,) in theirs)}
        journeys = load_journeys(self.connection, sorted(accounts), first)
        findings = Findings(
            only_conversions(journeys, self.stale.conversions),
            load_leads(self.connection, journeys, leads),
            effects=load_effects(self.connection, self.run_.run_id),
            seen=read_snapshot(self.connection)["seen"],
        )
        credit_now(findings, self.kept, self.run_.models, self.run_.lookback_days)
        ids = findings.journeys.conversions.event_ids.tolist()
        fitted = self._ask("fitted_conversions", conversions=ids)
        return replace(findings, provisional=frozenset(ids) - {id_ for (id_,) in fitted})

    def _changed_leads(self, findings: Findings) -> set[str]:
        """The leads whose rows would not be what they are."""
        stored, now = defaultdict(dict), defaultdict(dict)  # type: ignore[var-annotated]
        leads = findings.leads
        for row in self._ask("lead_credit_of", leads=self.stale.doubtful_leads):
            stored[row[0]][row[1:5]] = row[5]
        places = [*leads.units, (BASELINE, BASELINE)]
        moments = [_moment(int(time_us)) for time_us in leads.time_us]
        for model, credit in findings.lead_credit.items():
            for lead, unit, share in zip(credit.lead, credit.unit, credit.share, strict=True):
                key = (model, *places[unit], moments[lead])
                now[leads.lead_ids[lead]][key] = float(share)
        return {
            lead
            for lead in {*stored, *now}
            if stored[lead].keys() != now[lead].keys()
            or any(abs(share - now[lead][key]) > 1e-12 for key, share in stored[lead].items())
        }

    def _replace(self, findings: Findings, leads: set[str]) -> None:
        """Write the new rows in place of the old ones, and the sums of both anew."""
        ids = list(self.stale.conversions)
        before = self._credited(ids)
        self._ask("delete_conversions", conversions=ids, models=self.run_.models)
        self._ask("delete_leads", leads=sorted(leads))
        write_credit(self.connection, self.run_.run_id, findings)
        self._total_up(before | self._credited(ids))

    def _total_up(self, channels: set[str]) -> None:
        """Sums of these channels, and of those that deals were credited to as they were won."""
        came_since = [id_ for (id_,) in self._ask("provisional")]
        channels = channels | self._credited(came_since)
        for model, rows in total_up_again(self.connection, self.run_, channels):
            write_totals(self.connection, self.run_.run_id, model, rows)

    def _credited(self, conversions: list[str]) -> set[str]:
        found = self._ask("credited_channels", conversions=conversions, models=self.run_.models)
        return {channel for (channel,) in found}


def credit_now(
    findings: Findings, kept: Kept | None, models: Collection[str], lookback_days: float
) -> None:
    """Credit conversions and leads by rules, and by models that were fitted before.

    Parameters
    ----------
    findings
        Whose journeys count the model's campaigns first, with the removal effects of the run.
    kept
        The model; None where there was nothing to fit, and all is the baseline's.
    models
        The rules, and the model if its name is among them.
    """
    terms = credit_conversions(findings, kept, models, lookback_days)
    if terms is None:
        return
    # a campaign that the fit did not know has the mean of those it knew
    known = terms.unit_channel[: len(kept.units)] if kept else terms.unit_channel
    findings.lead_credit[BAYESIAN] = credit_leads_by_model(
        findings.leads, touch_intensity(kept.posterior if kept else None, known)
    )


def credit_conversions(
    findings: Findings, kept: Kept | None, models: Collection[str], lookback_days: float
) -> Terms | None:
    """The same, of leads by rules alone; the terms of the model's, if it was asked for."""
    journeys = findings.journeys
    conversions = journeys.conversions
    pairs = counted_pairs(
        journeys.touches, conversions.account, conversions.time_us, conversions.day_only
    )
    credit_by_rules(findings, pairs, models, lookback_days)
    if BAYESIAN not in models:
        return None
    baselines = [(segment, at) for segment in journeys.segments for at in (PROSPECT, CUSTOMER)]
    wider = kept.extended(journeys.units, baselines) if kept else None
    channels = wider.channels if wider else _channels_of(journeys.units)
    first, knots = (wider.first, wider.knots) if wider else ([], np.zeros(0, dtype=np.int64))
    terms = build_terms(journeys, channels, wider.baselines if wider else baselines, first, knots)
    posterior = wider.posterior if wider else None
    credit, draws = bayesian_credit(terms, journeys.touches.unit, posterior)
    findings.credit[BAYESIAN], findings.draws = credit, draws
    return terms


def _channels_of(units: Units) -> tuple[str, ...]:
    return tuple(sorted({channel for channel, _ in units}))


def only_conversions(journeys: Journeys, conversions: Collection[str]) -> Journeys:
    """The journeys before these conversions only."""
    all_, wanted = journeys.conversions, {*conversions}
    kept = np.array([id_ in wanted for id_ in all_.event_ids], dtype=bool)
    arrays = {name: values[kept] for name, values in vars(all_).items()}
    return replace(journeys, conversions=replace(all_, **arrays))


def _keep_leads(findings: Findings, names: set[str]) -> None:
    """Leave out the credit of all other leads."""
    wanted = np.array([name in names for name in findings.leads.lead_ids], dtype=bool)
    for model, credit in findings.lead_credit.items():
        kept = wanted[credit.lead]
        findings.lead_credit[model] = LeadCredit(
            credit.lead[kept], credit.unit[kept], credit.share[kept]
        )


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
