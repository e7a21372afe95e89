"""What touches carried, a creative or collateral, beside the journeys that the model sees."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.journeys import Journeys, copied
from bizops.database import Connection

__all__ = ["DIMENSIONS", "NONE", "Items", "load_items", "no_items", "numbered"]

IntArray = NDArray[np.int64]

DIMENSIONS = ("creative", "collateral")
NONE = "(none)"
LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Items:
    """Creatives and collateral of touches.

    Attributes
    ----------
    names
        By dimension, the first is :data:`NONE`.
    of_touch
        By dimension, index of each touch's name, shape ``(touch,)``.
    """

    names: dict[str, tuple[str, ...]]
    of_touch: dict[str, IntArray]


def no_items(touches: int) -> Items:
    """Of touches that carry nothing."""
    zeros = np.zeros(touches, dtype=np.int64)
    return Items(dict.fromkeys(DIMENSIONS, (NONE,)), dict.fromkeys(DIMENSIONS, zeros))


def load_items(connection: Connection, journeys: Journeys) -> Items:
    """Read what the journeys' touches carried, in the connection's transaction."""
    table = copied(connection, "touch_items", ("creative_id", "collateral_id"))
    row = pa.compute.index_in(journeys.touches.event_ids, value_set=table["event_id"])
    there = row.is_valid().to_numpy(zero_copy_only=False)
    row = row.fill_null(0).to_numpy()
    names, of_touch = {}, {}
    for dimension in DIMENSIONS:
        values = np.asarray(table[f"{dimension}_id"].to_pylist(), dtype=object)
        found = values[row[there]] if len(values) else np.zeros(0, dtype=object)
        names[dimension] = (NONE, *sorted({*found} - {NONE}))
        number = {name: place for place, name in enumerate(names[dimension])}
        of_touch[dimension] = np.zeros(len(journeys.touches), dtype=np.int64)
        of_touch[dimension][there] = [number[name] for name in found]
    return Items(names, of_touch)


def numbered(*keys: IntArray) -> tuple[tuple[IntArray, ...], IntArray]:
    """Distinct rows of some keys in order, and which of them each row is.

    >>> numbered(np.array([2, 1, 2]), np.array([0, 5, 0]))
    ((array([1, 2]), array([5, 0])), array([1, 0, 1]))
    """
    code = np.zeros(len(keys[0]), dtype=np.int64)
    codes = 1
    for key in keys:
        low = int(key.min(initial=0))
        span = int(key.max(initial=0)) - low + 1
        if codes * span > LARGEST:  # as few codes as there are
            _, code = np.unique(code, return_inverse=True)
            codes = len(code)
        code = code * span + (key - low)
        codes *= span
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    return tuple(key[first] for key in keys), place
