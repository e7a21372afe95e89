"""Who was forgotten stays forgotten: events that name them are not stored, whatever is replayed.

The database knows keyed hashes of the identifiers only. An event of a person (touch, identity) is
left out; one of an account (revenue, opportunity) is stored without what names a person.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import orjson

from bizops.database import Cursor, load_queries
from bizops.events import EVENT_TYPES, FORMER_FIELDS, AnyEvent
from bizops.fields import MAX_ID_CHARACTERS
from streams.guards import load_guards
from streams.records import Accepted, DeadLetter, Written
from streams.suppression_key import Hasher
from streams.tables import RANKS

__all__ = [
    "ERASED_DETAIL",
    "OF_ACCOUNTS",
    "PERSON_COLUMNS",
    "Identifier",
    "Suppression",
    "canonical",
    "emails_in",
    "named_in",
    "stands_without",
    "texts_in",
]

QUERIES = load_queries("streams", "suppression.sql")
ERASED_DETAIL = "names a person who was forgotten; nothing of it is kept"
OF_ACCOUNTS = frozenset({"revenue", "opportunity"})
DEVICES = frozenset(kind for kind, rank in RANKS.items() if rank < RANKS["email"])

PERSON_COLUMNS = {kind: kind for kind in RANKS} | FORMER_FIELDS
"""Fields that name a person, and the kind of identifier in each."""
NAMING = {
    event_type: (
        tuple(pair for pair in PERSON_COLUMNS.items() if pair[0] in model.model_fields),
        "properties" in model.model_fields,
    )
    for event_type, model in EVENT_TYPES.items()
}
"""Of each type of event the fields that name a person, and whether it has properties."""

Identifier = tuple[str, str]


class Suppression:
    """What one worker knows of the forgotten, brought up to date in each transaction.

    Parameters
    ----------
    find_key
        The key that hashes are made with, or None where there is none; asked when needed.
    """

    def __init__(self, find_key: Callable[[], bytes | None]) -> None:
        self._find_key = find_key
        self._hashes: set[bytes] = set()
        self._number = 0
        self._hasher: Hasher | None = None

    def begin(self, cursor: Cursor) -> None:
        """Be the first in a transaction: hold off those who forget, and learn who was forgotten.

        Raises
        ------
        SuppressionKeyError
            If somebody was forgotten under a key that is not here.
        """
        cursor.execute(QUERIES["begin"], (self._number,))
        rows = cursor.fetchall()
        if not rows:
            return
        fingerprint = bytes(rows[0][2] or b"")
        if self._hasher is None or self._hasher.fingerprint != fingerprint:
            self._hasher = Hasher.checked(self._find_key(), fingerprint)
        self._hashes.update(bytes(hash_) for hash_, _, _ in rows)
        self._number = max(number for _, number, _ in rows)

    def filter_events(self, accepted: Sequence[Accepted], written: Written) -> Sequence[Accepted]:
        """Those events that may be stored, without what names a forgotten person."""
        if not self._hashes:
            return accepted
        kept = []
        known: dict[Identifier, bool] = {}
        for item in accepted:
            event = item.event
            columns, has_properties = NAMING[event.type]
            named = tells = False
            for name, kind in columns:
                value = getattr(event, name)
                if value is not None:
                    named = self._knows((kind, value), known) or named
            if has_properties:
                addresses = emails_in(event.properties)  # type: ignore[union-attr]
                tells = any(self._knows(("email", address), known) for address in addresses)
            if not named and not tells:
                kept.append(item)
                continue
            all_ = identifiers_of(event)
            gone = {pair for pair in all_ if self._knows(pair, known)}
            rest = _without(event, gone, all_) if gone else event
            if rest is None:
                written.suppressed[event.type] += 1
            else:
                rest = rest.model_copy(update={"properties": {}}) if tells else rest
                kept.append(Accepted(item.record, rest))
        return kept

    def filter_letters(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """The same dead letters; of those that name a forgotten person only that they were."""
        if not self._hashes:
            return list(letters)
        return [
            replace(letter, kept=False, detail=ERASED_DETAIL, event_id=None)
            if self._names_suppressed(letter)
            else letter
            for letter in letters
        ]

    def _names_suppressed(self, letter: DeadLetter) -> bool:
        texts = texts_in(letter.record.value, letter.record.key, letter.detail, letter.event_id)
        return any(self._is_suppressed((kind, text)) for text in texts for kind in RANKS)

    def _knows(self, pair: Identifier, known: dict[Identifier, bool]) -> bool:
        found = known.get(pair)
        if found is None:
            found = known[pair] = self._is_suppressed(pair)
        return found

    def _is_suppressed(self, pair: Identifier) -> bool:
        assert self._hasher is not None
        return self._hasher.hash(*canonical(*pair)) in self._hashes


def canonical(kind: str, value: str) -> Identifier:
    """The one spelling of an identifier that is hashed and compared."""
    value = value.strip()
    return kind, value.lower() if kind == "email" else value


def stands_without(
    event_type: str, named: set[Identifier], others: set[Identifier], *, has_account: bool
) -> bool:
    """Whether an event stays, without what names a forgotten person.

    An account's event does. A person's does where it names somebody else and the forgotten
    person's device only: it is somebody else's, and loses the device. What programs send when they
    know nobody names nobody else.

    Parameters
    ----------
    named, others
        The forgotten ones of the event's identifiers, and the rest.
    """
    if event_type in OF_ACCOUNTS:
        return True
    blocks = load_guards().blocks
    left = {kind for kind, value in others if not blocks(value)}
    if not {kind for kind, _ in named} <= DEVICES or left <= DEVICES:
        return False
    return event_type == "touch" or len(left) + has_account > 1


def identifiers_of(event: AnyEvent) -> set[Identifier]:
    """Every identifier of a person that an event names, former ones too."""
    columns, _ = NAMING[event.type]
    return {(kind, value) for name, kind in columns if (value := getattr(event, name)) is not None}


def _without(event: AnyEvent, named: set[Identifier], all_: set[Identifier]) -> AnyEvent | None:
    """What is stored of an event that names a forgotten person; None for nothing."""
    has_account = getattr(event, "account_id", None) is not None
    if not stands_without(event.type, named, all_ - named, has_account=has_account):
        return None
    if event.type not in OF_ACCOUNTS:
        return event.model_copy(update={kind: None for kind, _ in named})
    fields: dict[str, Any] = {kind: None for kind in RANKS if hasattr(event, kind)}
    if hasattr(event, "properties"):
        fields["properties"] = {}
    return event.model_copy(update=fields)


WORD = re.compile(r"[^\s\"'<>(),;:=\[\]{}\\]+")
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
BEFORE_ADDRESS = re.compile(r"[\s\"<>(),;:\[\]\\]+")
MAY_BEGIN_ADDRESS = re.compile(r"[!#$%&'*/=?^`{|}~]")
DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*")
KIND_PREFIX = re.compile(rf"(?:{'|'.join(RANKS)}):(.+)", re.DOTALL)


def texts_in(payload: bytes | None, key: bytes | None, *others: str | None) -> set[str]:
    """Every text of a record that may be an identifier: whole values, and the words in them."""
    found: set[str] = set()
    value: object = None
    if payload is not None:
        try:
            value = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raw = payload.decode(errors="replace")
            value = ESCAPE.sub(lambda match: chr(int(match[1], 16)), raw)
    for text in (*_leaves(value), (key or b"").decode(errors="replace"), *others):
        if text:
            found.add(text.strip())
            found.update(match[1].strip() for match in [KIND_PREFIX.fullmatch(text)] if match)
            found.update(word.strip(".") for word in WORD.findall(text))
            found.update(_addresses(text))
    return found - {""}


def named_in(texts: set[str], identifiers: Iterable[Identifier]) -> bool:
    """Whether texts of a record name one of a person's identifiers, in canonical spelling."""
    wanted = {canonical(*pair) for pair in identifiers}
    if any(canonical(kind, text) in wanted for kind in RANKS for text in texts):
        return True
    long = [value.lower() for _, value in wanted if len(value) >= 6]
    return any(value in text.lower() for value in long for text in texts)


