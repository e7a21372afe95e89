"""What every event has: an id of the source's own, a time by its clock, and one canonical form."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from bizops.fields import Day, Id, Instant, Label

__all__ = ["ONE_TIME", "PERSON_FIELDS", "Event", "TimedEvent", "any_of"]

PERSON_FIELDS = ("lead_id", "contact_id", "email", "user_id", "device_id", "anonymous_id")
"""What names a person, in the order in which a message is keyed by it."""


class Event(BaseModel):
    """What every event has.

    ``event_id`` is derived from the source's own record, such as
    ``salesforce:Opportunity:006xx:CloseDate``, so that extracting twice gives the same event.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    topic: ClassVar[str]
    corrected_by: ClassVar[Literal["moment", "arrival"] | None] = None
    """Which of two contents of one ``event_id`` stands: of the later moment by the source's clock,
    or the one that arrived later; None where another content is a conflict."""

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


def any_of(*names: str) -> dict[str, Any]:
    """JSON Schema: that one of these fields at least is there."""
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
