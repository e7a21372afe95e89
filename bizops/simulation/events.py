"""The events that the producers of a company would publish about all that."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from bizops.events import (
    Account,
    AnyEvent,
    Campaign,
    Identity,
    Opportunity,
    Revenue,
    Spend,
    Touch,
)
from bizops.simulation.accounts import COUNTRIES, INDUSTRIES, Accounts
from bizops.simulation.clock import Calendar
from bizops.simulation.deals import Deal, LostDeal
from bizops.simulation.identities import Fact
from bizops.simulation.plan import CAMPAIGNS, CHANNELS, SEGMENTS, Knobs
from bizops.simulation.touches import Touches

__all__ = ["Dated", "EventMaker"]

SOURCE = "simulated"
CRM_DELAY_DAYS = 0.4
WEB_DELAY_DAYS = 0.002
PAGES = ("/", "/pricing", "/product", "/customers", "/security", "/docs")
PRODUCTS = ("core", "core", "analytics", "platform")
OWNERS = ("Ada Berg", "Ben Okoro", "Clara Silva", "Femi Haas", "Mei Novak", "Omar Diaz")
IMPRESSIONS_PER_CLICK = {"paid_search": 25, "paid_social": 130, "email": 20}

type Dated = tuple[float, AnyEvent]
"""An event and when it is published, in days from the start."""


@dataclass(frozen=True)
class EventMaker:
    """Makes events of one world; each has the delay with which its kind of source publishes."""

    knobs: Knobs
    calendar: Calendar
    rng: np.random.Generator

    def event_id(self, kind: str, number: int, part: str = "") -> str:
        """The id of an event: the same in every run of the same world."""
        return f"{SOURCE}:{self.knobs.world_id}:{kind}:{number:06d}{part and ':' + part}"

    def accounts(self, accounts: Accounts) -> Iterator[Dated]:
        """One event an account, when it becomes a prospect."""
        for i, at in enumerate(accounts.arrived.tolist()):
            yield (
                at,
                Account(
                    **self._head("account", i),
                    occurred_at=self.calendar.moment(at),
                    account_id=accounts.ids[i],
                    name=accounts.names[i],
                    domain=accounts.domains[i],
                    industry=INDUSTRIES[accounts.industry[i]],
                    segment=SEGMENTS[accounts.segment[i]].name,
                    employees=int(accounts.employees[i]),
                    country=COUNTRIES[accounts.country[i]],
                ),
            )

    def campaigns(self, budgets_usd: list[int]) -> Iterator[Dated]:
        """One event a campaign, when it starts."""
        for i, (plan, budget) in enumerate(zip(CAMPAIGNS, budgets_usd, strict=True)):
            opens, closes = self._window(i)
            yield (
                float(opens),
                Campaign(
                    **self._head("campaign", i),
                    occurred_at=self.calendar.moment(opens),
                    campaign_id=plan.campaign_id,
                    name=plan.name,
                    channel=plan.channel,
                    starts_on=self.calendar.day(opens),
                    ends_on=self.calendar.day(closes - 1),
                    budget=Decimal(budget),
                    currency="USD",
                ),
            )

    def spend(self, touches: Touches) -> tuple[list[Dated], list[int]]:
        """What each campaign cost by day, published the day after, and in all (USD).

        Where a platform sells clicks there is something every day, elsewhere on Mondays.
        """
        events: list[Dated] = []
        totals: list[int] = []
        count = np.bincount(touches.campaign, minlength=len(CAMPAIGNS))
        for i, plan in enumerate(CAMPAIGNS):
            opens, closes = self._window(i)
            per_click = IMPRESSIONS_PER_CLICK.get(plan.channel)
            days = list(range(opens, closes))
            if not per_click:
                days = [d for d in days if self.calendar.day(d).weekday() == 0] or days[:1]
            share = self.rng.dirichlet(np.full(len(days), 4.0))
            usd = (50 + CHANNELS[plan.channel].usd_per_touch * count[i]) * self.rng.uniform(
                0.8, 1.2
            )
            cents = np.round(100 * usd * share).astype(np.int64).tolist()
            clicks = self.rng.poisson(3.0 * count[i] * share)
            impressions = self.rng.poisson(clicks * (per_click or 0)).tolist()
            totals.append(sum(cents) // 100)
            for k, (day, click) in enumerate(zip(days, clicks.tolist(), strict=True)):
                reach = {"impressions": impressions[k], "clicks": click} if per_click else {}
                spend = Spend(
                    **self._head("spend", i, f"{self.calendar.day(day)}"),
                    date=self.calendar.day(day),
                    campaign_id=plan.campaign_id,
                    channel=plan.channel,
                    amount=Decimal(cents[k]) / 100,
                    currency="USD",
                    **reach,
                )
                events.append((day + 1.1, spend))
        return events, totals

    def touches(self, touches: Touches, carried: list[dict[str, str]]) -> Iterator[Dated]:
        """One event a touch; the web's arrive at once, the CRM's after some hours."""
        n = len(touches)
        picks = self.rng.integers(12, size=n).tolist()
        delays = self.rng.exponential(1.0, n).tolist()
        for i, (at, campaign, fields) in enumerate(
            zip(touches.at.tolist(), touches.campaign.tolist(), carried, strict=True)
        ):
            plan = CAMPAIGNS[campaign]
            channel = CHANNELS[plan.channel]
            crm = CRM_DELAY_DAYS if channel.day_only else WEB_DELAY_DAYS
            touch = Touch(
                **self._head("touch", i),
                **self.calendar.when(at, day_only=channel.day_only),
                **fields,
                channel=plan.channel,
                campaign_id=plan.campaign_id,
                touch_type=channel.touch_type,
                **_details(plan.campaign_id, plan.channel, picks[i]),
            )
            yield at + delays[i] * crm, touch

    def identities(self, facts: list[Fact]) -> Iterator[Dated]:
        """One event a fact."""
        for i, fact in enumerate(facts):
            event = Identity(
                **self._head("identity", i),
                occurred_at=self.calendar.moment(fact.at),
                **fact.identifiers,
            )
            yield fact.at + self.rng.exponential(0.1), event

    def deals(
        self, deals: list[Deal], accounts: Accounts, leads: list[str | None]
    ) -> Iterator[Dated]:
        """Revenue, with the history of its opportunity where something was sold.

        ``leads`` has the lead of each account, or None.
        """
        for i, deal in enumerate(deals):
            lead = leads[deal.account]
            opportunity = f"O{self.knobs.world_id}-{i:06d}" if deal.opened is not None else None
            if opportunity is not None and deal.opened is not None:
                yield from self._history(
                    "opportunity", i, opportunity, deal.opened, deal.at, deal.iacv_usd,
                    accounts.ids[deal.account], lead, "won", deal.day_only,
                )  # fmt: skip
            term = {"term_months": deal.term_months} if deal.kind in ("new", "renewal") else {}
            tcv = Decimal(round(deal.arr_usd * deal.term_months / 12)) if term else None
            revenue = Revenue(
                **self._head("revenue", i),
                **self.calendar.when(deal.at, day_only=deal.day_only),
                account_id=accounts.ids[deal.account],
                kind=deal.kind,
                iacv=Decimal(deal.iacv_usd),
                currency="USD",
                opportunity_id=opportunity,
                lead_id=lead,
                arr=Decimal(deal.arr_usd),
                tcv=tcv,
                product=PRODUCTS[deal.account % len(PRODUCTS)],
                **term,
            )
            yield deal.at + self.rng.exponential(CRM_DELAY_DAYS), revenue

    def lost_deals(
        self, lost: list[LostDeal], accounts: Accounts, leads: list[str | None]
    ) -> Iterator[Dated]:
        """The history of the opportunities that came to nothing, or are open still."""
        for i, deal in enumerate(lost):
            yield from self._history(
                "lost_opportunity", i, f"X{self.knobs.world_id}-{i:06d}", deal.opened, deal.closed,
                deal.amount_usd, accounts.ids[deal.account], leads[deal.account], "lost", False,
            )  # fmt: skip

    def _history(
        self, kind: str, number: int, opportunity: str, opened: float, closed: float, amount: int,
        account: str, lead: str | None, outcome: str, day_only: bool,
    ) -> Iterator[Dated]:  # fmt: skip
        stages = ("created", "qualified", "proposal", outcome)
        length = closed - opened
        for stage, share in zip(stages, (0.0, 0.3, 0.7, 1.0), strict=True):
            at = opened + share * length
            if at >= self.knobs.days:
                return
            closes = stage == outcome
            event = Opportunity(
                **self._head(kind, number, stage),
                **self.calendar.when(at, day_only=day_only and closes),
                opportunity_id=opportunity,
                account_id=account,
                stage=stage,
                amount=Decimal(amount),
                currency="USD",
                outcome=outcome if closes else "open",
                owner=OWNERS[number % len(OWNERS)],
                lead_id=lead,
            )
            yield at + self.rng.exponential(CRM_DELAY_DAYS), event

    def _head(self, kind: str, number: int, part: str = "") -> dict[str, Any]:
        return {"event_id": self.event_id(kind, number, part), "source": SOURCE}

    def _window(self, campaign: int) -> tuple[int, int]:
        plan = CAMPAIGNS[campaign]
        opens = int(plan.opens * self.knobs.days)
        return opens, max(opens + 1, int(plan.closes * self.knobs.days))


def _details(campaign_id: str, channel: str, pick: int) -> dict[str, Any]:
    """What else a source says about a touch; ``pick`` is 0 to 11."""
    if channel in ("webinar", "event"):
        return {"collateral_id": f"{campaign_id}-slides"} if pick < 3 else {}
    if channel == "content":
        return {
            "collateral_id": f"{campaign_id}-{pick % 3 + 1}",
            "utm_source": "website",
            "properties": {"page": PAGES[pick % len(PAGES)]},
        }
    if channel == "email":
        return {"creative_id": f"{campaign_id}-{pick % 4 + 1}", "utm_medium": "email"}
    return {
        "creative_id": f"{campaign_id}-{pick % 4 + 1}",
        "utm_source": "search" if channel == "paid_search" else "social",
        "utm_medium": "cpc",
        "utm_campaign": campaign_id,
        "properties": {"page": PAGES[pick % len(PAGES)]},
    }
