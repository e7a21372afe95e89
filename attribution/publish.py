"""Everything of a run into PostgreSQL, in the transaction that makes it the published one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.account_activity import AccountActivity, save_activity
from attribution.added import Added, save_added
from attribution.copying import copy_columns, copy_draws
from attribution.credit import BASELINE, Credit, DrawCredit
from attribution.items import Items, no_items
from attribution.journeys import NEVER, QUERIES, Journeys
from attribution.kept import Effects, Kept, save_effects, save_kept
from attribution.leads import LeadCredit, Leads
from attribution.runs import publish_run
from attribution.totals import TotalRow, total_draws, totals
from bizops.database import Connection
from bizops.models import BAYESIAN

__all__ = ["Findings", "write_credit", "write_findings", "write_totals"]

TOTALS = (
    "dimension", "channel", "campaign_id", "currency",
    "conversions_mean", "conversions_low", "conversions_high", "iacv_mean", "iacv_low", "iacv_high",
)  # fmt: skip


@dataclass
class Findings:
    """What a run found.

    Attributes
    ----------
    credit, lead_credit
        By model.
    effects
        Of campaigns, by each Markov model.
    draws
        Of the Bayesian model's shares; None for a run of rules only.
    items, added
        What touches carried, and what they add in expectation; None without a fit.
    kept
        The model, for restating; None without a fit.
    activity
        How busy it found accounts; None without a fit.
    provisional
        Ids of conversions that came after the fit.
    seen
        The snapshot that credit of after the run was computed from, as text; sums do not hold it
        yet. None for what the run itself saw.
    """

    journeys: Journeys
    leads: Leads
    credit: dict[str, Credit] = field(default_factory=dict)
    lead_credit: dict[str, LeadCredit] = field(default_factory=dict)
    effects: Effects = field(default_factory=dict)
    draws: DrawCredit | None = None
    items: Items = field(default_factory=lambda: no_items(0))
    added: Added | None = None
    kept: Kept | None = None
    activity: AccountActivity | None = None
    provisional: frozenset[str] = frozenset()
    seen: str | None = None


def write_findings(connection: Connection, run_id: str, findings: Findings, **found: Any) -> None:
    """Write all rows of a run and publish it; nothing is there if any of it fails.

    Parameters
    ----------
    found
        ``data``, ``diagnostics``, ``timings``, ``data_until``, ``artifact``, ``seen`` and
        ``seen_at`` of the run.
    """
    write_credit(connection, run_id, findings)
    if findings.added is not None:
        save_added(connection, run_id, findings.journeys.units, findings.items, findings.added)
    if findings.kept is not None:
        save_kept(connection, run_id, findings.kept)
    if findings.activity is not None:
        save_activity(connection, run_id, findings.activity)
    save_effects(connection, run_id, findings.effects)
    _write_totals(connection, run_id, findings)
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["analyze"])
    publish_run(connection, run_id, **found)


def write_credit(connection: Connection, run_id: str, findings: Findings) -> None:
    """Write the rows of each conversion and lead: all that is not summed up over several."""
    _write_conversions(connection, run_id, findings)
    for model, credit in findings.credit.items():
        _write_credit(connection, run_id, model, findings.journeys, credit)
    for model, lead_credit in findings.lead_credit.items():
        _write_leads(connection, run_id, model, findings.leads, lead_credit)
    if findings.draws is not None:
        _write_draws(connection, run_id, findings.journeys, findings.draws)


def _write_conversions(connection: Connection, run_id: str, findings: Findings) -> None:
    journeys, provisional = findings.journeys, findings.provisional
    conversions = journeys.conversions
    segments = np.asarray(journeys.segments, dtype=object)
    copy_columns(
        connection,
        "attribution.conversions",
        {
            "run_id": _same(run_id, len(conversions)),
            "conversion_id": _texts(conversions.event_ids),
            "account_id": _texts(journeys.account_ids[conversions.account]),
            "occurred_at": _moments(conversions.time_us),
            "day_only": conversions.day_only,
            "kind": _texts(conversions.kind),
            "iacv": _texts(conversions.iacv),
            "currency": _texts(conversions.currency),
            "segment": _texts(segments[journeys.segment[conversions.account]]),
            "known_until": _moments(conversions.known_us, conversions.known_us == NEVER),
            "provisional": np.array([id_ in provisional for id_ in conversions.event_ids], bool),
            "seen": pa.repeat(pa.scalar(findings.seen, pa.string()), len(conversions)),
        },
    )


def _write_credit(
    connection: Connection, run_id: str, model: str, journeys: Journeys, credit: Credit
) -> None:
    touches = journeys.touches
    touch = pa.array(credit.touch, mask=credit.touch < 0)
    copy_columns(
        connection,
        "attribution.credit",
        {
            "run_id": _same(run_id, len(credit.share)),
            "model": _same(model, len(credit.share)),
            "conversion_id": _texts(journeys.conversions.event_ids[credit.conversion]),
            "touch_id": touches.event_ids.take(touch),
            **_places(journeys.units, credit.unit(touches.unit)),
            "touched_at": _moments(touches.time_us).take(touch),
            "share": credit.share,
        },
    )


def _write_leads(
    connection: Connection, run_id: str, model: str, leads: Leads, credit: LeadCredit
) -> None:
    copy_columns(
        connection,
        "attribution.lead_credit",
        {
            "run_id": _same(run_id, len(credit.lead)),
            "model": _same(model, len(credit.lead)),
            "lead_id": _texts(leads.lead_ids[credit.lead]),
            "became_lead_at": _moments(leads.time_us[credit.lead]),
            **_places(leads.units, credit.unit),
            "share": credit.share,
        },
    )


def _write_draws(
    connection: Connection, run_id: str, journeys: Journeys, draws: DrawCredit
) -> None:
    places = [*journeys.units, (BASELINE, BASELINE)]
    ids = journeys.conversions.event_ids
    keys = (
        (run_id, ids[conversion], *places[unit])
        for conversion, unit in zip(draws.conversion, draws.unit, strict=True)
    )
    columns = ("run_id", "conversion_id", "channel", "campaign_id", "shares")
    copy_draws(connection, "attribution.credit_draws", columns, keys, draws.shares)


def _write_totals(connection: Connection, run_id: str, findings: Findings) -> None:
    for model, credit in findings.credit.items():
        rows: Iterator[TotalRow]
        if model == BAYESIAN and findings.draws is not None:
            rows = total_draws(findings.journeys, findings.draws)
        else:
            rows = totals(findings.journeys, credit)
        write_totals(connection, run_id, model, rows)


def write_totals(connection: Connection, run_id: str, model: str, rows: Iterator[TotalRow]) -> None:
    """Write sums of a model's credit."""
    first = next(rows, None)
    if first is None:
        return
    columns = dict(zip(TOTALS, zip(*chain((first,), rows), strict=True), strict=True))
    count = len(columns["channel"])
    keys = {"run_id": _same(run_id, count), "model": _same(model, count)}
    copy_columns(
        connection,
        "attribution.credit_totals",
        keys | {name: pa.array(values) for name, values in columns.items()},
    )


def _places(units: tuple[tuple[str, str], ...], unit: NDArray[np.int64]) -> dict[str, Any]:
    """Names of campaigns by index, the baseline's for -1."""
    index = pa.array(np.where(unit < 0, len(units), unit))
    names = [*units, (BASELINE, BASELINE)]
    channels, campaigns = (pa.array([name[i] for name in names], pa.string()) for i in (0, 1))
    return {"channel": channels.take(index), "campaign_id": campaigns.take(index)}


def _same(value: str | bool, count: int) -> Any:
    return pa.repeat(pa.scalar(value), count)


def _texts(values: NDArray[np.object_]) -> Any:
    return pa.array(values, pa.string())


def _moments(time_us: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> Any:
    return pa.array(time_us, pa.timestamp("us", tz="UTC"), mask=mask)
