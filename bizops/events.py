"""The event contract: what producers may publish and every later stage may rely on.

One frozen model a type, told apart by ``type``. An event is parsed once, at the edge; inside, it
is valid. ``bizops schema`` prints the same contract as JSON Schema.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from bizops.complaints import explained
from bizops.errors import EventError
from bizops.fields import (
    Amount,
    Currency,
    Day,
    Email,
    Id,
    Instant,
    Label,
    Positive,
    Properties,
    Text,
)
from bizops.versions import known_versions, upcast

__all__ = [
    "EVENT_TYPES",
    "FORMER_FIELDS",
    "MAX_EVENT_BYTES",
    "NO_CAMPAIGN",
    "PERSON_FIELDS",
    "Account",
    "AnyEvent",
    "Campaign",
    "Event",
    "Identity",
    "LiftTest",
    "Opportunity",
    "Revenue",
    "Spend",
    "TimedEvent",
    "Touch",
    "build_event",
    "json_schema",
    "parse_event",
]

MAX_EVENT_BYTES = 900_000
"""Above this an event is refused: a Kafka message ends at 1 MiB, its headers included."""

NO_CAMPAIGN = "(none)"
"""The campaign of touches that name none, one in each channel."""

PERSON_FIELDS = ("lead_id", "contact_id", "email", "user_id", "device_id", "anonymous_id")
"""What names a person, in the order in which a message is keyed by it."""

FORMER_FIELDS = {
    "previous_lead_id": "lead_id",
    "previous_contact_id": "contact_id",
    "previous_email": "email",
    "previous_user_id": "user_id",
}
"""What says that a person had another identifier before, and of which kind."""


class Event(BaseModel):
    """What every event has.

    ``event_id`` is derived from the source's own record, such as
    ``salesforce:Opportunity:006xx:CloseDate``, so that extracting twice gives the same event.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    topic: ClassVar[str]

    event_id: Id
    source: Label
    schema_version: Literal[1] = 1

    @property
    def key(self) -> str:
        """Key of the Kafka message: the strongest identifier known, so that order is kept."""
        for name in ("account_id", *PERSON_FIELDS, "campaign_id", "channel"):
            value = getattr(self, name, None)
            if value is not None:
                return f"{name}:{value}"
        return f"event_id:{self.event_id}"

    @property
    def identifiers(self) -> Iterator[tuple[str, str]]:
        """The ``(field, value)`` pairs that name a person, strongest key first."""
        fields = self.__dict__  # asked several times an event: faster than an attribute each
        named = [(name, fields[name]) for name in PERSON_FIELDS if fields.get(name) is not None]
        return iter(named)

    def to_json(self) -> bytes:
        """Canonical JSON: the same event always gives the same bytes."""
        return self.model_dump_json(exclude_none=True).encode()

    def content_hash(self) -> bytes:
        """16 bytes that tell an event sent again from another event under the same id."""
        return hashlib.blake2b(self.to_json(), digest_size=16).digest()


def _any_of(*names: str) -> dict[str, Any]:
    return {"anyOf": [{"required": [name]} for name in names]}


ONE_TIME: dict[str, Any] = {
    "oneOf": [{"required": ["occurred_at"]}, {"required": ["occurred_on"]}],
}


class TimedEvent(Event):
    """An event with a moment by the source's clock; ``occurred_on`` where only the day is known."""

    model_config = ConfigDict(json_schema_extra=ONE_TIME)

    occurred_at: Instant | None = None
    occurred_on: Day | None = None

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.occurred_at is None) == (self.occurred_on is None):
            what = "has no time" if self.occurred_at is None else "has two times"
            raise PydanticCustomError(
                "missing_field" if self.occurred_at is None else "invalid_value",
                f"{what}; expected either occurred_at, or occurred_on if only the day is known",
            )
        return self

    @property
    def day_only(self) -> bool:
        """Whether the source knew only the day."""
        return self.occurred_on is not None

    @property
    def moment(self) -> datetime:
        """The time in UTC; the day's start where only the day is known."""
        if self.occurred_at is not None:
            return self.occurred_at
        assert self.occurred_on is not None
        return datetime.combine(self.occurred_on, time(), UTC)


