"""Messages that keep to no contract, of every kind there is, for tests of what goes wrong."""

from collections.abc import Callable

import numpy as np
import orjson

from bizops.events import MAX_EVENT_BYTES

__all__ = ["MALFORMED", "malformed_messages"]


def malformed_messages(seed: int, n: int) -> list[bytes]:
    """Make ``n`` messages that are all refused; the same seed gives the same ones.

    The first ``len(MALFORMED)`` are of different kinds, in an order drawn by the seed. To be mixed
    in among valid messages; they have no key.
    """
    rng = np.random.default_rng(seed)
    makers = list(MALFORMED.values())
    rounds = -(-n // len(makers))
    order = [int(kind) for _ in range(rounds) for kind in rng.permutation(len(makers))]
    return [makers[kind](f"malformed:{seed}:{i:04d}") for i, kind in enumerate(order[:n])]


def _touch(event_id: object, **changes: object) -> bytes:
    return _json(
        {
            "type": "touch",
            "event_id": event_id,
            "source": "malformed",
            "occurred_at": "2025-03-01T09:30:00Z",
            "channel": "email",
            "email": "ada@amber-analytics.example",
        }
        | changes
    )


def _revenue(event_id: object, **changes: object) -> bytes:
    return _json(
        {
            "type": "revenue",
            "event_id": event_id,
            "source": "malformed",
            "occurred_on": "2025-03-01",
            "account_id": "A-malformed",
            "kind": "new",
            "iacv": "1200.00",
            "currency": "USD",
        }
        | changes
    )


def _spend(event_id: object, **changes: object) -> bytes:
    return _json(
        {
            "type": "spend",
            "event_id": event_id,
            "source": "malformed",
            "date": "2025-03-01",
            "campaign_id": "search-brand",
            "channel": "paid_search",
            "amount": "10.00",
            "currency": "USD",
        }
        | changes
    )


def _opportunity_1(event_id: object, **changes: object) -> bytes:
    return _json(
        {
            "type": "opportunity",
            "schema_version": 1,
            "event_id": event_id,
            "source": "malformed",
            "occurred_on": "2025-03-01",
            "opportunity_id": "O-malformed",
            "account_id": "A-malformed",
            "stage": "proposal",
        }
        | changes
    )


def _json(fields: dict[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in fields.items() if value is not ...})


MALFORMED: dict[str, Callable[[str], bytes]] = {
    "invalid_json": lambda i: _touch(i)[:-7],
    "empty": lambda i: b"",
    "invalid_utf8": lambda i: _touch(i).replace(b"ada@", b"\xff\xfe@"),
    "not_an_object": lambda i: orjson.dumps([i]),
    "unknown_type": lambda i: _touch(i, type="visit"),
    "no_type": lambda i: _touch(i, type=...),
    "no_id": lambda i: _touch(...),
    "names_nobody": lambda i: _touch(i, email=...),
    "no_time": lambda i: _touch(i, occurred_at=...),
    "two_times": lambda i: _touch(i, occurred_on="2025-03-01"),
    "naive_time": lambda i: _touch(i, occurred_at="2025-03-01T09:30:00"),
    "impossible_day": lambda i: _revenue(i, occurred_on="2025-02-30"),
    "nul_character": lambda i: _touch(i, utm_source="news\0letter"),
    "nul_in_properties": lambda i: _touch(i, properties={"page": "\0"}),
    "too_deep": lambda i: _touch(i, properties=_nested(20)),
    "unknown_field": lambda i: _touch(i, campain_id="search-brand"),
    "unknown_version": lambda i: _touch(i, schema_version=99),
    "invalid_email": lambda i: _touch(i, email="ada at example.com"),
    "too_long_id": lambda i: _touch(i, lead_id="L" * 201),
    "too_long": lambda i: _touch(i, properties={"page": "x" * MAX_EVENT_BYTES}),
    "amount_as_number": lambda i: _revenue(i, iacv=1200),
    "wrong_sign": lambda i: _revenue(i, kind="churn"),
    "unknown_currency": lambda i: _revenue(i, currency="QQQ"),
    "unknown_kind": lambda i: _revenue(i, kind="upsell"),
    "negative_spend": lambda i: _spend(i, amount="-10.00"),
    "negative_clicks": lambda i: _spend(i, clicks=-1),
    "won_and_open": lambda i: _opportunity_1(i, is_closed=False, is_won=True),
}
"""One maker a kind: of an ``event_id``, which appears in the message where it can."""


def _nested(levels: int) -> dict[str, object]:
    inner: dict[str, object] = {}
    for _ in range(levels):
        inner = {"a": inner}
    return inner
