"""Messages made to be refused."""

import pytest

from bizops.errors import EventError
from bizops.events import parse_event
from bizops.simulation import malformed_messages
from bizops.simulation.malformed import MALFORMED


@pytest.mark.parametrize("kind", MALFORMED)
def test_each_kind_is_refused(kind: str) -> None:
    with pytest.raises(EventError) as refused:
        parse_event(MALFORMED[kind]("malformed:1:0001"))
    assert refused.value.reason


def test_their_reasons_are_many() -> None:
    reasons = set()
    for message in malformed_messages(1, len(MALFORMED)):
        with pytest.raises(EventError) as refused:
            parse_event(message)
        reasons.add(refused.value.reason)
    assert len(reasons) > 15


@pytest.mark.parametrize("n", [0, 1, 10, 60])
def test_as_many_as_asked_for_and_the_same_each_time(n: int) -> None:
    messages = malformed_messages(5, n)
    assert len(messages) == n
    assert messages == malformed_messages(5, n)


def test_another_seed_gives_others() -> None:
    assert malformed_messages(5, 10) != malformed_messages(6, 10)