class Touch(TimedEvent):
    """One recorded interaction of a person or an account with a channel."""

    model_config = ConfigDict(json_schema_extra=ONE_TIME | _any_of("account_id", *PERSON_FIELDS))
    topic: ClassVar[str] = "touches"

    type: Literal["touch"] = "touch"
    channel: Label
    campaign_id: Id = NO_CAMPAIGN
    account_id: Id | None = None
    lead_id: Id | None = None
    contact_id: Id | None = None
    email: Email | None = None
    user_id: Id | None = None
    device_id: Id | None = None
    anonymous_id: Id | None = None
    touch_type: Label | None = None
    collateral_id: Id | None = None
    creative_id: Id | None = None
    utm_source: Text | None = None
    utm_medium: Text | None = None
    utm_campaign: Text | None = None
    utm_content: Text | None = None
    utm_term: Text | None = None
    properties: Properties

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if self.account_id is None and not any(self.identifiers):
            raise PydanticCustomError(
                "missing_field",
                f"names nobody; expected one or more of account_id, {', '.join(PERSON_FIELDS)}",
            )
        return self


class Revenue(TimedEvent):
    """A change of contract value; ``iacv`` is what it adds to the annual contract value."""

    topic: ClassVar[str] = "revenue"

    type: Literal["revenue"] = "revenue"
    account_id: Id
    kind: Literal["new", "expansion", "contraction", "renewal", "churn"]
    iacv: Amount
    currency: Currency
    opportunity_id: Id | None = None
    lead_id: Id | None = None
    contact_id: Id | None = None
    arr: Amount | None = None
    tcv: Amount | None = None
    term_months: Annotated[int, Field(ge=1, le=1200, strict=True)] | None = None
    product: Text | None = None
    properties: Properties

    @model_validator(mode="after")
    def _sign(self) -> Self:
        loses, gains = self.kind in ("contraction", "churn"), self.kind in ("new", "expansion")
        if (loses and self.iacv > 0) or (gains and self.iacv < 0):
            raise PydanticCustomError(
                "wrong_sign",
                f"is {self.kind} with iacv {self.iacv}; expected "
                f"{'0 or less' if loses else '0 or more'}",
            )
        return self


class Spend(Event):
    """What a campaign cost on one day; sent again, the later arrival corrects the earlier."""

    topic: ClassVar[str] = "spend"

    type: Literal["spend"] = "spend"
    date: Day
    campaign_id: Id
    channel: Label
    amount: Positive
    currency: Currency
    impressions: Annotated[int, Field(ge=0, lt=2**63, strict=True)] | None = None
    clicks: Annotated[int, Field(ge=0, lt=2**63, strict=True)] | None = None
    creative_id: Id | None = None


class Identity(TimedEvent):
    """A fact that identifiers belong to one person, or a person to an account.

    ``previous_user_id`` and its like say that a person was known by another identifier of the same
    kind before: an alias, a merge in the CRM, a new address. Nothing else makes one person of two
    users.
    """

    model_config = ConfigDict(
        json_schema_extra=ONE_TIME
        | {"dependentRequired": {former: [kind] for former, kind in FORMER_FIELDS.items()}}
    )
    topic: ClassVar[str] = "identities"

    type: Literal["identity"] = "identity"
    account_id: Id | None = None
    lead_id: Id | None = None
    contact_id: Id | None = None
    email: Email | None = None
    user_id: Id | None = None
    device_id: Id | None = None
    anonymous_id: Id | None = None
    previous_lead_id: Id | None = None
    previous_contact_id: Id | None = None
    previous_email: Email | None = None
    previous_user_id: Id | None = None

    @property
    def former(self) -> Iterator[tuple[str, str, str]]:
        """``(field, value, former value)`` of each identifier that took another's place."""
        for name, kind in FORMER_FIELDS.items():
            before, now = getattr(self, name), getattr(self, kind)
            if before is not None and now is not None and before != now:
                yield kind, now, before

    @model_validator(mode="after")
    def _a_link(self) -> Self:
        for name, kind in FORMER_FIELDS.items():
            if getattr(self, name) is not None and getattr(self, kind) is None:
                raise PydanticCustomError(
                    "missing_field", f"has {name} alone; expected {kind} beside it"
                )
        persons = len(list(self.identifiers)) + len(list(self.former))
        if persons + (self.account_id is not None) < 2:
            raise PydanticCustomError(
                "missing_field",
                f"links nothing; expected two or more of {', '.join(PERSON_FIELDS)}, "
                "or one of them and account_id",
            )
        return self


class Account(TimedEvent):
    """The state of an account from a moment on."""

    topic: ClassVar[str] = "accounts"

    type: Literal["account"] = "account"
    account_id: Id
    name: Text | None = None
    domain: Text | None = None
    industry: Text | None = None
    segment: Label | None = None
    employees: Annotated[int, Field(ge=0, lt=2**63, strict=True)] | None = None
    country: Label | None = None


class Campaign(TimedEvent):
    """The state of a campaign from a moment on."""

    topic: ClassVar[str] = "campaigns"

    type: Literal["campaign"] = "campaign"
    campaign_id: Id
    name: Text | None = None
    channel: Label | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    budget: Positive | None = None
    currency: Currency | None = None


