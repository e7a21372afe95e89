"""Deals credited as they are won, by the published run's model, until the next fit knows them.

Whoever stores deals and whoever publishes a run says so by NOTIFY (migration 0011); a look every
few seconds finds what was not said. docs/decisions/0014 has why it is safe beside fits,
restatements, erasures and others like it.
"""

import logging
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg2
from psycopg2 import errors

from attribution.journeys import load_journeys
from attribution.kept import Effects, Kept, load_effects, load_kept
from attribution.leads import NO_LEADS
from attribution.publish import Findings, write_credit
from attribution.restate import credit_conversions, only_conversions
from attribution.runs import read_snapshot
from attribution.stale import QUERIES, Published, ask, find_published
from bizops.database import connect, opened
from bizops.errors import ServiceError, UsageError

__all__ = ["Credited", "Live", "follow", "may_credit"]

log = logging.getLogger("bizops.live")

MOST = 100  # deals a transaction, so that memory is bounded however many wait
LOOK_EVERY_S = 5.0
LOOK_AGAIN_S = 0.2  # where somebody else holds what is wanted
SUM_EVERY_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
SESSION = """
set lock_timeout = '200ms';
set idle_in_transaction_session_timeout = '15s';
set jit = off
"""
"""Nobody waits long for us, nor we for one deal that another is writing while others wait."""

IN_USE = (
    errors.UniqueViolation,
    errors.SerializationFailure,
    errors.LockNotAvailable,
    errors.DeadlockDetected,
)
"""Somebody else is at the same deal: a restatement, or who forgets."""

REFUSED = (ArithmeticError, LookupError, TypeError, ValueError, psycopg2.DataError)
"""What one deal may raise that others do not."""

AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, ServiceError)


@dataclass(frozen=True)
class Credited:
    """A deal that readers see the credit of.

    Attributes
    ----------
    seconds
        From Kafka's time of its event until then; None where it was there before the run or the
        process was.
    """

    conversion_id: str
    account_id: str
    run_id: str
    seconds: float | None


class Live:
    """Credits deals over one connection, which is its own.

    Parameters
    ----------
    database_url
        Of a migrated database.
    now
        The time in UTC.
    """

    def __init__(
        self, database_url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._now = now
        self._run_id: str | None = None
        self._kept: Kept | None = None
        self._effects: Effects = {}
        self._since = now()
        self._refused: set[str] = set()  # deals of this run that raise errors
        self._in_hand: Sequence[str] = ()
        self.connection = connect(database_url, application="bizops-live")
        self.connection.set_session(isolation_level="REPEATABLE READ")
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(SESSION)
            cursor.execute(QUERIES["listen"])

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Return when told of deals or of a run, or after so many seconds, or soon once stopped."""
        until = time.monotonic() + seconds
        while not (self.connection.notifies or stopped.is_set()):
            left = until - time.monotonic()
            if left <= 0:
                return
            select.select([self.connection], [], [], min(left, 0.5))
            self.connection.poll()

    def credit_new(self) -> tuple[list[Credited], bool]:
        """Credit all deals that the published run does not credit yet.

        A deal that cannot be credited is left to `bizops restate` and costs no other deal its
        credit.

        Returns
        -------
        What was credited, and whether somebody else was at others, which want another look soon.
        """
        self.connection.notifies.clear()  # whoever tells from here on may tell of more
        done: list[Credited] = []
        in_use: list[str] = []
        most = MOST
        while True:
            try:
                credited = self._credit(most, in_use)
            except (*IN_USE, *REFUSED) as error:
                if not isinstance(error, IN_USE) and not self._in_hand:
                    raise
                if not self._in_hand:
                    return done, True
                if len(self._in_hand) > 1:
                    most = 1  # the others do not wait for one
                elif isinstance(error, IN_USE):
                    in_use += self._in_hand
                else:
                    self._refused.update(self._in_hand)
                    log.exception("deal %s cannot be credited", self._in_hand[0])
            else:
                if not credited:
                    return done, bool(in_use)
                done += credited

    def _credit(self, most: int, but: list[str]) -> list[Credited]:
        """Credit the earliest deals, in one transaction."""
        self._in_hand = ()
        with self._alone(), self.connection:
            run = self._published()
            if run is None:
                return []
            passed = [*but, *self._refused]
            deals = ask(self.connection, run, "deals", most=most, but=passed)
            if not deals:
                return []
            self._in_hand = [id_ for id_, *_ in deals]
            accounts = sorted({account for _, account, _ in deals})
            first = self._kept.units if self._kept else ()
            journeys = load_journeys(self.connection, accounts, first)
            findings = Findings(
                only_conversions(journeys, self._in_hand),
                NO_LEADS,
                effects=self._effects,
                provisional=frozenset(self._in_hand),
                seen=read_snapshot(self.connection)["seen"],
            )
            if len(findings.journeys.conversions) != len(deals):
                raise ValueError("a deal is no conversion")
            credit_conversions(findings, self._kept, run.models, run.lookback_days)
            write_credit(self.connection, run.run_id, findings)
        now = self._now()
        return [
            Credited(
                id_, account, run.run_id,
                (now - received).total_seconds() if received >= self._since else None,
            )
            for id_, account, received in deals
        ]  # fmt: skip

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock from before the snapshot is taken until after the commit.

        A snapshot from before an erasure would bring back what it erased.
        """
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(QUERIES["hold_live"])
        try:
            yield
        finally:
            if not self.connection.closed:
                with self.connection, self.connection.cursor() as cursor:
                    cursor.execute(QUERIES["release_live"])

    def _published(self) -> Published | None:
        """The published run, its model in memory; None where there is nothing to credit by."""
        try:
            run = find_published(self.connection)
        except UsageError as error:
            if self._run_id != "":
                log.warning("deals wait: %s", error)
            self._run_id = ""
            return None
        if run is not None and run.run_id != self._run_id:
            self._kept = load_kept(self.connection, run.run_id)
            self._effects = load_effects(self.connection, run.run_id)
            self._run_id = run.run_id
            self._since = self._now()
            self._refused.clear()
        return run


def follow(
    database_url: str,
    stopped: threading.Event,
    on_credited: Callable[[list[Credited]], None] = lambda credited: None,
) -> None:
    """Credit deals as they are won until stopped; a database that is away is waited for.

    Parameters
    ----------
    on_credited
        Told what readers see now.
    """
    wait = FIRST_WAIT_S
    away = False
    while not stopped.is_set():
        try:
            with closing(Live(database_url)) as live:
                while not stopped.is_set():
                    credited, again = live.credit_new()
                    wait, away = FIRST_WAIT_S, False
                    if credited:
                        on_credited(credited)
                    live.wait(LOOK_AGAIN_S if again else LOOK_EVERY_S, stopped)
        except AWAY as error:
            if not away:
                log.warning("PostgreSQL is away, deals wait: %s", str(error).partition("\n")[0])
            away = True
            stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)


def may_credit(database_url: str) -> bool:
    """Whether whoever connects so may write credit."""
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERIES["may_credit"])
        return cursor.fetchone() == (True,)
