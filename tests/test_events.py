"""The event contract: what it accepts comes back the same, what it refuses it names."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bizops.complaints import OUR_REASONS, REASONS
from bizops.currencies import CURRENCIES
from bizops.errors import EventError
from bizops.events import (
    EVENT_TYPES,
    MAX_EVENT_BYTES,
    Identity,
    build_event,
    json_schema,
    parse_event,
)
from tests.every_type import EVENTS

TOUCH: dict[str, Any] = {
    "type": "touch",
    "event_id": "web:1",
    "source": "web",
    "occurred_at": "2026-03-01T09:30:00Z",
    "channel": "paid_search",
    "account_id": "acme",
}
REVENUE: dict[str, Any] = {
    "type": "revenue",
    "event_id": "crm:1",
    "source": "crm",
    "occurred_on": "2026-03-01",
    "account_id": "acme",
    "kind": "new",
    "iacv": "1200.00",
    "currency": "EUR",
}
SPEND: dict[str, Any] = {
    "type": "spend",
    "event_id": "ads:1",
    "source": "ads",
    "date": "2026-03-01",
    "campaign_id": "spring",
    "channel": "paid_search",
    "amount": "12.50",
    "currency": "EUR",
}
IDENTITY: dict[str, Any] = {
    "type": "identity",
    "event_id": "web:2",
    "source": "web",
    "occurred_at": "2026-03-01T09:30:00Z",
    "email": "ada@example.com",
    "user_id": "u1",
}
LIFT_TEST: dict[str, Any] = {
    "type": "lift_test",
    "event_id": "geo:1",
    "source": "geo",
    "channel": "paid_search",
    "starts_on": "2026-03-01",
    "ends_on": "2026-03-31",
    "incremental_conversions": 12,
    "standard_error": 3.5,
}
OPPORTUNITY: dict[str, Any] = {
    "type": "opportunity",
    "event_id": "crm:2",
    "source": "crm",
    "occurred_at": "2026-03-01T09:30:00Z",
    "opportunity_id": "006",
    "account_id": "acme",
    "stage": "Won",
}

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
).filter(lambda text: text.strip(" \t\r\n\x0b\x0c\x85\xa0") and text.split())
days = st.dates(date(1901, 1, 1), date(2199, 12, 31))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
instants = st.datetimes(datetime(1901, 1, 2), datetime(2199, 12, 30), timezones=offsets)
amounts = st.decimals(-(10**12), 10**12, places=4).map(lambda amount: format(amount, "f"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
counts = st.integers(0, 2**63 - 1)
emails = st.from_regex(r"[a-zA-Z0-9.+-]{1,20}@[a-zA-Z0-9-]{1,10}\.[a-z]{2,4}", fullmatch=True)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "date": days.map(str),
    "starts_on": st.just("2026-01-01"),
    "ends_on": days.filter(lambda day: day.year > 2026).map(str),
    "currency": st.sampled_from(sorted(CURRENCIES - {"XCD"})),
    "budget": amounts.map(lambda amount: amount.lstrip("-")),
    "impressions": counts,
    "clicks": counts,
    "employees": counts,
    "term_months": st.integers(1, 1200),
    "arr": amounts,
    "tcv": amounts,
    "incremental_iacv": amounts,
    "incremental_conversions": st.floats(-1e9, 1e9),
    "standard_error": st.floats(1e-6, 1e6),
    "holdout_share": st.floats(0.01, 0.99),
    "outcome": st.sampled_from(["open", "won", "lost"]),
    "email": emails,
    "properties": st.dictionaries(texts, json_values, max_size=4),
    "kind": st.just("renewal"),
    "iacv": amounts,
    "amount": amounts.map(lambda amount: amount.lstrip("-")),
    "value": amounts,
    "rate": st.decimals("0.000001", 10**6, places=8).map(lambda rate: format(rate, "f")),
    "to_currency": st.just("XCD"),
    "margin": st.floats(0.01, 1),
    "retention_years": st.floats(0.01, 100),
    "due_on": days.map(str),
    "times": st.integers(1, 2**63 - 1),
    "is_control": st.booleans(),
    "is_community": st.booleans(),
    "subjects": st.integers(100, 2**63 - 1),
    "successes": st.integers(0, 100),
}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "lead_status": {"status": st.sampled_from(["new", "mql", "sql", "disqualified"])},
    "employee": {"status": st.just("terminated"), "termination": st.just("voluntary")},
    "survey": {"audience": st.sampled_from(["employee", "customer"]), "score": st.integers(0, 10)},
    "application": {
        "step": st.just("scored"), "requirement": texts, "score": st.floats(-10, 10)
    },
    "merge_request": {"state": st.sampled_from(["opened", "merged", "picked"])},
    "ledger_entry": {"entry": st.sampled_from(["revenue", "cash_balance"])},
    "target": {"period": st.sampled_from(["week", "month", "quarter"])},
}  # fmt: skip
"""What fields of one type hold where others of the same name hold something else."""
ALWAYS = ("account_id", "user_id", "channel", "margin", "termination", "requirement", "score")


@st.composite
def events(draw: st.DrawFn, event_type: str) -> dict[str, Any]:
    """Fields that keep to the contract, in any order."""
    model = EVENT_TYPES[event_type]
    fields: dict[str, Any] = {"type": event_type}
    for name, field in model.model_fields.items():
        if name in ("type", "schema_version", "occurred_at", "occurred_on"):
            continue
        present = name.removeprefix("previous_")
        if name != present and present not in fields:
            continue
        if field.is_required() or name in ALWAYS or draw(st.booleans()):
            known = FIELDS | OWN.get(event_type, {})
            fields[name] = draw(known.get(present, texts))
    if "occurred_at" in model.model_fields:
        if draw(st.booleans()):
            fields["occurred_at"] = draw(instants).isoformat()
        else:
            fields["occurred_on"] = str(draw(days))
    return dict(draw(st.permutations(list(fields.items()))))


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_event_comes_back_the_same(event_type: str, data: st.DataObject) -> None:
    fields = data.draw(events(event_type))
    event = build_event(fields)
    again = parse_event(event.to_json())
    assert again == event
    assert again.to_json() == event.to_json()
    assert again.content_hash() == event.content_hash()
    assert parse_event(json.dumps(fields).encode()) == event
    assert again.key == event.key
    assert 0 < len(event.key.encode()) <= 4 * 215


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_schema_accepts_what_the_models_accept(event_type: str, data: st.DataObject) -> None:
    published = json.loads(build_event(data.draw(events(event_type))).to_json())
    Draft202012Validator(json_schema()).validate(published)
    Draft202012Validator(json_schema(event_type)).validate(published)


@given(st.dictionaries(texts, json_values, max_size=5), st.randoms())
def test_the_order_of_properties_is_no_content(properties: dict[str, Any], random: Any) -> None:
    shuffled = list(properties.items())
    random.shuffle(shuffled)
    one = build_event(TOUCH | {"properties": properties})
    other = build_event(TOUCH | {"properties": dict(shuffled)})
    assert one.content_hash() == other.content_hash()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"occurred_at": "2026-03-01T09:30:00Z"}, {"occurred_at": "2026-03-01T10:30:00+01:00"}),
        ({"occurred_at": "2026-03-01T09:30:00Z"}, {"occurred_at": "2026-03-01t09:30:00.000z"}),
        ({"email": "Ada@Example.com"}, {"email": " ada@example.com "}),
        ({"channel": "social"}, {"channel": "  social\n"}),
        ({}, {"campaign_id": "(none)"}),
        ({}, {"lead_id": None}),
        ({}, {"properties": {}}),
        ({}, {"schema_version": 1}),
    ],
)
def test_two_ways_to_write_the_same_event(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (
        build_event(TOUCH | one).content_hash()
        == parse_event(json.dumps(TOUCH | other).encode()).content_hash()
    )


@pytest.mark.parametrize("iacv", ["1200", "1200.0", "1200.00", "1200.000000", Decimal(1200)])
def test_one_amount_has_one_form(iacv: object) -> None:
    assert b'"iacv":"1200.00"' in build_event(REVENUE | {"iacv": iacv}).to_json()


@pytest.mark.parametrize("event", list(EVENTS.values()))
@pytest.mark.parametrize("change", [{"type": "nope"}, {"nope": 1}, {"source": ""}, {"event_id": 5}])
def test_the_schema_refuses_what_the_models_refuse(
    event: dict[str, Any], change: dict[str, Any]
) -> None:
    validator = Draft202012Validator(json_schema())
    assert validator.is_valid(event)
    assert not validator.is_valid(event | change)
    assert not validator.is_valid({k: v for k, v in event.items() if k != "type"})
    if "occurred_on" in event:
        assert not validator.is_valid({k: v for k, v in event.items() if k != "occurred_on"})
        assert not validator.is_valid(event | {"occurred_at": "2026-03-01T00:00:00Z"})


def test_each_schema_is_a_schema() -> None:
    for event_type in [None, *EVENT_TYPES]:
        Draft202012Validator.check_schema(json_schema(event_type))


def test_schemas_of_touch_refuse_nobody() -> None:
    nobody = {k: v for k, v in TOUCH.items() if k != "account_id"}
    assert not Draft202012Validator(json_schema("touch")).is_valid(nobody)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"lead_id": "l", "email": "a@b.c"}, "account_id:acme"),
        ({"account_id": None, "lead_id": "l", "email": "a@b.c"}, "lead_id:l"),
        ({"account_id": None, "user_id": "u", "email": "A@b.c"}, "email:a@b.c"),
        ({"account_id": None, "user_id": "u", "anonymous_id": "x"}, "user_id:u"),
        ({"account_id": None, "anonymous_id": "x"}, "anonymous_id:x"),
        ({"account_id": None, "device_id": "d", "anonymous_id": "x"}, "device_id:d"),
        ({"account_id": None, "contact_id": "c", "email": "a@b.c"}, "contact_id:c"),
    ],
)
def test_a_message_is_keyed_by_the_strongest_identifier(fields: dict[str, Any], key: str) -> None:
    assert build_event(TOUCH | fields).key == key


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    # what is wrong, the event, the reason, what the sentence says
    ("no channel", {**TOUCH, "channel": None}, "invalid_value", "channel"),
    ("blank channel", {**TOUCH, "channel": "  "}, "invalid_value", "'channel': '  ' is blank"),
    ("blank id", {**TOUCH, "event_id": ""}, "invalid_value", "event_id"),
    (
        "unknown type",
        {**TOUCH, "type": "tuoch"},
        "unknown_type",
        "'tuoch'; expected one of account",
    ),
    ("number as type", {**TOUCH, "type": 7}, "unknown_type", "type '7'; expected one of account"),
    ("naive time", {**TOUCH, "occurred_at": "2026-03-01T09:30:00"}, "naive_time", "occurred_at"),
    ("epoch as time", {**TOUCH, "occurred_at": 1772357400}, "invalid_time", "occurred_at"),
    (
        "no such day",
        {**TOUCH, "occurred_at": "2026-02-30T00:00:00Z"},
        "invalid_time",
        "occurred_at",
    ),
    ("hour 25", {**TOUCH, "occurred_at": "2026-02-03T25:00:00Z"}, "invalid_time", "occurred_at"),
    ("offset of days", {**TOUCH, "occurred_at": "2026-02-03T05:00:00+99:00"}, "invalid_time", "at"),
    ("year 0", {**TOUCH, "occurred_at": "0000-02-03T05:00:00Z"}, "invalid_time", "occurred_at"),
    ("year 1", {**TOUCH, "occurred_at": "0001-01-01T00:00:00+14:00"}, "out_of_range", "year 1;"),
    ("far year", {**TOUCH, "occurred_at": "2500-02-03T05:00:00Z"}, "out_of_range", "occurred_at"),
    (
        "far year in UTC only",
        {**TOUCH, "occurred_at": "2199-12-31T23:00:00-05:00"},
        "out_of_range",
        "occurred_at",
    ),
    ("two times", {**TOUCH, "occurred_on": "2026-03-01"}, "invalid_value", "two times; expected"),
    ("day as time", {**TOUCH, "occurred_at": "2026-03-01"}, "invalid_time", "occurred_at"),
    ("no such date", {**REVENUE, "occurred_on": "2026-02-30"}, "invalid_day", "occurred_on"),
    ("other day form", {**REVENUE, "occurred_on": "01.03.2026"}, "invalid_day", "occurred_on"),
    ("number as day", {**REVENUE, "occurred_on": 20260301}, "invalid_day", "occurred_on"),
    ("over-long id", {**TOUCH, "event_id": "x" * 201}, "too_long", "at most 200 characters"),
    ("long account", {**TOUCH, "account_id": "x" * 201}, "too_long", "account_id"),
    ("long channel", {**TOUCH, "channel": "x" * 101}, "too_long", "at most 100 characters"),
    ("long text", {**TOUCH, "utm_term": "x" * 1001}, "too_long", "'utm_term'"),
    ("NUL in an id", {**TOUCH, "account_id": "a\0b"}, "nul_character", "account_id"),
    ("NUL in properties", {**TOUCH, "properties": {"a": ["\0"]}}, "nul_character", "properties"),
    ("NUL in a name", {**TOUCH, "properties": {"a\0": 1}}, "nul_character", "properties"),
    ("deep", {**TOUCH, "properties": nested(20)}, "too_deep", "'properties'"),
    (
        "properties of text",
        {**TOUCH, "properties": "x"},
        "not_an_object",
        "'properties': 'x' is not",
    ),
    ("unknown field", {**TOUCH, "colour": "red"}, "unknown_field", "'colour'; what is not in"),
    (
        "nobody",
        {**TOUCH, "account_id": None},
        "missing_field",
        "one or more of account_id, lead_id",
    ),
    ("version 2", {**TOUCH, "schema_version": 2}, "unknown_version", "'schema_version': 2"),
    ("version 1.5", {**TOUCH, "schema_version": 1.5}, "unknown_version", "'schema_version'"),
    ("version as text", {**TOUCH, "schema_version": "1"}, "unknown_version", "'schema_version'"),
    ("email without @", {**TOUCH, "email": "ada"}, "invalid_email", "'email': 'ada'"),
    ("email with two @", {**TOUCH, "email": "a@b@c"}, "invalid_email", "email"),
    ("email with a space", {**TOUCH, "email": "a b@c.d"}, "invalid_email", "email"),
    ("email longer in lower case", {**TOUCH, "email": "İ" * 190 + "@b.c"}, "too_long", "email"),
    ("number as id", {**TOUCH, "account_id": 12}, "invalid_value", "'account_id': 12 is wrong"),
    ("list as channel", {**TOUCH, "channel": ["a"]}, "invalid_value", "expected a valid string"),
    ("amount as number", {**REVENUE, "iacv": 1200.0}, "invalid_amount", "'iacv': 1200.0"),
    ("amount with a comma", {**REVENUE, "iacv": "1.200,00"}, "invalid_amount", "iacv"),
    ("amount of sixteen digits", {**REVENUE, "iacv": "1" * 16}, "invalid_amount", "iacv"),
    ("seven decimals", {**REVENUE, "iacv": "0.1234567"}, "invalid_amount", "iacv"),
    ("exponent", {**REVENUE, "iacv": "1e3"}, "invalid_amount", "iacv"),
    ("NaN as amount", {**REVENUE, "iacv": "NaN"}, "invalid_amount", "iacv"),
    ("Arabic digits", {**REVENUE, "iacv": "١٢"}, "invalid_amount", "iacv"),
    ("blank amount", {**REVENUE, "iacv": ""}, "invalid_amount", "iacv"),
    ("gain below 0", {**REVENUE, "iacv": "-1"}, "wrong_sign", "iacv -1.00; expected 0 or more"),
    ("churn above 0", {**REVENUE, "kind": "churn"}, "wrong_sign", "expected 0 or less"),
    ("unknown kind", {**REVENUE, "kind": "upsell"}, "invalid_value", "'upsell' is wrong; expected"),
    ("unknown currency", {**REVENUE, "currency": "REA"}, "unknown_currency", "'currency': 'REA'"),
    ("small currency", {**REVENUE, "currency": "eur"}, "unknown_currency", "currency"),
    ("term of a half month", {**REVENUE, "term_months": 0.5}, "invalid_value", "term_months"),
    ("term as text", {**REVENUE, "term_months": "12"}, "invalid_value", "term_months"),
    ("term of nothing", {**REVENUE, "term_months": 0}, "invalid_value", "term_months"),
    ("negative spend", {**SPEND, "amount": "-1.00"}, "negative_amount", "'amount': '-1.00' is neg"),
    ("negative clicks", {**SPEND, "clicks": -1}, "invalid_value", "clicks"),
    ("clicks beyond a bigint", {**SPEND, "clicks": 2**63}, "invalid_value", "clicks"),
    ("links nothing", {**IDENTITY, "user_id": None}, "missing_field", "two or more of lead_id"),
    ("tests nothing", {**LIFT_TEST, "channel": None}, "missing_field", "channel or campaign_id"),
    ("ends before", {**LIFT_TEST, "ends_on": "2026-02-01"}, "out_of_range", "before it starts"),
    ("certain", {**LIFT_TEST, "standard_error": 0}, "invalid_value", "standard_error"),
    ("text as number", {**LIFT_TEST, "standard_error": "2"}, "invalid_value", "standard_error"),
    ("all held out", {**LIFT_TEST, "holdout_share": 1}, "invalid_value", "holdout_share"),
    ("yes as truth", {**OPPORTUNITY, "is_won": "yes"}, "invalid_value", "'is_won': 'yes'"),
    ("one as truth", {**OPPORTUNITY, "is_closed": 1}, "invalid_value", "is_closed"),
    ("won and lost", {**OPPORTUNITY, "outcome": "tied"}, "invalid_value", "'open', 'won' or"),
]


@pytest.mark.parametrize(
    ("event", "reason", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_wrong_is_said(event: dict[str, Any], reason: str, says: str) -> None:
    with pytest.raises(EventError) as caught:
        parse_event(json.dumps(event).encode())
    assert caught.value.reason == reason
    assert says in str(caught.value)
    assert "Input should" not in str(caught.value)
    with pytest.raises(EventError) as built:
        build_event(event)
    assert (built.value.reason, str(built.value)) == (reason, str(caught.value))


@pytest.mark.parametrize("event", list(EVENTS.values()))
def test_each_required_field_is_named_when_it_is_missing(event: dict[str, Any]) -> None:
    for name, field in EVENT_TYPES[event["type"]].model_fields.items():
        if field.is_required():
            with pytest.raises(EventError, match=f"no field '{name}'") as caught:
                build_event({k: v for k, v in event.items() if k != name})
            assert caught.value.reason == "missing_field"
    with pytest.raises(EventError, match="no field 'type'; expected one of account"):
        build_event({k: v for k, v in event.items() if k != "type"})


def test_no_time_is_said() -> None:
    with pytest.raises(EventError, match="no time; expected either occurred_at, or occ") as caught:
        build_event({k: v for k, v in TOUCH.items() if k != "occurred_at"})
    assert caught.value.reason == "missing_field"


def with_raw(name: str, value: bytes) -> bytes:
    return json.dumps(TOUCH).encode()[:-1] + b', "%s": %s}' % (name.encode(), value)


@pytest.mark.parametrize(
    ("raw", "reason", "says"),
    [
        (b"", "invalid_json", "not JSON"),
        (b"{", "invalid_json", "not JSON"),
        (b"hello", "invalid_json", "not JSON"),
        (json.dumps(TOUCH).encode()[:50], "invalid_json", "line 1 column 50"),
        (json.dumps(TOUCH).encode() + b"{}", "invalid_json", "not JSON"),
        (b"\xff\xfe{}", "invalid_utf8", "byte 0 is not UTF-8"),
        (json.dumps(TOUCH).encode().replace(b"acme", b"ac\xe9"), "invalid_utf8", "is not UTF-8"),
        (b"[]", "not_an_object", "[] is not an event; expected a JSON object"),
        (b"null", "not_an_object", "None is not an event"),
        (b'"touch"', "not_an_object", "expected a JSON object"),
        (b"{}", "missing_field", "no field 'type'"),
        (with_raw("lead_id", rb'"\ud800"'), "invalid_json", "not JSON"),
        (with_raw("properties", rb'{"a": "\udc00"}'), "invalid_json", "not JSON"),
        (with_raw("properties", b'{"a": NaN}'), "invalid_number", "properties"),
        (with_raw("properties", b'{"a": [Infinity]}'), "invalid_number", "properties"),
        (with_raw("properties", b'{"a": 1e999}'), "invalid_number", "properties"),
        (with_raw("properties", b"[" * 5000 + b"]" * 5000), "invalid_json", "recursion"),
        (with_raw("properties", b'{"a": 1%s}' % (b"0" * 5000)), "invalid_json", "not JSON"),
        (with_raw("properties", b'{"a": 1%s}' % (b"0" * 300)), "invalid_number", "300 digits"),
        (with_raw("lead_id", b'"a\x00b"'), "invalid_json", "not JSON"),
        (with_raw("lead_id", b'"' + b"x" * 2_000_000 + b'"'), "too_long", "at most 900,000"),
        (with_raw("lead_id", b'"' + b"x" * 800_000 + b'"'), "too_long", "(800,002 characters)"),
    ],
)
def test_bytes_that_are_no_event(raw: bytes, reason: str, says: str) -> None:
    with pytest.raises(EventError) as caught:
        parse_event(raw)
    assert caught.value.reason == reason
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"a": "\ud800"}, "invalid_unicode"),
        ({"a": {"\ud800": 1}}, "invalid_unicode"),
        ({"a": {1: 1}}, "invalid_value"),
        ({"a": -(10**300)}, "invalid_number"),
        ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, "invalid_value"),
        ({"a": {1, 2}}, "invalid_value"),
    ],
)
def test_plain_values_that_are_no_json(properties: dict[str, Any], reason: str) -> None:
    with pytest.raises(EventError, match="field 'properties'") as caught:
        build_event(TOUCH | {"properties": properties})
    assert caught.value.reason == reason


def test_a_lone_surrogate_in_a_field() -> None:
    with pytest.raises(EventError, match="field 'channel'") as caught:
        build_event(TOUCH | {"channel": "a\ud800"})
    assert caught.value.reason == "invalid_unicode"


def test_the_longest_event_fits_into_a_message() -> None:
    raw = with_raw("properties", b'{"a": "%s"}' % (b"x" * 899_000))
    assert len(raw) <= MAX_EVENT_BYTES
    assert len(parse_event(raw).to_json()) <= MAX_EVENT_BYTES


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_give_another_error(raw: bytes) -> None:
    with pytest.raises(EventError):
        parse_event(raw)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted({*TOUCH, "email", "properties"})), value=json_values)
def test_no_value_gives_another_error(name: str, value: object) -> None:
    reasons: set[str] = set()
    try:
        event = parse_event(json.dumps(TOUCH | {name: value}).encode())
    except EventError as error:
        reasons.add(error.reason)
    else:
        assert parse_event(event.to_json()) == event
    assert reasons <= {*REASONS.values(), *OUR_REASONS, "invalid_value", "unknown_version"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"previous_user_id": "u"}, "missing_field"),
        ({"email": "a@b.c", "previous_user_id": "u"}, "missing_field"),
        ({"user_id": "u", "previous_user_id": "u"}, "missing_field"),
    ],
)
def test_a_former_identifier_takes_the_present_one(fields: dict[str, Any], reason: str) -> None:
    head = {"type": "identity", "event_id": "i", "source": "s", "occurred_on": "2026-03-01"}
    with pytest.raises(EventError) as refused:
        build_event(head | fields)
    assert refused.value.reason == reason
    event = build_event(head | {"user_id": "new", "previous_user_id": "old"})
    assert isinstance(event, Identity)
    assert list(event.former) == [("user_id", "new", "old")]
