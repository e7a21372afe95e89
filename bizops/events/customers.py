"""Customers and what is done to win them: touches, revenue, spend, who is who, and their states."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bizops.events.base import ONE_TIME, PERSON_FIELDS, Event, TimedEvent, any_of
from bizops.fields import Amount, Currency, Day, Email, Id, Label, Positive, Properties, Text

__all__ = [
    "FORMER_FIELDS",
    "NO_CAMPAIGN",
    "Account",
    "Campaign",
    "Identity",
    "LiftTest",
    "Opportunity",
    "Revenue",
    "Spend",
    "Touch",
]

NO_CAMPAIGN = "(none)"
"""The campaign of touches that name none, one in each channel."""

FORMER_FIELDS = {
    "previous_lead_id": "lead_id",
    "previous_contact_id": "contact_id",
    "previous_email": "email",
    "previous_user_id": "user_id",
}
"""What says that a person had another identifier before, and of which kind."""


class Touch(TimedEvent):
    """One recorded interaction of a person or an account with a channel."""

    model_config = ConfigDict(json_schema_extra=ONE_TIME | any_of("account_id", *PERSON_FIELDS))
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
    corrected_by = "arrival"

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
    corrected_by = "moment"

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
    corrected_by = "moment"

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

    model_config = ConfigDict(json_schema_extra=any_of("channel", "campaign_id"))
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
    corrected_by = "moment"

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
