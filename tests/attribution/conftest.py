"""Small worlds: as Arrow tables for the pure parts, as rows of a database for the whole."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg2
import pyarrow as pa
import pytest

from attribution.journeys import US_PER_DAY, Journeys, build_journeys

os.environ.setdefault("PYTENSOR_FLAGS", "blas__ldflags=")  # or PyTensor warns at its import

EVENT = "event_id, source, received_at, content_hash, occurred_at, day_only"


def moment(text: str) -> tuple[datetime, bool]:
    """A time such as 2026-03-01T09:30, or a day, which hides its hour."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC), "T" not in text


def microseconds(text: str) -> int:
    return round(moment(text)[0].timestamp() * 1_000_000)


@dataclass
class Story:
    """What happened, in a few words: (account, when, …)."""

    touches: list[tuple[str, str, str, str]] = field(default_factory=list)
    revenue: list[tuple[str, str, str, str]] = field(default_factory=list)
    accounts: list[tuple[str, str, str]] = field(default_factory=list)
    leads: list[tuple[str, str]] = field(default_factory=list)

    def touch(self, account: str, when: str, channel: str = "ads", campaign: str = "a") -> "Story":
        self.touches.append((account, when, channel, campaign))
        return self

    def sale(self, account: str, when: str, kind: str = "new", iacv: str = "1000.00") -> "Story":
        self.revenue.append((account, when, kind, iacv))
        return self

    def account(self, account: str, when: str, segment: str = "smb") -> "Story":
        self.accounts.append((account, when, segment))
        return self

    def lead(self, account: str, when: str) -> "Story":
        self.leads.append((account, when))
        return self

    def journeys(self) -> Journeys:
        whens = [row[1] for row in self.touches], [row[1] for row in self.revenue]
        touches, sales, accounts = (
            [list(column) for column in zip(*rows, strict=True)] or [[]] * width
            for rows, width in ((self.touches, 4), (self.revenue, 4), (self.accounts, 3))
        )
        heads = [
            {
                "event_id": pa.array([f"{kind}{i:04}" for i in range(len(when))], pa.string()),
                "time_us": pa.array([microseconds(text) for text in when], pa.int64()),
                "day_only": pa.array([int(moment(text)[1]) for text in when], pa.int8()),
            }
            for kind, when in zip("tr", whens, strict=True)
        ]
        return build_journeys(
            pa.table(heads[0] | texts(("account_id", None, "channel", "campaign_id"), touches)),
            pa.table(
                heads[1]
                | texts(("account_id", None, "kind", "iacv"), sales)
                | {"currency": pa.array(["USD"] * len(self.revenue), pa.string())}
            ),
            pa.table(
                texts(("account_id", None, "segment"), accounts)
                | {"time_us": pa.array([microseconds(a[1]) for a in self.accounts], pa.int64())}
            ),
            known=self.known(),
        )

    def known(self) -> pa.Table:
        """As the view has it, for accounts of one lead each."""
        since = [microseconds(when) for _, when in self.leads]
        hidden = [US_PER_DAY - 1 if moment(when)[1] else 0 for _, when in self.leads]
        until = [at + more for at, more in zip(since, hidden, strict=True)]
        return pa.table(
            {
                "account_id": pa.array([account for account, _ in self.leads], pa.string()),
                "time_us": pa.array(since, pa.int64()),
                "until_us": pa.array(until, pa.int64()),
            }
        )

    def store(self, database_url: str) -> None:
        connection = psycopg2.connect(database_url)
        try:
            with connection, connection.cursor() as cursor:
                for i, (account, when, channel, campaign) in enumerate(self.touches):
                    insert(cursor, "touches", f"t{i:04}", when, account_id=account,
                           channel=channel, campaign_id=campaign, properties="{}")  # fmt: skip
                for i, (account, when, kind, iacv) in enumerate(self.revenue):
                    insert(cursor, "revenue", f"r{i:04}", when, account_id=account, kind=kind,
                           iacv=iacv, currency="USD", properties="{}")  # fmt: skip
                for i, (account, when, segment) in enumerate(self.accounts):
                    insert(cursor, "accounts", f"a{i:04}", when, account_id=account,
                           segment=segment)  # fmt: skip
                for i, (account, when) in enumerate(self.leads):
                    insert(cursor, "identities", f"l{i:04}", when, account_id=account,
                           lead_id=f"lead{i}")  # fmt: skip
        finally:
            connection.close()


def texts(names: Iterable[str | None], columns: list[list[str]]) -> dict[str, pa.Array]:
    named = zip(names, columns, strict=True)
    return {name: pa.array(column, pa.string()) for name, column in named if name is not None}


def insert(cursor, table: str, event_id: str, when: str, **columns: str) -> None:
    at, day_only = moment(when)
    values = {"event_id": event_id, "source": "test", "received_at": at, "content_hash": b"x"}
    values |= {"occurred_at": at, "day_only": day_only} | columns
    marks = ", ".join(["%s"] * len(values))
    cursor.execute(
        f"insert into stream.{table} ({', '.join(values)}) values ({marks})", list(values.values())
    )


def query(database_url: str, statement: str, *parameters: object) -> list[tuple]:
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def story() -> Story:
    return Story()
