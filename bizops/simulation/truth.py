"""What really happened in a simulated company, kept beside its events."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self

import orjson

from bizops.errors import UsageError

__all__ = ["CampaignTruth", "ChannelTruth", "Organic", "Truth"]


@dataclass(frozen=True)
class CampaignTruth:
    """What a campaign really did.

    Attributes
    ----------
    conversions_per_touch
        First deals that one touch adds in expectation, over all time; 0 for a campaign that does
        nothing.
    half_life_days
        Days in which a touch has had half of its effect.
    touches
        Touches of accounts; strangers' are left out.
    incremental_conversions
        Conversions (first deals and expansions) its touches added in expectation: the integral of
        its part of the rate while the accounts were at risk.
    caused_conversions, caused_iacv
        Those that it did cause, and their IACV in USD: what credit is to be compared with.
    """

    campaign_id: str
    channel: str
    conversions_per_touch: float
    half_life_days: float
    touches: int
    incremental_conversions: float
    caused_conversions: int
    caused_iacv: int


@dataclass(frozen=True)
class ChannelTruth:
    """The sums over a channel's campaigns."""

    channel: str
    half_life_days: float
    touches: int
    incremental_conversions: float
    caused_conversions: int
    caused_iacv: int


@dataclass(frozen=True)
class Organic:
    """What came without any campaign: in expectation, and really."""

    expected_conversions: float
    conversions: int
    iacv: int


@dataclass(frozen=True)
class Truth:
    """The truth about a world.

    Attributes
    ----------
    world_id, first_day, last_day, accounts
        Which world it is; ``last_day`` is the day after the last one.
    campaigns
        In the order of the plan.
    organic
        The baseline.
    causes
        For each conversion's ``event_id`` the touch's that caused it, or None if organic.
    touch_accounts
        For each touch's ``event_id`` the account it really belongs to, None for strangers.
    """

    world_id: str
    first_day: date
    last_day: date
    accounts: int
    campaigns: tuple[CampaignTruth, ...]
    organic: Organic
    causes: dict[str, str | None]
    touch_accounts: dict[str, str | None]

    @property
    def channels(self) -> tuple[ChannelTruth, ...]:
        """Sums by channel, in the order in which the campaigns name them."""
        names = dict.fromkeys(campaign.channel for campaign in self.campaigns)
        return tuple(self._channel(name) for name in names)

    def to_json(self) -> bytes:
        """The truth as JSON, with the sums by channel; the same world gives the same bytes."""
        document = asdict(self) | {"channels": [asdict(channel) for channel in self.channels]}
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        UsageError
            If it is not the truth of a world.
        """
        try:
            fields: dict[str, Any] = orjson.loads(raw)
            del fields["channels"]
            fields |= {
                "first_day": date.fromisoformat(fields["first_day"]),
                "last_day": date.fromisoformat(fields["last_day"]),
                "campaigns": tuple(CampaignTruth(**c) for c in fields["campaigns"]),
                "organic": Organic(**fields["organic"]),
            }
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"not the truth of a simulated world: {error}; "
                "expected the file that `bizops produce simulated` writes"
            ) from None

    def _channel(self, name: str) -> ChannelTruth:
        mine = [campaign for campaign in self.campaigns if campaign.channel == name]
        return ChannelTruth(
            channel=name,
            half_life_days=mine[0].half_life_days,
            touches=sum(c.touches for c in mine),
            incremental_conversions=sum(c.incremental_conversions for c in mine),
            caused_conversions=sum(c.caused_conversions for c in mine),
            caused_iacv=sum(c.caused_iacv for c in mine),
        )
