"""A person as commands name one: by any identifier, resolved to all that are known to be theirs."""

from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from bizops.database import Cursor, load_queries
from bizops.errors import UsageError
from bizops.fields import Email, Id
from streams.guards import load_guards
from streams.suppression import Identifier
from streams.tables import RANKS, identifier_id

__all__ = ["Person", "find_person", "parse_identifier"]

QUERIES = load_queries("streams", "erasure.sql")


@dataclass(frozen=True)
class Person:
    """Whom an identifier names.

    Attributes
    ----------
    asked
        What the person was asked for by.
    identifiers
        All that are the person's and nobody else's, the strongest first, ``asked`` among them.
    ids
        Of the identifiers, and of the person.
    known
        Whether any event said anything of ``asked``.
    """

    asked: Identifier
    identifiers: tuple[Identifier, ...]
    ids: tuple[str, ...]
    known: bool
    by_kind: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        by_kind: dict[str, list[str]] = {kind: [] for kind in RANKS}
        for kind, value in self.identifiers:
            by_kind[kind].append(value)
        object.__setattr__(self, "by_kind", by_kind)


def parse_identifier(text: str) -> Identifier:
    """``KIND:VALUE`` as events would spell it.

    Raises
    ------
    UsageError
        If the kind is none, no event could have such a value, or it is what programs send when
        they know nobody: it would stand for everybody.
    """
    kind, colon, value = text.partition(":")
    if not colon or kind not in RANKS:
        raise UsageError(
            f"{text!r} names no person; expected KIND:VALUE such as email:ada@example.com, "
            f"with KIND one of {', '.join(RANKS)}"
        )
    try:
        adapter = TypeAdapter[str](Email if kind == "email" else Id)
        value = adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UsageError(f"{text!r} names no person: the value {reason}") from None
    if load_guards().blocks(value):
        raise UsageError(f"{text!r} names nobody: programs send {value!r} when they know nobody")
    return kind, value


def find_person(cursor: Cursor, asked: Identifier) -> Person:
    """All that is known to be one person's; of an unknown identifier, itself.

    A value that names nobody, stored before the guards knew it, is nobody's.
    """
    own_id = str(identifier_id(*asked))
    cursor.execute(QUERIES["person"], (own_id,))
    blocks = load_guards().blocks
    rows = [row for row in cursor.fetchall() if not blocks(row[2])]
    found = [(kind, value) for _, kind, value, _ in rows]
    ids = {own_id} | {row[0] for row in rows} | {row[3] for row in rows}
    identifiers = tuple(dict.fromkeys([*found, asked]))
    return Person(asked, identifiers, tuple(sorted(ids)), known=bool(rows))