class LiftTest(Event):
    """What a randomised experiment found a channel or campaign to add."""

    model_config = ConfigDict(json_schema_extra=_any_of("channel", "campaign_id"))
    topic: ClassVar[str] = "lift_tests"

    type: Literal["lift_test"] = "lift_test"
    channel: Label | None = None
    campaign_id: Id | None = None
    starts_on: Day
    ends_on: Day
    incremental_conversions: Annotated[float, Field(allow_inf_nan=False, strict=True)]
    standard_error: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
    incremental_iacv: Amount | None = None
    holdout_share: Annotated[float, Field(gt=0, lt=1, strict=True)] | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _scope(self) -> Self:
        if self.channel is None and self.campaign_id is None:
            raise PydanticCustomError(
                "missing_field", "tests nothing; expected channel or campaign_id"
            )
        if self.ends_on < self.starts_on:
            raise PydanticCustomError(
                "out_of_range", f"ends on {self.ends_on}, before it starts on {self.starts_on}"
            )
        return self


class Opportunity(TimedEvent):
    """The state of a deal from a moment on."""

    topic: ClassVar[str] = "opportunities"

    schema_version: Literal[2] = 2  # type: ignore[assignment]  # each type has its own newest
    type: Literal["opportunity"] = "opportunity"
    opportunity_id: Id
    account_id: Id
    stage: Label
    amount: Amount | None = None
    currency: Currency | None = None
    outcome: Literal["open", "won", "lost"] | None = None
    owner: Text | None = None
    lead_id: Id | None = None
    contact_id: Id | None = None


AnyEvent = Touch | Revenue | Spend | Identity | Account | Campaign | LiftTest | Opportunity

EVENT_TYPES: dict[str, type[AnyEvent]] = {
    "touch": Touch,
    "revenue": Revenue,
    "spend": Spend,
    "identity": Identity,
    "account": Account,
    "campaign": Campaign,
    "lift_test": LiftTest,
    "opportunity": Opportunity,
}

_adapter: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="type")])


NEWEST: dict[str, int] = {
    name: model.model_fields["schema_version"].default for name, model in EVENT_TYPES.items()
}
"""The newest version of each type; inside, an event is always of it."""


def parse_event(raw: bytes) -> AnyEvent:
    """Read one event from JSON, of any known version of its type.

    Raises
    ------
    EventError
        If it is too long, not UTF-8, not JSON, or does not keep to the contract; its ``reason``
        is a code, its text says which field, what was wrong and what was expected.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise EventError(
            "too_long", f"the event has {len(raw):,} bytes; expected at most {MAX_EVENT_BYTES:,}"
        )
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise EventError(
            "invalid_utf8", f"byte {error.start} is not UTF-8; expected JSON in UTF-8"
        ) from None
    try:
        return _adapter.validate_json(raw)
    except ValidationError as error:
        try:
            fields = from_json(raw)
        except ValueError:
            raise explained(error, EVENT_TYPES) from None
        return _made_new(fields, error)


def build_event(fields: dict[str, Any]) -> AnyEvent:
    """Make one event of plain values, as a source does; errors as in :func:`parse_event`."""
    try:
        return _adapter.validate_python(fields)
    except ValidationError as error:
        return _made_new(fields, error)


def _made_new(fields: Any, error: ValidationError) -> AnyEvent:
    """An event of an older version; what is no newest event, and why, comes here."""
    event_type = fields.get("type") if isinstance(fields, dict) else None
    newest = NEWEST.get(event_type) if isinstance(event_type, str) else None
    upcasted = upcast(fields, event_type, newest) if event_type and newest else None
    if upcasted is None:
        raise explained(error, EVENT_TYPES) from None
    try:
        return _adapter.validate_python(upcasted)
    except ValidationError as still:
        raise explained(still, EVENT_TYPES) from None


def json_schema(event_type: str | None = None) -> dict[str, Any]:
    """The contract as JSON Schema (draft 2020-12): of one type, or of all as ``oneOf``.

    It tells the form in which events are published. Reading is more lenient in that spaces around
    a text are dropped, and stricter where a schema cannot say it: an amount's sign, two
    identifiers, days in order.
    """
    if event_type is None:
        schema = _adapter.json_schema()
        definitions = list(schema["$defs"].values())
    else:
        schema = EVENT_TYPES[event_type].model_json_schema()
        definitions = [schema]
    for definition in definitions:
        definition["required"] = ["type", *definition["required"]]
        version = definition["properties"]["schema_version"]
        older = known_versions(definition["properties"]["type"]["const"], version["const"])[:-1]
        if older:
            version["description"] = f"read too: {', '.join(map(str, older))}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
