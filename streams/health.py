"""Whether a worker is live and ready, as pure functions of what was observed of it.

Not live means that a restart would help: work waits, what it needs answers, and nothing is stored.
Not ready means that what it stores cannot be relied on to be up to date, whoever is to blame.
"""

from dataclasses import dataclass

__all__ = ["Observed", "ProbeLimits", "could_work", "why_not_live", "why_not_ready"]


@dataclass(frozen=True)
class ProbeLimits:
    """How long each thing may take, in seconds, before it counts.

    Attributes
    ----------
    stall_s
        Nothing stored although work waits; also how long joining the group may take.
    lag_s
        Age of the oldest event that is not stored.
    loop_s
        An event loop, or the thread that observes, does not turn.
    kafka_s, database_s
        A service has not answered.
    """

    stall_s: float = 300.0
    lag_s: float = 300.0
    loop_s: float = 30.0
    kafka_s: float = 15.0
    database_s: float = 10.0


@dataclass(frozen=True)
class Observed:
    """One worker at one moment; every time is the age in seconds of the last such thing.

    Attributes
    ----------
    joined
        Whether the group has given this worker its partitions, be they none.
    unjoined_s
        For how long it has not.
    in_hand
        Whether records were fetched and not stored.
    lag_records, lag_s
        Records published and not stored, and the age of the oldest, over all its partitions.
    still_s
        Since the last batch was stored, nothing waited, or a service was away.
    loop_silent_s, watch_silent_s
        Since the event loops turned, and since the thread that observes all this did.
    kafka_silent_s
        Since Kafka answered for the partition that it has been silent about for longest.
    database_silent_s
        Since PostgreSQL answered.
    database_away_s, database_refusal
        For how long the store has tried in vain, and what PostgreSQL said; 0 and empty where it
        writes.
    missing
        What this version writes and the database lacks; None before it was looked at.
    """

    joined: bool
    unjoined_s: float
    in_hand: bool
    lag_records: int
    lag_s: float
    still_s: float
    loop_silent_s: float
    watch_silent_s: float
    kafka_silent_s: float
    database_silent_s: float
    database_away_s: float
    database_refusal: str
    missing: tuple[str, ...] | None


def _database_answers(seen: Observed, limits: ProbeLimits) -> bool:
    """Whether PostgreSQL is there and takes rows, as far as is known."""
    return seen.database_away_s == 0.0 and seen.database_silent_s <= limits.database_s


def could_work(seen: Observed, limits: ProbeLimits) -> bool:
    """Whether work waits that this worker could do now, whatever the time it has waited."""
    kafka_answers = seen.kafka_silent_s <= limits.kafka_s
    waits = seen.in_hand or (seen.lag_records > 0 and kafka_answers)
    return waits and _database_answers(seen, limits)


def why_not_live(seen: Observed, limits: ProbeLimits) -> list[str]:
    """Why the worker should be started anew, a sentence each; empty where it should not."""
    reasons = []
    if seen.loop_silent_s > limits.loop_s:
        reasons.append(f"the event loop has not turned for {seen.loop_silent_s:.0f} s")
    if seen.watch_silent_s > limits.loop_s:
        reasons.append(f"nothing has been observed for {seen.watch_silent_s:.0f} s")
    if could_work(seen, limits) and seen.still_s > limits.stall_s:
        reasons.append(
            f"{seen.lag_records} records wait and PostgreSQL answers, but nothing has been stored "
            f"for {seen.still_s:.0f} s"
        )
    if (
        not seen.joined
        and seen.kafka_silent_s <= limits.kafka_s
        and seen.unjoined_s > limits.stall_s
    ):
        reasons.append(f"Kafka answers, but the group is not joined for {seen.unjoined_s:.0f} s")
    return reasons


def why_not_ready(seen: Observed, limits: ProbeLimits) -> list[str]:
    """Why what is stored may not be up to date, a sentence each; empty where it is."""
    reasons = why_not_live(seen, limits)
    if not seen.joined:
        reasons.append("the consumer group has given no partitions yet")
    if seen.kafka_silent_s > limits.kafka_s:
        reasons.append(f"Kafka has not answered for {seen.kafka_silent_s:.0f} s")
    if seen.database_silent_s > limits.database_s:
        reasons.append(f"PostgreSQL has not answered for {seen.database_silent_s:.0f} s")
    if seen.database_away_s > limits.database_s:
        reasons.append(
            f"PostgreSQL has taken no rows for {seen.database_away_s:.0f} s: "
            f"{seen.database_refusal}"
        )
    if seen.missing is None:
        reasons.append("the schema has not been looked at yet")
    elif seen.missing:
        reasons.append(
            f"the database lacks {', '.join(seen.missing)}: bring it there with `bizops migrate`"
        )
    if seen.lag_s > limits.lag_s:
        reasons.append(
            f"the oldest of {seen.lag_records} records that wait is {seen.lag_s:.0f} s old"
        )
    return reasons
