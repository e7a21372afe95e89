"""The event contract: what producers may publish and every later stage may rely on.

One frozen model a type, told apart by ``type``. An event is parsed once, at the edge; inside, it
is valid. ``bizops schema`` prints the same contract as JSON Schema.
"""

from bizops.events.base import PERSON_FIELDS, Event, TimedEvent
from bizops.events.contract import (
    EVENT_TYPES,
    MAX_EVENT_BYTES,
    AnyEvent,
    build_event,
    json_schema,
    parse_event,
)
from bizops.events.customers import (
    FORMER_FIELDS,
    NO_CAMPAIGN,
    Account,
    Campaign,
    Identity,
    LiftTest,
    Opportunity,
    Revenue,
    Spend,
    Touch,
)

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
