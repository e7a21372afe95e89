"""What in the data does not fit together, and how much IACV that leaves in doubt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege

from bizops.currencies import CURRENCIES
from bizops.database import Connection, Cursor, load_queries
from bizops.errors import ServiceError, UsageError
from bizops.events import EVENT_TYPES, TimedEvent
from warehouse.schema import check_schema

__all__ = [
    "CHECKS",
    "Check",
    "DataReport",
    "Example",
    "Finding",
    "InDoubt",
    "Verdict",
    "check_data",
]

QUERIES = load_queries("warehouse", "data_checks.sql")
GRAVE_SHARE = 0.05
"""A check that leaves this share of a currency's IACV in doubt, or more, is grave."""
SILENCE = {"least_days": 6, "grace_days": 2, "times": 3, "ended_days": 365}
"""When a source is stale: docs/data-checks.md has the rule in words."""
STALE = "stale_sources"
NO_RATE = "currencies_without_rate"


class Verdict(StrEnum):
    """``ok``: nothing found; ``note``: found, at little cost; ``doubt``: figures are in doubt."""

    OK = "ok"
    NOTE = "note"
    DOUBT = "doubt"


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes
    ----------
    name
        Of the block of SQL that finds it, too.
    meaning
        What it means for the figures, in one sentence.
    remedy
        What to do about it.
    """

    name: str
    meaning: str
    remedy: str


CHECKS = (
    Check(
        "campaigns_without_spend",
        "Campaigns with touches and no spend: their cost per lead, CAC and ROI are empty, and "
        "their channel seems cheaper than it is.",
        "Publish their spend; an amount of 0 for those that cost nothing.",
    ),
    Check(
        "spend_without_touches",
        "Campaigns with spend and no touches: they cost, and nothing can be credited to them.",
        "Bring their touches, or give touches and spend the same channel and campaign_id.",
    ),
    Check(
        "spend_without_campaign",
        "Campaigns with spend of which no campaign event tells: they have no name and no budget.",
        "Publish a campaign event for each, or correct the campaign_id of the spend.",
    ),
    Check(
        "touches_without_accounts",
        "Touches of people whose account nobody knows: they get no credit, and conversions that "
        "they may have brought look as if they came by themselves.",
        "Publish identity events that say whose visitors and addresses these are, or account "
        "events with domains.",
    ),
    Check(
        "accounts_without_segment",
        "Accounts in no segment: the model takes all of them for one segment, 'unknown'.",
        "Publish account events with a segment.",
    ),
    Check(
        "revenue_without_touches",
        "Conversions of accounts without any touch before: all their IACV is the baseline's.",
        "Look for the touches: under another account_id, of a source that is missing, or of people "
        "who are not linked to the account.",
    ),
    Check(
        STALE,
        "Sources that have been silent for much longer than is usual for them: what came since is "
        "missing, and conversions since are credited without it.",
        "Look at what publishes them, at `bizops dead-letters`, and whether `bizops stream` runs.",
    ),
    Check(
        "clock_skew",
        "Events that say they occurred after they arrived: a touch may stand after the conversion "
        "that it came before, and gets no credit for it.",
        "Set the source's clock, or the time zone of its times; then publish with the right times.",
    ),
    Check(
        NO_RATE,
        "Amounts of days for which their currency has no rate to the reporting currency: they stay "
        "in a currency of their own, and are missing in sums of the reporting currency.",
        "Publish exchange_rate events from the first of these days on.",
    ),
    Check(
        "products_without_margin",
        "Products that were sold before a margin was told: their LTV and ROI need a margin that "
        "is given by hand, or are empty.",
        "Publish product events with a margin, or one without a product for all others.",
    ),
)
"""In the order in which they are told."""


@dataclass(frozen=True)
class Example:
    """One of the worst that a check found."""

    id: str
    name: str | None
    detail: str


@dataclass(frozen=True)
class InDoubt:
    """IACV that a check leaves unattributed or in doubt, and its share of its currency's."""

    currency: str
    iacv: Decimal
    share: float


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    count
        Campaigns, touches, accounts, conversions, sources, events, currencies or products.
    examples
        The worst, worst first.
    iacv
        By currency; empty without any conversion.
    spend
        Spend that it found, by currency; only checks of spend have any.
    """

    check: Check
    count: int
    examples: tuple[Example, ...]
    iacv: tuple[InDoubt, ...]
    spend: Mapping[str, Decimal]

    @property
    def verdict(self) -> Verdict:
        """How grave it is: a source that is silent always is."""
        if not self.count:
            return Verdict.OK
        grave = any(one.share >= GRAVE_SHARE for one in self.iacv)
        return Verdict.DOUBT if grave or self.check.name == STALE else Verdict.NOTE


@dataclass(frozen=True)
class DataReport:
    """What all checks found.

    Attributes
    ----------
    left_out
        What was not looked at, and why: a sentence each.
    """

    findings: tuple[Finding, ...]
    left_out: tuple[str, ...]

    @property
    def is_fine(self) -> bool:
        """Whether no figures are in doubt."""
        return all(one.verdict is not Verdict.DOUBT for one in self.findings)


def check_data(
    connection: Connection, *, now: datetime, currency: str | None = None, examples: int = 3
) -> DataReport:
    """Look at everything, in the connection's transaction; only temporary tables are made.

    Parameters
    ----------
    currency
        The reporting currency; without one nobody needs exchange rates.
    examples
        Most of each check.

    Raises
    ------
    UsageError
        If there is no such currency.
    ServiceError
        If the database has not the schema this code needs, or the role may not read events.
    """
    if currency is not None and currency not in CURRENCIES:
        raise UsageError(f"no currency {currency!r}; expected a code of ISO 4217, such as EUR")
    check_schema(connection)
    left_out = []
    with connection.cursor() as cursor:
        try:
            unread = _gather(cursor, now, currency)
            findings = _findings(cursor, examples)
        except InsufficientPrivilege as error:
            raise ServiceError(
                f"{str(error).partition('\n')[0]}: the checks need the rights of bizops_transform "
                "or bizops_report, as `bizops roles` grants them"
            ) from None
    if unread:
        left_out.append(f"This role may not read when these came: {', '.join(unread)}.")
    if currency is None:
        findings = [one for one in findings if one.check.name != NO_RATE]
        left_out.append("Exchange rates: no reporting currency is set (BIZOPS_CURRENCY).")
    return DataReport(tuple(findings), tuple(left_out))


def _gather(cursor: Cursor, now: datetime, currency: str | None) -> list[str]:
    """Make the temporary tables that checks look at; returns types of event left out."""
    cursor.execute(QUERIES["memory"])
    cursor.execute(QUERIES["touches"])
    cursor.execute(QUERIES["events"])
    others = {name: model for name, model in EVENT_TYPES.items() if model.topic != "touches"}
    cursor.execute(QUERIES["readable"], {"tables": [model.topic for model in others.values()]})
    readable = {row[0] for row in cursor.fetchall()}
    for name, model in others.items():
        names = {"type": sql.Literal(name), "table": sql.Identifier("stream", model.topic)}
        if model.topic not in readable:
            continue
        if issubclass(model, TimedEvent):
            cursor.execute(sql.SQL(QUERIES["timed_events"]).format(**names))
        elif "date" in model.model_fields:
            cursor.execute(sql.SQL(QUERIES["dated_events"]).format(**names))
    today = now.astimezone(UTC).date()
    cursor.execute(QUERIES["silences"], SILENCE | {"today": today})
    cursor.execute(QUERIES["spend"])
    cursor.execute(QUERIES["rates"], {"currency": currency})
    cursor.execute(QUERIES["conversions"])
    cursor.execute(QUERIES["has_skew"])
    if cursor.fetchall()[0][0]:  # a second pass over touches, for those who need one
        cursor.execute(QUERIES["skewed_conversions"])
    return [name for name, model in others.items() if model.topic not in readable]


def _findings(cursor: Cursor, examples: int) -> list[Finding]:
    iacv: dict[str, list[InDoubt]] = {}
    for name, currency, amount, total in _rows(cursor, "iacv"):
        iacv.setdefault(name, []).append(InDoubt(currency, amount, float(amount / total)))
    spend: dict[str, dict[str, Decimal]] = {}
    for name, currency, amount in _rows(cursor, "spend_in_doubt"):
        spend.setdefault(name, {})[currency] = amount
    findings = []
    for check in CHECKS:
        rows = _rows(cursor, check.name, {"examples": examples})
        findings.append(
            Finding(
                check,
                count=int(rows[0][0]) if rows else 0,
                examples=tuple(Example(*row[1:]) for row in rows),
                iacv=tuple(iacv.get(check.name, ())),
                spend=spend.get(check.name, {}),
            )
        )
    return findings


def _rows(
    cursor: Cursor, query: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    cursor.execute(QUERIES[query], parameters)
    return cursor.fetchall()
