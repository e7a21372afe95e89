"""What the simulated company is like, as data: segments, channels, campaigns, seasons."""

import hashlib
from dataclasses import dataclass, fields
from datetime import date, timedelta

from bizops.errors import UsageError

__all__ = ["CAMPAIGNS", "CHANNELS", "SEASONS", "SEGMENTS", "CampaignPlan", "Knobs"]

FIRST_DAY = date(2024, 1, 1)


@dataclass(frozen=True)
class Segment:
    """A kind of account; rates are per day, IACV is log-normal around its median."""

    name: str
    share: float
    activity: float
    organic_new_per_day: float
    organic_expansion_per_day: float
    median_iacv_usd: float
    sigma_iacv: float
    persons: tuple[float, ...]
    employees: tuple[int, int]
    terms_months: tuple[int, ...]
    churn_at_renewal: float
    sales_cycle_days: float


@dataclass(frozen=True)
class Channel:
    """How touches of a channel wear off, what they cost and how they are recorded.

    ``records`` are the shares of touches that carry each identifier; ``web`` touches of a person
    nobody knows yet carry the anonymous one whatever the shares.
    """

    name: str
    half_life_days: float
    usd_per_touch: float
    touch_type: str
    web: bool
    day_only: bool
    records: dict[str, float]


@dataclass(frozen=True)
class CampaignPlan:
    """A campaign: when it runs (in shares of the whole time), whom it reaches, what it adds.

    ``reach`` is the touches of an average account in 30 days, or at one session where the campaign
    has ``sessions_per_year``; 0 where touches only follow others. ``effect`` is the conversions
    that one touch adds in expectation.
    """

    campaign_id: str
    name: str
    channel: str
    opens: float
    closes: float
    reach: float
    effect: float
    sessions_per_year: float = 0.0
    follows: str = ""


SEGMENTS = (
    Segment(
        name="smb",
        share=0.55,
        activity=0.8,
        organic_new_per_day=0.00052,
        organic_expansion_per_day=0.0005,
        median_iacv_usd=9_000,
        sigma_iacv=0.55,
        persons=(0.55, 0.3, 0.1, 0.05),
        employees=(10, 200),
        terms_months=(12,),
        churn_at_renewal=0.2,
        sales_cycle_days=14,
    ),
    Segment(
        name="mid_market",
        share=0.32,
        activity=1.1,
        organic_new_per_day=0.00038,
        organic_expansion_per_day=0.0008,
        median_iacv_usd=32_000,
        sigma_iacv=0.55,
        persons=(0.2, 0.4, 0.25, 0.15),
        employees=(200, 2_000),
        terms_months=(12, 12, 24),
        churn_at_renewal=0.12,
        sales_cycle_days=35,
    ),
    Segment(
        name="enterprise",
        share=0.13,
        activity=1.6,
        organic_new_per_day=0.00024,
        organic_expansion_per_day=0.0011,
        median_iacv_usd=95_000,
        sigma_iacv=0.6,
        persons=(0.05, 0.2, 0.35, 0.4),
        employees=(2_000, 40_000),
        terms_months=(12, 24, 36),
        churn_at_renewal=0.07,
        sales_cycle_days=70,
    ),
)

_WEB = {"anonymous_id": 0.7, "anonymous_id+email": 0.15, "anonymous_id+lead_id": 0.15}
CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("paid_search", 3.0, 55.0, "ad_click", True, False, _WEB),
        Channel("paid_social", 6.0, 30.0, "ad_click", True, False, _WEB),
        Channel("content", 12.0, 25.0, "web_visit", True, False, _WEB),
        Channel("email", 4.0, 2.0, "email_click", False, False, {"email": 0.7, "lead_id": 0.3}),
        Channel(
            "webinar", 20.0, 130.0, "webinar_attended", False, True, {"lead_id": 0.6, "email": 0.4}
        ),
        Channel(
            "event",
            30.0,
            600.0,
            "event_attended",
            False,
            True,
            {"account_id": 0.5, "lead_id": 0.3, "account_id+lead_id": 0.2},
        ),
    )
}

