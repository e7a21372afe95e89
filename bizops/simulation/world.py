"""One simulated company: drawn step by step, then told as events, with the truth beside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bizops.events import AnyEvent
from bizops.simulation.accounts import Accounts, Persons, draw_accounts, draw_persons
from bizops.simulation.clock import Calendar
from bizops.simulation.conversions import (
    EFFECTS,
    HALF_LIVES,
    draw_expansions,
    draw_first_deals,
    expected_effects,
    expected_organic,
)
from bizops.simulation.deals import (
    Deal,
    LostDeal,
    draw_contracts,
    draw_deals,
    draw_lost_deals,
)
from bizops.simulation.events import Dated, EventMaker
from bizops.simulation.identities import (
    Fact,
    draw_facts,
    identifiers_of_touches,
    known_from,
    lead_id,
)
from bizops.simulation.plan import CAMPAIGNS, FIRST_DAY, Knobs
from bizops.simulation.touches import (
    STRANGERS,
    Touches,
    after_the_sale,
    draw_touches,
    intent_touches,
    stranger_touches,
)
from bizops.simulation.truth import CampaignTruth, Organic, Truth

__all__ = ["World", "simulate"]

FloatArray = NDArray[np.float64]
CONVERSIONS = ("new", "expansion")


@dataclass(frozen=True)
class World:
    """The events of a company in the order in which they are published, and the truth."""

    events: list[AnyEvent]
    truth: Truth


@dataclass(frozen=True)
class History:
    """What happened, before anybody recorded it."""

    accounts: Accounts
    persons: Persons
    touches: Touches
    deals: list[Deal]
    lost: list[LostDeal]
    bought: FloatArray
    churned: FloatArray


def simulate(
    seed: int = 7,
    accounts: int = 3_000,
    months: int = 24,
    *,
    first_day: date = FIRST_DAY,
    effect_scale: float = 1.0,
    propensity: float = 0.0,
    hidden_intent: float = 0.0,
    day_only_share: float = 0.4,
) -> World:
    """Simulate a company; the same arguments always give the same bytes.

    Parameters
    ----------
    seed, accounts, months, first_day, effect_scale, propensity, hidden_intent, day_only_share
        As in :class:`bizops.simulation.plan.Knobs`.

    Returns
    -------
    About 33 events an account in 24 months (and 8,000 of spend), in order of publication: times are
    nearly in order, and what the CRM says comes hours to days late.

    Raises
    ------
    UsageError
        If an argument is out of its range.

    Examples
    --------
    >>> world = simulate(accounts=20, months=3)
    >>> sum(event.type == "account" for event in world.events)
    20
    """
    knobs = Knobs(
        seed, accounts, months, first_day, effect_scale, propensity, hidden_intent, day_only_share
    )
    streams = iter(np.random.default_rng(seed).spawn(12))
    history = _live(knobs, streams)
    maker = EventMaker(knobs, Calendar(first_day), next(streams))
    carried, facts, leads = _record(knobs, history, next(streams))
    spend, totals = maker.spend(history.touches)
    budgets = [max(1_000, -(-total * 11 // 10_000) * 1_000) for total in totals]
    dated: list[Dated] = [
        *maker.accounts(history.accounts),
        *maker.campaigns(budgets),
        *spend,
        *maker.touches(history.touches, carried),
        *maker.identities(facts),
        *maker.deals(history.deals, history.accounts, leads),
        *maker.lost_deals(history.lost, history.accounts, leads),
    ]
    dated.sort(key=lambda pair: (pair[0], pair[1].event_id))
    return World([event for _, event in dated], _truth(knobs, history, maker))


def _live(knobs: Knobs, streams: Iterator[np.random.Generator]) -> History:
    accounts = draw_accounts(knobs, next(streams))
    persons = draw_persons(accounts, next(streams))
    touches = draw_touches(knobs, accounts, persons, next(streams))
    first = draw_first_deals(knobs, accounts, touches, next(streams))
    bought = np.full(knobs.accounts, np.inf)
    bought[first.account] = first.at
    organic = np.zeros(knobs.accounts, dtype=bool)
    organic[first.account] = first.touch < 0

    rng = next(streams)
    contracts = draw_contracts(knobs, accounts, bought, rng)
    intent = intent_touches(bought, organic, accounts, persons, knobs, rng)
    touches = Touches.joined([touches, intent])
    touches, number = after_the_sale(touches, bought, contracts.churned, rng)
    first = replace(first, touch=number[first.touch])

    expansions = draw_expansions(knobs, accounts, touches, bought, contracts.churned, next(streams))
    rng = next(streams)
    strangers = stranger_touches(round(STRANGERS * len(touches)), knobs, rng)
    touches = Touches.joined([touches, strangers])
    touches, number = touches.kept(np.ones(len(touches), dtype=bool))
    first = replace(first, touch=number[first.touch])
    expansions = replace(expansions, touch=number[expansions.touch])
    return History(
        accounts=accounts,
        persons=persons,
        touches=touches,
        deals=draw_deals(knobs, accounts, contracts, first, expansions, rng),
        lost=draw_lost_deals(knobs, accounts, bought, rng),
        bought=bought,
        churned=contracts.churned,
    )


def _record(
    knobs: Knobs, history: History, rng: np.random.Generator
) -> tuple[list[dict[str, str]], list[Fact], list[str | None]]:
    """What touches carry, the facts that link it, and the lead of each account (None without)."""
    accounts, persons, touches = history.accounts, history.persons, history.touches
    opened = np.full(knobs.accounts, np.inf)
    for deal in history.deals:
        if deal.opened is not None:
            opened[deal.account] = min(opened[deal.account], deal.opened)
    for lost in history.lost:
        opened[lost.account] = min(opened[lost.account], lost.opened)
    known = known_from(knobs, accounts, persons, touches, opened, rng)
    carried = identifiers_of_touches(knobs, accounts, persons, touches, known, rng)
    facts = draw_facts(knobs, accounts, persons, touches, known, carried, rng)
    earliest = np.lexsort((known, persons.account))[persons.first]
    leads = [
        lead_id(knobs, int(person)) if np.isfinite(known[person]) else None for person in earliest
    ]
    return carried, facts, leads


def _truth(knobs: Knobs, history: History, maker: EventMaker) -> Truth:
    touches = history.touches
    ours = touches.account >= 0
    effects = np.zeros(len(touches))
    effects[ours] = expected_effects(
        knobs, history.accounts, touches[ours], history.bought, history.churned
    )
    won = [(i, deal) for i, deal in enumerate(history.deals) if deal.kind in CONVERSIONS]
    caused = [deal for _, deal in won if deal.touch >= 0]
    campaign = touches.campaign[np.array([deal.touch for deal in caused], dtype=np.int64)]
    n = len(CAMPAIGNS)
    conversions = np.bincount(campaign, minlength=n)
    iacv = np.bincount(campaign, [deal.iacv_usd for deal in caused], minlength=n)
    incremental = np.bincount(touches.campaign, effects, minlength=n)
    counts = np.bincount(touches.campaign[ours], minlength=n)
    return Truth(
        world_id=knobs.world_id,
        first_day=knobs.first_day,
        last_day=knobs.last_day,
        accounts=knobs.accounts,
        campaigns=tuple(
            CampaignTruth(
                campaign_id=plan.campaign_id,
                channel=plan.channel,
                conversions_per_touch=float(knobs.effect_scale * EFFECTS[i]),
                half_life_days=float(HALF_LIVES[i]),
                touches=int(counts[i]),
                incremental_conversions=float(incremental[i]),
                caused_conversions=int(conversions[i]),
                caused_iacv=int(iacv[i]),
            )
            for i, plan in enumerate(CAMPAIGNS)
        ),
        organic=Organic(
            expected_conversions=expected_organic(
                knobs, history.accounts, history.bought, history.churned
            ),
            conversions=sum(deal.touch < 0 for _, deal in won),
            iacv=sum(deal.iacv_usd for _, deal in won if deal.touch < 0),
        ),
        causes={
            maker.event_id("revenue", i): (
                maker.event_id("touch", deal.touch) if deal.touch >= 0 else None
            )
            for i, deal in won
        },
        touch_accounts={
            maker.event_id("touch", i): history.accounts.ids[account] if account >= 0 else None
            for i, account in enumerate(touches.account.tolist())
        },
    )