def emails_in(value: object) -> Iterator[str]:
    """What reads like an e-mail address in a JSON value, in canonical spelling.

    In doubt one too many: of ``o'brien@x.com`` what follows the quote too.
    """
    if isinstance(value, str):
        yield from _addresses(value)
    elif isinstance(value, dict | list):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        for one in inner:
            if not isinstance(one, str) or "@" in one or "%40" in one:
                yield from emails_in(one)


def _addresses(text: str) -> Iterator[str]:
    """Every address in a text, as it stands and percent-decoded, from wherever it may begin.

    >>> sorted(_addresses("?to=Ada%40Example.com&utm=1"))
    ['?to=ada@example.com', 'ada@example.com', 'to=ada@example.com']
    """
    if "@" not in text and "%40" not in text:
        return
    decoded = unquote(text) if "%" in text else text
    for one in (text,) if decoded == text else (text, decoded):
        for before, after in pairwise(one.split("@")):
            local = BEFORE_ADDRESS.split(before[-MAX_ID_CHARACTERS:])[-1]
            domain = DOMAIN.match(after[:MAX_ID_CHARACTERS])
            if local and domain:
                at_domain = f"@{domain[0].rstrip('_-')}".lower()
                yield local.strip(".").lower() + at_domain
                for begin in MAY_BEGIN_ADDRESS.finditer(local):
                    if rest := local[begin.end() :].strip("."):
                        yield rest.lower() + at_domain


def _leaves(value: object) -> Iterator[str]:
    """Texts and numbers of a JSON value, as text; names too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
