"""Guards against identifiers, as data: names of nobody, shared devices, free mail."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bizops.domains import company_domain

__all__ = ["Guards", "load_guards"]


@dataclass(frozen=True)
class Guards:
    """Guards as functions of a value alone; none knows what was seen before.

    Attributes
    ----------
    most
        How many equally strong identifiers one of a kind may lead to before it counts as shared.
    """

    values: frozenset[str]
    pattern: re.Pattern[str]
    most: dict[str, int]
    also_free: frozenset[str] = frozenset()
    not_free: frozenset[str] = frozenset()

    def blocks(self, value: str) -> bool:
        """Whether a value names nobody, whatever its kind."""
        text = value.strip().lower()
        return text in self.values or self.pattern.fullmatch(text) is not None

    def domain(self, text: str | None) -> str | None:
        """The company's domain in an address or a website; None where it is no company's."""
        return None if text is None else company_domain(text, self.also_free, self.not_free)


@cache
def load_guards() -> Guards:
    """The guards of ``guards.toml``."""
    return _read(tomllib.loads(files("streams").joinpath("guards.toml").read_text()))


def _read(data: dict[str, Any]) -> Guards:
    blocked, mail = data["blocked"], data["mail"]
    return Guards(
        values=frozenset(blocked["values"]),
        pattern=re.compile("|".join(f"(?:{pattern})" for pattern in blocked["patterns"])),
        most=dict(data["most"]),
        also_free=frozenset(mail["also_free"]),
        not_free=frozenset(mail["not_free"]),
    )
