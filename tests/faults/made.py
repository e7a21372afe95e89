"""Events of the fault suite: each a pure function of the seed and its number, and cheap to make.

Of fifty numbers, 37 or 38 are touches; one repeats the one before it, four say who is who, and
one each is revenue, the state of an account, a deal or a campaign, spend, and a message that keeps
to no contract. A state has one id for every 5,000 numbers, so that later numbers correct it.
"""

from dataclasses import dataclass

__all__ = ["Made", "World"]

STATES = {45: "accounts", 46: "spend", 47: "opportunities", 48: "campaigns"}
CYCLE, BAD, COPY, CONFLICT = 50, 49, 37, 38
CONFLICT_EVERY = 500
STATE_EVERY = 5_000
CHANNELS = ("email", "paid_search", "webinar", "events", "partner")
START = "2025-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Made:
    """One message.

    Attributes
    ----------
    topic, key, value
        As published.
    slot
        The number in its ``event_id``: its own, or that of the event it repeats or corrects.
    verdict
        What has to become of it: ``stored``, ``bad`` (always a dead letter), or ``conflict`` (a
        dead letter once the event of its slot stands).
    """

    topic: str
    key: bytes
    value: bytes
    slot: int
    verdict: str


class World:
    """All messages of one seed."""

    def __init__(self, seed: int, people: int = 4_000) -> None:
        self.seed = seed
        self.people = people

    def make(self, number: int) -> Made:
        """The message of one number, from 0."""
        place = number % CYCLE
        if place < COPY:
            return self._touch(number)
        if place == COPY:
            return self._touch(number - 1)
        if place == CONFLICT:
            if number % CONFLICT_EVERY == CONFLICT:
                return self._touch(number - 2, contradicting=True)
            return self._touch(number)
        if place == BAD:
            return self._bad(number)
        if place in STATES:
            return self._state(number, STATES[place])
        return self._revenue(number) if place == 44 else self._identity(number)

    def event_id(self, slot: int) -> str:
        """The id of a slot's event."""
        return f"f{self.seed}:{slot}"

    def _mix(self, number: int) -> int:
        mixed = (number * 0x9E3779B1 + self.seed * 0x85EBCA6B) & 0xFFFFFFFF
        return ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF

    def _head(self, kind: str, slot: int) -> str:
        return f'{{"type":"{kind}","event_id":"{self.event_id(slot)}","source":"faults"'

    def _moment(self, number: int) -> str:
        minute = number // 60
        day, hour = minute // 1440, minute // 60 % 24
        return (
            f"2025-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}"
            f"T{hour:02d}:{minute % 60:02d}:{number % 60:02d}Z"
        )

    def _touch(self, number: int, *, contradicting: bool = False) -> Made:
        mixed = self._mix(number)
        person, device = mixed % self.people, mixed >> 29 & 1
        channel = "contradiction" if contradicting else CHANNELS[(mixed >> 20) % 5]
        field, name = ("user_id", f"u{person}") if mixed >> 30 & 1 else _device(person, device)
        value = (
            f'{self._head("touch", number)},"occurred_at":"{self._moment(number)}",'
            f'"channel":"{channel}","campaign_id":"c{(mixed >> 12) % 40}","{field}":"{name}",'
            f'"utm_source":"s{(mixed >> 5) % 30}","properties":{{"page":"/p/{mixed >> 8}"}}}}'
        )
        verdict = "conflict" if contradicting else "stored"
        return Made("touches", f"{field}:{name}".encode(), value.encode(), number, verdict)

    def _identity(self, number: int) -> Made:
        mixed = self._mix(number)
        person = mixed % self.people
        if mixed >> 29 & 1:
            link = f'"anonymous_id":"v{person}-{mixed >> 30 & 1}","user_id":"u{person}"'
            key = f"user_id:u{person}"
        else:
            link = f'"user_id":"u{person}","account_id":"a{person % 300}"'
            key = f"account_id:a{person % 300}"
        value = f'{self._head("identity", number)},"occurred_at":"{START}",{link}}}'
        return Made("identities", key.encode(), value.encode(), number, "stored")

    def _revenue(self, number: int) -> Made:
        account = self._mix(number) % 300
        value = (
            f'{self._head("revenue", number)},"occurred_at":"{self._moment(number)}",'
            f'"account_id":"a{account}","kind":"new","iacv":"{number % 9000 + 1}.50",'
            '"currency":"EUR"}'
        )
        return Made("revenue", b"account_id:a%d" % account, value.encode(), number, "stored")

    def _state(self, number: int, topic: str) -> Made:
        slot, turn = number % STATE_EVERY, number // STATE_EVERY
        clock = f"{turn // 3600 % 24:02d}:{turn // 60 % 60:02d}:{turn % 60:02d}"
        timed = f'"occurred_at":"2025-01-01T{clock}Z"'
        body = {
            "accounts": f'{timed},"account_id":"a{slot}","name":"Name {turn}"',
            "campaigns": f'{timed},"campaign_id":"c{slot}","budget":"{turn}.00"',
            "opportunities": f'{timed},"opportunity_id":"o{slot}","account_id":"a{slot % 300}",'
            f'"stage":"step {turn}"',
            "spend": f'"date":"2025-03-01","campaign_id":"c{slot}","channel":"email",'
            f'"amount":"{turn}.25","currency":"EUR"',
        }[topic]
        kind = {"accounts": "account", "campaigns": "campaign", "opportunities": "opportunity"}
        value = f"{self._head(kind.get(topic, topic), slot)},{body}}}"
        key = {"accounts": f"account_id:a{slot}", "opportunities": f"account_id:a{slot % 300}"}
        return Made(
            topic, key.get(topic, f"campaign_id:c{slot}").encode(), value.encode(), slot, "stored"
        )

    def _bad(self, number: int) -> Made:
        touch = self._touch(number)
        good = touch.value
        value = (
            lambda: good[:-5],
            lambda: good.replace(b'"faults"', b'"f\xff\xfe"'),
            lambda: good.replace(b'"touch"', b'"tuch"'),
            lambda: good.replace(b'Z",', b'",'),
            lambda: good.replace(b'"channel"', b'"chanel"'),
            lambda: good.replace(b'"/p/', b'"\\u0000'),
            lambda: self._revenue(number).value,  # on a topic that is not its own
            lambda: b"[" + good + b"]",
        )[number // CYCLE % 8]()
        return Made("touches", touch.key, value, number, "bad")


def _device(person: int, device: int) -> tuple[str, str]:
    return "anonymous_id", f"v{person}-{device}"
