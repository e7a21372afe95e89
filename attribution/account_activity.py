"""What a run knew of each account's activity, kept for questions about one account alone."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.copying import copy_columns
from attribution.customers import ask
from attribution.features import Features
from attribution.journeys import Journeys
from bizops.database import Connection

__all__ = ["AccountActivity", "account_activity", "load_activity", "save_activity"]


@dataclass(frozen=True)
class AccountActivity:
    """The bin and the ``z`` that accounts had at the end of the data, shape ``(account,)`` each."""

    account_ids: NDArray[np.object_]
    bins: NDArray[np.int64]
    z: NDArray[np.float64]


def account_activity(journeys: Journeys, features: Features) -> AccountActivity | None:
    """Of every account that was ever at risk; None where accounts do not differ."""
    levels, spells = features.activity_levels, features.spells
    if len(levels) < 2:
        return None
    last = np.flatnonzero(np.diff(spells.account, append=-1))
    bins = spells.activity[last]
    return AccountActivity(journeys.account_ids[spells.account[last]], bins, levels[bins])


def save_activity(connection: Connection, run_id: str, activity: AccountActivity) -> None:
    """Write what a run knew."""
    columns = {
        "run_id": pa.repeat(pa.scalar(run_id), len(activity.bins)),
        "account_id": pa.array(activity.account_ids, pa.string()),
        "bin": activity.bins,
        "z": activity.z,
    }
    copy_columns(connection, "attribution.account_activity", columns)


def load_activity(connection: Connection, run_id: str, account_id: str) -> tuple[int, float] | None:
    """Bin and ``z`` of one account; None where the run did not know it."""
    rows = ask(connection, "activity", {"run_id": run_id, "account_id": account_id})
    return (int(rows[0][0]), float(rows[0][1])) if rows else None
