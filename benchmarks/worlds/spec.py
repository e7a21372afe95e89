"""What each world is, as data: one generator, and what a world changes about it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["CHANNELS", "SEGMENTS", "WORLDS", "Channel", "Follow", "Segment", "Spec"]


@dataclass(frozen=True)
class Channel:
    """How a channel reaches accounts and how its touches work.

    Attributes
    ----------
    touches_per_year
        Of an average account; 0 where touches only follow others.
    strength
        What a touch adds, relative to an email.
    delay, delay_days
        Distribution from touch to purchase and its scale: ``weibull`` (many soon, some late;
        shape 0.7), ``exponential``, ``erlang`` (of two steps: it rises first) or ``loglogistic``
        (it rises first and has a long tail; shape 2).
    """

    name: str
    touches_per_year: float
    strength: float
    delay: str
    delay_days: float


@dataclass(frozen=True)
class Segment:
    """A kind of account: its share of all, how often it buys anyway, what it pays (log-normal)."""

    name: str
    share: float
    organic: float
    median_iacv: float


@dataclass(frozen=True)
class Follow:
    """Touches of a channel that touches of others set off: how many, and how many days later."""

    channel: str
    after: tuple[str, ...]
    mean: float
    days: float


CHANNELS = (
    Channel("content", 2.0, 4.0, "weibull", 16.0),
    Channel("email", 6.0, 1.0, "exponential", 5.0),
    Channel("event", 0.4, 20.0, "erlang", 18.0),
    Channel("paid_search", 1.2, 8.0, "exponential", 4.0),
    Channel("paid_social", 3.0, 1.5, "loglogistic", 9.0),
    Channel("webinar", 0.7, 10.0, "erlang", 9.0),
)
SEGMENTS = (
    Segment("enterprise", 0.15, 0.6, 60_000.0),
    Segment("mid", 0.35, 1.0, 24_000.0),
    Segment("smb", 0.5, 1.2, 8_000.0),
)


@dataclass(frozen=True)
class Spec:
    """What a world is like; every default is the additive world's.

    Attributes
    ----------
    what
        One sentence for people.
    days
        Length of the data.
    campaign_spread, size_spread
        Standard deviations of the log of campaigns' effects and sizes within their channel.
    touch_scale
        Multiplies all channels' ``touches_per_year``.
    conversion_rate
        Conversions per account that the number of accounts is chosen for.
    caused
        Share of all purchases that touches set off; it varies by 0.1 either way with the seed.
    null_share
        Share of campaigns that do nothing.
    propensity
        Standard deviation of the log of what an account's touches and its purchases, of whatever
        cause, are both multiplied by.
    follows
        Touches that are set off by others.
    needs, needs_days
        Channels whose touches work only within so many days after one of the channels named.
    wear
        What each further touch of a campaign adds relative to the one before, by account.
    intents_per_year, intent_share
        Hidden episodes of an account, and the share of organic purchases that come out of them.
        An episode brings searches within days and purchases days to weeks later.
    day_only
        Whether times are known to the day only.
    seasonal
        Whether the baseline has a week, ends of quarters and a summer, and touches half of it.
    late
        Whether accounts are known from any time on (else most are from the start).
    again
        Whether customers buy again, renew and churn; else an account buys once.
    delay_scale
        Multiplies all delays.
    lift_tests
        Channels of which the world has a randomised holdout.
    """

    what: str
    channels: tuple[Channel, ...] = CHANNELS
    campaigns: int = 24
    days: float = 540.0
    campaign_spread: float = 0.7
    size_spread: float = 0.5
    touch_scale: float = 1.0
    conversion_rate: float = 0.3
    caused: float = 0.4
    null_share: float = 0.0
    propensity: float = 0.0
    follows: tuple[Follow, ...] = ()
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    needs_days: float = 0.0
    wear: float = 1.0
    intents_per_year: float = 0.0
    intent_share: float = 0.0
    day_only: bool = False
    seasonal: bool = False
    late: bool = False
    again: bool = False
    delay_scale: float = 1.0
    lift_tests: tuple[str, ...] = ()


def _with(*more: Channel, instead_of: Iterable[str] = ()) -> tuple[Channel, ...]:
    kept = [channel for channel in CHANNELS if channel.name not in set(instead_of)]
    return tuple(sorted((*kept, *more), key=lambda channel: channel.name))


BROAD = ("content", "event", "paid_social", "webinar")

INTENT = Spec(
    "A hidden intent brings searches and, days to weeks later, purchases that search does not "
    "cause.",
    channels=_with(
        Channel("paid_search", 0.3, 2.0, "exponential", 4.0), instead_of=["paid_search"]
    ),
    intents_per_year=0.4,
    intent_share=0.6,
)

WORLDS = {
    "additive": Spec("Each touch may persuade by itself; accounts buy once."),
    "decaying": Spec(
        "As additive, but every effect is strongest at once and decays exponentially.",
        channels=tuple(replace(one, delay="exponential") for one in CHANNELS),
    ),
    "propensity": Spec(
        "Some accounts are touched more and buy more, whatever campaigns do.", propensity=0.6
    ),
    "retargeting": Spec(
        "Touches set off touches: ads follow visits, mails follow webinars; both add little.",
        channels=_with(Channel("retargeting", 0.0, 1.0, "exponential", 4.0)),
        follows=(
            Follow("retargeting", ("content", "paid_search", "paid_social"), 1.2, 5.0),
            Follow("email", ("webinar", "event"), 2.0, 8.0),
        ),
    ),
    "order": Spec(
        "What features say works only after broad interest was aroused in the last 21 days.",
        channels=_with(Channel("features", 2.0, 25.0, "exponential", 6.0)),
        needs=(("features", BROAD),),
        needs_days=21.0,
    ),
    "intent": INTENT,
    "intent_tested": replace(
        INTENT,
        what="The same, with one randomised test of paid search.",
        lift_tests=("paid_search",),
    ),
    "saturation": Spec(
        "Each further touch of a campaign adds 0.6 of what the one before did, by account.",
        wear=0.6,
        touch_scale=1.8,
    ),
    "half_null": Spec("Half of the campaigns do nothing.", null_share=0.5),
    "null": Spec("No campaign does anything.", null_share=1.0),
    "sparse": Spec(
        "150 campaigns, most of them with few touches.",
        campaigns=150,
        size_spread=1.2,
        touch_scale=0.5,
    ),
    "day_only": Spec("Times are known to the day only.", day_only=True),
    "seasons": Spec(
        "The baseline has a week, ends of quarters and a summer, and touches follow it by half.",
        days=730.0,
        seasonal=True,
    ),
    "censored": Spec(
        "Accounts become known at any time, effects take long, and the data ends before they do.",
        days=360.0,
        late=True,
        delay_scale=2.5,
        touch_scale=1.5,
    ),
    "renewals": Spec(
        "Customers expand, renew and churn; only first deals and expansions are credited.",
        days=730.0,
        again=True,
        conversion_rate=0.5,
    ),
}
"""Every world by its name."""