CAMPAIGNS = (
    CampaignPlan("search-brand", "Search: our own name", "paid_search", 0, 1, 0.08, 0),
    CampaignPlan("search-solution", "Search: the solution", "paid_search", 0, 1, 0.06, 0.08),
    CampaignPlan("search-competitors", "Search: competitors", "paid_search", 0.25, 0.9, 0.05, 0.04),
    CampaignPlan("search-generic", "Search: broad terms", "paid_search", 0.1, 0.6, 0.06, 0),
    CampaignPlan(
        "social-retargeting", "Social: retargeting", "paid_social", 0, 1, 0, 0, follows="web"
    ),
    CampaignPlan("social-video", "Social: video", "paid_social", 0.3, 0.7, 0.10, 0.008),
    CampaignPlan("social-lead-forms", "Social: lead forms", "paid_social", 0.4, 1, 0.07, 0.04),
    CampaignPlan("social-lookalike", "Social: lookalikes", "paid_social", 0, 0.5, 0.08, 0),
    CampaignPlan(
        "email-nurture", "E-mail: nurture after a visit", "email", 0, 1, 0, 0.0005, follows="any"
    ),
    CampaignPlan("email-newsletter", "E-mail: newsletter", "email", 0, 1, 0.13, 0),
    CampaignPlan("email-launch", "E-mail: product launch", "email", 0.5, 0.75, 0.20, 0.015),
    CampaignPlan("email-outreach", "E-mail: cold outreach", "email", 0, 0.6, 0.12, 0.006),
    CampaignPlan("webinar-roi", "Webinar: return on it", "webinar", 0, 1, 0.03, 0.16, 10),
    CampaignPlan("webinar-security", "Webinar: security", "webinar", 0.2, 0.8, 0.03, 0.09, 8),
    CampaignPlan("webinar-customers", "Webinar: customers", "webinar", 0.1, 1, 0.03, 0.03, 8),
    CampaignPlan("webinar-tour", "Webinar: product tour", "webinar", 0, 0.9, 0.03, 0, 12),
    CampaignPlan("event-trade-fair", "Trade fair", "event", 0.1, 0.9, 0.05, 0.24, 2),
    CampaignPlan("event-roadshow", "Roadshow", "event", 0.3, 0.8, 0.03, 0.12, 6),
    CampaignPlan("event-dinners", "Dinners for executives", "event", 0, 1, 0.012, 0.30, 6),
    CampaignPlan("event-sponsoring", "Sponsored conference", "event", 0.2, 1, 0.06, 0, 2),
    CampaignPlan("content-comparison", "Comparison guide", "content", 0, 1, 0.06, 0.06),
    CampaignPlan("content-calculator", "Savings calculator", "content", 0.35, 1, 0.05, 0.04),
    CampaignPlan("content-blog", "Blog", "content", 0, 1, 0.13, 0.003),
    CampaignPlan("content-podcast", "Podcast", "content", 0.15, 0.85, 0.06, 0),
)

SEASONS = (1.0, 1.05, 1.1, 1.05, 1.0, 1.0, 0.75, 0.7, 1.05, 1.15, 1.15, 0.8)
"""The organic rate in each month of the year, relative to its mean."""

EXPANSION_EFFECT = 0.5
"""What a touch adds to expansions of a customer, relative to what it adds to a first deal."""


@dataclass(frozen=True)
class Knobs:
    """What may be turned.

    Attributes
    ----------
    seed
        Of all random numbers.
    accounts, months, first_day
        How many accounts, for how long, from when.
    effect_scale
        Multiplies every effect; 0 is a company where nothing works.
    propensity
        Exponent of the account's own activity on its organic rate and effects alike; 0 is none.
    hidden_intent
        Share of organic first deals that are preceded by searches for our own name, which add
        nothing: people who had decided already.
    day_only_share
        Share of conversions of which the CRM knows only the day.
    """

    seed: int = 7
    accounts: int = 3_000
    months: int = 24
    first_day: date = FIRST_DAY
    effect_scale: float = 1.0
    propensity: float = 0.0
    hidden_intent: float = 0.0
    day_only_share: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what no world can be made of.

        Raises
        ------
        UsageError
            If a knob is out of its range.
        """
        for name, low, high in (
            ("seed", 0, 2**63 - 1),
            ("accounts", 1, 1_000_000),
            ("months", 1, 120),
            ("effect_scale", 0, 10),
            ("propensity", -2, 2),
            ("hidden_intent", 0, 1),
            ("day_only_share", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"simulated: {name} is {value}; expected {low} to {high}")

    @property
    def last_day(self) -> date:
        """The day after the last one simulated."""
        month = self.first_day.month - 1 + self.months
        return date(self.first_day.year + month // 12, month % 12 + 1, 1) + timedelta(
            self.first_day.day - 1
        )

    @property
    def days(self) -> int:
        """Length of the simulated time."""
        return (self.last_day - self.first_day).days

    @property
    def world_id(self) -> str:
        """Names the world in all its identifiers: the seed, and a digest of knobs that differ."""
        turned = [
            f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
            if field.name != "seed" and getattr(self, field.name) != field.default
        ]
        digest = hashlib.blake2b(",".join(turned).encode(), digest_size=3).hexdigest()
        return f"{self.seed}-{digest}" if turned else str(self.seed)
