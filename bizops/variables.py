"""Values of environment variables, read with one clear sentence for what is wrong."""

from collections.abc import Mapping

from bizops.errors import UsageError

__all__ = ["read_port", "read_seconds"]


def read_port(environment: Mapping[str, str], variable: str) -> int | None:
    """A port; None where the variable is not set or empty.

    Raises
    ------
    UsageError
        If it is no number from 1 to 65535.
    """
    value = environment.get(variable)
    if not value:
        return None
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise UsageError(f"{variable} is {value!r}; expected a port from 1 to 65535")
    return int(value)


def read_seconds(
    environment: Mapping[str, str],
    variable: str,
    default: float,
    limits: tuple[float, float] | None = None,
) -> float:
    """Seconds: between ``limits``, both included, or any more than 0 without.

    Raises
    ------
    UsageError
        If they are not.
    """
    value = environment.get(variable)
    if not value:
        return default
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if limits is None:
        if not 0.0 < seconds < float("inf"):
            raise UsageError(f"{variable} is {value!r}; expected seconds, more than 0")
    elif not limits[0] <= seconds <= limits[1]:
        expected = f"expected seconds from {limits[0]:g} to {limits[1]:g}"
        raise UsageError(f"{variable} is {value!r}; {expected}")
    return seconds
