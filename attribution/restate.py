"""Credit of the published run brought up to date with the timelines, without a fit."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from attribution.credit import BASELINE, DrawCredit, bayesian_credit
from attribution.features import build_terms
from attribution.journeys import US_PER_DAY, Journeys, Units, load_journeys
from attribution.kept import Kept, load_effects, load_kept
from attribution.leads import LeadCredit, credit_leads_by_model, load_leads
from attribution.pairs import counted_pairs
from attribution.posterior import touch_intensity
from attribution.publish import Findings, write_credit, write_summary
from attribution.risk import CUSTOMER, PROSPECT
from attribution.rulebook import credit_by_rules
from attribution.runs import exclusive
from attribution.stale import QUERIES, Published, Stale, find_published, find_stale
from attribution.summary import Explained, SummaryRow, summarise_shares
from bizops.arrays import decode_arrays
from bizops.database import Connection, opened
from bizops.models import BAYESIAN

__all__ = ["Restatement", "credit_now", "restate"]

EPOCH = date(1970, 1, 1)


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
    with exclusive(database_url), opened(database_url, application="bizops-restate") as connection:
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
        self.models = [*run.rules, *([] if run.rules_only else [BAYESIAN])]

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
            self._do("move_snapshot")
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
            _only(journeys, self.stale.conversions),
            load_leads(self.connection, journeys, leads),
            effects=load_effects(self.connection, self.run_.run_id),
        )
        credit_now(findings, self.kept, self.models, self.run_.lookback_days)
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
        channels, days = self._channels(ids), self._days(ids)
        self._do("delete_conversions", conversions=ids, models=self.models)
        self._do("delete_leads", leads=sorted(leads))
        write_credit(self.connection, self.run_.run_id, findings)
        channels |= self._channels(ids)
        days |= self._days(ids)
        where: dict[str, Any] = {"channels": sorted(channels), "days": sorted(days)}
        self._do("delete_summaries", models=self.models, **where)
        self._do("summarise_rules", models=self.run_.rules, **where)
        if not self.run_.rules_only:
            for channel in sorted(channels):
                rows = self._summaries(channel, days)
                write_summary(self.connection, self.run_.run_id, BAYESIAN, rows)

    def _channels(self, conversions: list[str]) -> set[str]:
        found = self._ask("credited_channels", conversions=conversions, models=self.models)
        return {channel for (channel,) in found}

    def _days(self, conversions: list[str]) -> set[date]:
        return {day for (day,) in self._ask("days", conversions=conversions)}

    def _summaries(self, channel: str, days: set[date]) -> Iterator[SummaryRow]:
        """Sums of what a channel is credited by the model: one channel at a time in memory."""
        rows = self._ask("draws_of_channel", channel=channel)
        if not rows:
            return iter(())
        time_us, currency, amounts, campaigns, shares = zip(*rows, strict=True)
        explained = Explained(
            np.array(time_us), np.array(currency, dtype=object), np.array(amounts)
        )
        names = [] if channel == BASELINE else sorted({*campaigns})
        number: dict[str, int] = {name: place for place, name in enumerate(names)}
        unit = np.array([number.get(name, -1) for name in campaigns])
        draws: Any = decode_arrays(list(shares))
        credit = DrawCredit(np.arange(len(rows)), unit, draws)
        units = tuple((channel, name) for name in names)
        changed = np.array([(day - EPOCH).days * US_PER_DAY for day in days])
        return summarise_shares(explained, units, credit, changed)

    def _ask(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(QUERIES[name], self._known() | parameters)
            return cursor.fetchall()

    def _do(self, name: str, **parameters: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(QUERIES[name], self._known() | parameters)

    def _known(self) -> dict[str, Any]:
        return {"run_id": self.run_.run_id, "seen": self.run_.seen}


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
    journeys = findings.journeys
    conversions = journeys.conversions
    pairs = counted_pairs(
        journeys.touches, conversions.account, conversions.time_us, conversions.day_only
    )
    credit_by_rules(findings, pairs, models, lookback_days)
    if BAYESIAN not in models:
        return
    baselines = [(segment, at) for segment in journeys.segments for at in (PROSPECT, CUSTOMER)]
    wider = kept.extended(journeys.units, baselines) if kept else None
    channels = wider.channels if wider else _channels_of(journeys.units)
    first, knots = (wider.first, wider.knots) if wider else ([], np.zeros(0, dtype=np.int64))
    terms = build_terms(journeys, channels, wider.baselines if wider else baselines, first, knots)
    posterior = wider.posterior if wider else None
    credit, draws = bayesian_credit(terms, journeys.touches.unit, posterior)
    findings.credit[BAYESIAN], findings.draws = credit, draws
    # a campaign that the fit did not know has the mean of those it knew
    known = terms.unit_channel[: len(kept.units)] if kept else terms.unit_channel
    findings.lead_credit[BAYESIAN] = credit_leads_by_model(
        findings.leads, touch_intensity(kept.posterior if kept else None, known)
    )


def _channels_of(units: Units) -> tuple[str, ...]:
    return tuple(sorted({channel for channel, _ in units}))


def _only(journeys: Journeys, conversions: Collection[str]) -> Journeys:
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
