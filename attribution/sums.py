"""Sums of a run's credit, made anew where what they are sums of has changed."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import numpy as np

from attribution.credit import BASELINE, DrawCredit
from attribution.journeys import US_PER_DAY
from attribution.publish import write_summary
from attribution.stale import QUERIES, Published, ask, find_published
from attribution.summary import Explained, SummaryRow, summarise_shares
from bizops.arrays import decode_arrays
from bizops.database import Connection, connect, opened
from bizops.models import BAYESIAN

__all__ = ["Where", "holding_sums", "sum_up", "sum_up_new", "where_credited"]

EPOCH = date(1970, 1, 1)

type Where = tuple[set[str], set[date]]
"""Channels and days whose sums are meant, each of the one with each of the other."""


@contextmanager
def holding_sums(database_url: str) -> Iterator[None]:
    """Be the only one who changes sums; waits for another, and for marts that are being built."""
    connection = connect(database_url, application="bizops-sums-lock")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERIES["hold_sums"])
        yield
    finally:
        connection.close()


def sum_up_new(database_url: str) -> int:
    """Bring into the published run's sums what was credited since; returns how many conversions.

    Raises
    ------
    UsageError
        If the run was made before runs kept what this needs.
    """
    with holding_sums(database_url), opened(database_url, application="bizops-sums") as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        run = find_published(connection)
        return sum_up(connection, run) if run else 0


def where_credited(connection: Connection, run: Published, conversions: Collection[str]) -> Where:
    """Where sums hold some conversions."""
    ids = list(conversions)
    channels = ask(connection, run, "credited_channels", conversions=ids, models=run.models)
    days = ask(connection, run, "days", conversions=ids)
    return {channel for (channel,) in channels}, {day for (day,) in days}


def sum_up(connection: Connection, run: Published, also: Where | None = None) -> int:
    """Make the sums anew over the periods and channels of what they lack, in one transaction.

    Parameters
    ----------
    also
        Where else something has changed.

    Returns
    -------
    How many conversions they lacked.
    """
    new = [id_ for (id_,) in ask(connection, run, "not_in_sums")]
    channels, days = where_credited(connection, run, new)
    if also is not None:
        channels, days = channels | also[0], days | also[1]
    if not channels:
        return 0
    where: dict[str, Any] = {"channels": sorted(channels), "days": sorted(days)}
    ask(connection, run, "delete_summaries", models=run.models, **where)
    ask(connection, run, "summarise_rules", models=run.rules, **where)
    if not run.rules_only:
        for channel in where["channels"]:
            rows = _of_channel(connection, run, channel, days)
            write_summary(connection, run.run_id, BAYESIAN, rows)
    ask(connection, run, "put_in_sums", conversions=new)
    return len(new)


def _of_channel(
    connection: Connection, run: Published, channel: str, days: set[date]
) -> Iterator[SummaryRow]:
    """Sums of what a channel is credited by the model: one channel at a time in memory."""
    rows = ask(connection, run, "draws_of_channel", channel=channel)
    if not rows:
        return iter(())
    time_us, currency, amounts, campaigns, shares = zip(*rows, strict=True)
    explained = Explained(np.array(time_us), np.array(currency, dtype=object), np.array(amounts))
    names = [] if channel == BASELINE else sorted({*campaigns})
    number: dict[str, int] = {name: place for place, name in enumerate(names)}
    unit = np.array([number.get(name, -1) for name in campaigns])
    draws: Any = decode_arrays(list(shares))
    credit = DrawCredit(np.arange(len(rows)), unit, draws)
    units = tuple((channel, name) for name in names)
    changed = np.array([(day - EPOCH).days * US_PER_DAY for day in days])
    return summarise_shares(explained, units, credit, changed)
