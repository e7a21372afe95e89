"""What an error of PostgreSQL says about a batch: a bad row, a time to wait, or a fault of ours."""

import psycopg2

from bizops.errors import ServiceError

__all__ = ["lies_in_a_row", "will_pass"]

ROW_CLASSES = frozenset({"21", "22", "23", "54"})
"""Classes of SQLSTATE that a row's own content causes: cardinality, data, integrity, limits of the
server such as the longest entry of an index. Tried again, they come again."""

PASSING_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
"""Connection, rollback (deadlock, serialization), resources (a full disk, too many connections),
a lock not to be had, an operator's intervention (shutdown, cancel), input and output."""

PASSING_CODES = frozenset({"25006", "25P03", "25P04"})
"""Read-only after a failover, and sessions that the server ended because they stood still."""


def lies_in_a_row(error: Exception) -> bool:
    """Whether the batch without one of its rows would be taken: the row is to be set aside."""
    if isinstance(error, psycopg2.Error) and error.pgcode:
        return error.pgcode[:2] in ROW_CLASSES
    return isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError, ValueError))


def will_pass(error: Exception) -> bool:
    """Whether the same batch will be taken later, so that waiting in place is right.

    Anything else that does not lie in a row (a missing table, a right not granted) is a fault of
    ours or of the set-up: no waiting mends it.
    """
    if isinstance(error, ServiceError):
        return True
    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode:
        return error.pgcode[:2] in PASSING_CLASSES or error.pgcode in PASSING_CODES
    # Without a code it was said by libpq and not by the server: the connection is gone.
    return type(error) in (
        psycopg2.OperationalError,
        psycopg2.InterfaceError,
        psycopg2.DatabaseError,
    )
