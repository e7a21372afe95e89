"""Live means that a restart would not help; ready means that what is stored is up to date."""

from dataclasses import replace

import pytest

from streams.health import Observed, ProbeLimits, why_not_live, why_not_ready

LIMITS = ProbeLimits(stall_s=300, lag_s=60, loop_s=30, kafka_s=15, database_s=10)
FINE = Observed(
    joined=True,
    unjoined_s=0,
    in_hand=False,
    lag_records=0,
    lag_s=0,
    still_s=0,
    loop_silent_s=1,
    watch_silent_s=1,
    kafka_silent_s=1,
    database_silent_s=1,
    database_away_s=0,
    database_refusal="",
    missing=(),
)
WAITS = {"in_hand": True, "lag_records": 5, "lag_s": 10, "still_s": 301}
AWAY = {"database_away_s": 400, "database_refusal": "connection refused"}
CASES = [
    # what is observed, why not live, why not ready besides
    ({}, None, None),
    ({"still_s": 9999}, None, None),  # idle: nothing waits
    (WAITS, "nothing has been stored for 301 s", None),
    (WAITS | {"still_s": 299}, None, None),
    (WAITS | AWAY, None, "taken no rows for 400 s: connection refused"),
    (WAITS | {"database_silent_s": 11}, None, "PostgreSQL has not answered for 11 s"),
    (WAITS | {"in_hand": False}, "nothing has been stored", None),
    (WAITS | {"in_hand": False, "kafka_silent_s": 16}, None, "Kafka has not answered for 16 s"),
    # what is in hand needs no Kafka to be stored
    (WAITS | {"kafka_silent_s": 16}, "nothing has been stored", "Kafka has not answered for 16 s"),
    ({"loop_silent_s": 31}, "event loop has not turned for 31 s", None),
    ({"watch_silent_s": 31}, "nothing has been observed for 31 s", None),
    ({"joined": False, "unjoined_s": 5}, None, "no partitions yet"),
    ({"joined": False, "unjoined_s": 301}, "group is not joined for 301 s", "no partitions yet"),
    (
        {"joined": False, "unjoined_s": 301, "kafka_silent_s": 301},
        None,
        "Kafka has not answered for 301 s",
    ),
    ({"database_silent_s": 11}, None, "PostgreSQL has not answered for 11 s"),
    ({"database_away_s": 1, "database_refusal": "deadlock detected"}, None, None),
    ({"missing": None}, None, "has not been looked at"),
    ({"missing": ("stream.touches.stored_in",)}, None, "lacks stream.touches.stored_in"),
    ({"in_hand": True, "lag_records": 9, "lag_s": 61}, None, "oldest of 9 records"),
]


@pytest.mark.parametrize(("observed", "not_live", "not_ready"), CASES)
def test_probes(observed: dict[str, object], not_live: str | None, not_ready: str | None) -> None:
    seen = replace(FINE, **observed)  # type: ignore[arg-type]
    live, ready = why_not_live(seen, LIMITS), why_not_ready(seen, LIMITS)
    assert bool(live) == (not_live is not None), live
    assert (not_live or "") in " ".join(live)
    assert ready[: len(live)] == live, "what is not live is not ready"
    assert bool(ready) == (not_live is not None or not_ready is not None), ready
    assert (not_ready or "") in " ".join(ready)
