"""Older versions of event types, made new where they are read, so that inside there is but one.

To change a type: give its model the next ``schema_version``, and register here how the plain
fields of the version before become those of the new one. Versions follow one another, so an event
of any known version takes each step in turn.
"""

from collections.abc import Callable
from typing import Any

from bizops.errors import EventError

__all__ = ["UPCASTERS", "known_versions", "upcast"]

Fields = dict[str, Any]


def _opportunity_1(fields: Fields) -> Fields:
    """``is_closed`` and ``is_won``, which could contradict each other, become ``outcome``.

    A deal of which only is known that it is closed, or that it is not won, has none.
    """
    truths = {name: fields.pop(name, None) for name in ("is_closed", "is_won")}
    if "outcome" in fields and truths != {"is_closed": None, "is_won": None}:
        raise EventError(
            "unknown_field",
            "opportunity: outcome stands beside is_closed or is_won; expected outcome alone, "
            "which has taken their place in version 2",
        )
    for name, value in truths.items():
        if value is not None and not isinstance(value, bool):
            raise EventError(
                "invalid_value",
                f"opportunity: field '{name}': {value!r} is wrong; expected true or false",
            )
    match truths["is_closed"], truths["is_won"]:
        case False, True:
            raise EventError(
                "contradiction",
                "opportunity: is_won is true and is_closed is false; expected a won deal to be "
                'closed, or in version 2 "outcome": "open", "won" or "lost"',
            )
        case _, True:
            fields["outcome"] = "won"
        case True, False:
            fields["outcome"] = "lost"
        case False, _:
            fields["outcome"] = "open"
    return fields


UPCASTERS: dict[tuple[str, int], Callable[[Fields], Fields]] = {
    ("opportunity", 1): _opportunity_1,
}
"""By type and version, what makes a copy of an event's plain fields those of the next version."""


def known_versions(event_type: str, newest: int) -> list[int]:
    """The versions of a type that can be read, oldest first."""
    oldest = newest
    while (event_type, oldest - 1) in UPCASTERS:
        oldest -= 1
    return list(range(oldest, newest + 1))


def upcast(fields: Fields, event_type: str, newest: int) -> Fields | None:
    """The fields of an event as its newest version has them; None if they are of the newest.

    An event that names no version is read as the newest first, then as the oldest known.

    Raises
    ------
    EventError
        If the version is unknown, or the fields cannot be those of the version they name.
    """
    versions = known_versions(event_type, newest)
    version = fields.get("schema_version", versions[0])
    if type(version) is not int or version not in versions:
        raise EventError(
            "unknown_version",
            f"{event_type}: field 'schema_version': {repr(version)[:60]} is unknown; "
            f"expected {' or '.join(map(str, versions))}",
        )
    if version == newest:
        return None
    fields = dict(fields)
    for step in range(version, newest):
        fields = UPCASTERS[event_type, step](fields)
    return fields | {"schema_version": newest}
