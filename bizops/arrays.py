"""Arrays of PostgreSQL as ``array_send`` gives them, without a Python object for each item."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode_arrays"]

HEAD = 20  # bytes before the items of a one-dimensional array in PostgreSQL's binary form


def decode_arrays(sent: list[bytes], *, bits: int = 32) -> NDArray[np.floating]:
    """Read equally long ``real[]``, or ``double precision[]`` of 64 ``bits``.

    Returns
    -------
    Shape ``(array, item)``, in the precision they are stored in.
    """
    item = np.dtype([("size", ">i4"), ("value", f">f{bits // 8}")])
    items = (len(sent[0]) - HEAD) // item.itemsize
    layout = np.dtype([("head", f"V{HEAD}"), ("items", item, (items,))])
    values = np.frombuffer(b"".join(sent), dtype=layout)["items"]["value"]
    return values.astype(f"f{bits // 8}")
