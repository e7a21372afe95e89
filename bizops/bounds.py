"""Channels whose credit is an upper bound, as a run's diagnostics have it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["bounded_channels", "with_bound"]


def bounded_channels(diagnostics: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """What the placebo found of the channels whose credit is an upper bound, by channel.

    Touches of such a channel come after conversions more often than they should, so that they
    share a cause with them, and no lift test tells how much of its credit is its own.
    """
    found = (diagnostics or {}).get("placebo", [])
    return {record["channel"]: record for record in found if record.get("bound") == "upper"}


def with_bound(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of credit that is an upper bound: it may be nothing.

    Examples
    --------
    >>> with_bound({"mean": 5.0, "low": 4.0, "high": 6.0})
    {'mean': 5.0, 'low': 0.0, 'high': 6.0}
    """
    return {name: 0.0 if name.startswith("low") else value for name, value in figures.items()}
