"""The simulated company: the same every time, valid, and true to what it says caused what."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from bizops.errors import UsageError
from bizops.events import AnyEvent, Revenue, Touch, parse_event
from bizops.simulation import Truth, World, simulate
from bizops.simulation.plan import Knobs

CONVERSIONS = ("new", "expansion")


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(accounts=300)


def conversions(world: World) -> list[Revenue]:
    return [e for e in world.events if isinstance(e, Revenue) and e.kind in CONVERSIONS]


def touches(world: World) -> dict[str, Touch]:
    return {e.event_id: e for e in world.events if isinstance(e, Touch)}


def bytes_of(world: World) -> list[bytes]:
    return [event.to_json() for event in world.events]


def test_same_seed_same_bytes() -> None:
    one, other = simulate(seed=3, accounts=40, months=6), simulate(seed=3, accounts=40, months=6)
    assert bytes_of(one) == bytes_of(other)
    assert one.truth.to_json() == other.truth.to_json()


@pytest.mark.parametrize("turned", [{"seed": 4}, {"accounts": 41}, {"effect_scale": 2}])
def test_other_worlds_share_no_id(turned: dict[str, int]) -> None:
    knobs = {"seed": 3, "accounts": 40, "months": 6}
    one, other = simulate(**knobs), simulate(**(knobs | turned))
    assert not {e.event_id for e in one.events} & {e.event_id for e in other.events}


def test_default_ids_name_the_seed_only() -> None:
    assert Knobs().world_id == "7"
    assert Knobs(seed=8).world_id == "8"
    assert Knobs(accounts=60).world_id.startswith("7-")


def test_events_are_valid_and_ids_unique(world: World) -> None:
    assert len({event.event_id for event in world.events}) == len(world.events)
    for event in world.events[::7]:
        assert parse_event(event.to_json()) == event


def test_counts_are_sane(world: World) -> None:
    count = Counter(event.type for event in world.events)
    assert count["account"] == 300
    assert count["campaign"] == 24
    assert 4_000 < count["touch"] < 12_000
    assert 6_000 < count["spend"] < 10_000
    assert 500 < count["identity"] < 1_500
    assert 120 < len(conversions(world)) < 300
    kinds = Counter(e.kind for e in world.events if isinstance(e, Revenue))
    assert set(kinds) == {"new", "expansion", "renewal", "contraction", "churn"}
    day_only = np.mean([e.day_only for e in conversions(world)])
    assert 0.3 < day_only < 0.5


def test_nothing_is_outside_the_time(world: World) -> None:
    truth = world.truth
    assert (truth.first_day, truth.last_day) == (date(2024, 1, 1), date(2026, 1, 1))
    for event in world.events:
        moment = getattr(event, "moment", None)
        if moment is not None:
            assert truth.first_day <= moment.date() < truth.last_day, event


def test_nobody_is_touched_or_buys_before_being_a_prospect(world: World) -> None:
    arrived = {e.account_id: e.moment for e in world.events if e.type == "account"}
    for event in touches(world).values():
        account = world.truth.touch_accounts[event.event_id]
        if account is not None:
            assert event.moment > arrived[account]
    for deal in conversions(world):
        assert deal.moment.date() >= arrived[deal.account_id].date()


def test_campaigns_with_own_touches_keep_to_their_time(world: World) -> None:
    runs = {e.campaign_id: e for e in world.events if e.type == "campaign"}
    for touch in touches(world).values():
        campaign = runs[touch.campaign_id]
        assert campaign.starts_on is not None
        assert campaign.ends_on is not None
        assert campaign.starts_on <= touch.moment.date() <= campaign.ends_on


def test_the_order_is_nearly_that_of_time(world: World) -> None:
    moments = [e.moment.timestamp() for e in world.events if e.type in ("touch", "revenue")]
    assert moments != sorted(moments)
    late = np.maximum.accumulate(moments) - moments
    assert np.quantile(late, 0.99) < 3 * 86_400


def test_truth_adds_up(world: World) -> None:
    truth, deals = world.truth, conversions(world)
    caused = sum(c.caused_conversions for c in truth.campaigns)
    assert caused + truth.organic.conversions == len(deals) == len(truth.causes)
    iacv = sum(c.caused_iacv for c in truth.campaigns) + truth.organic.iacv
    assert iacv == sum(deal.iacv for deal in deals)
    assert [
        sum(getattr(c, what) for c in truth.channels) for what in ("touches", "caused_iacv")
    ] == [sum(getattr(c, what) for c in truth.campaigns) for what in ("touches", "caused_iacv")]
    assert set(truth.causes) == {deal.event_id for deal in deals}
    assert set(truth.touch_accounts) == set(touches(world))


def test_causes_come_before_what_they_cause(world: World) -> None:
    known = touches(world)
    for deal in conversions(world):
        cause = world.truth.causes[deal.event_id]
        if cause is None:
            continue
        touch = known[cause]
        assert world.truth.touch_accounts[cause] == deal.account_id
        if touch.day_only or deal.day_only:
            assert touch.moment.date() <= deal.moment.date()
        else:
            assert touch.moment <= deal.moment


def test_causes_by_campaign_are_the_truth_of_campaigns(world: World) -> None:
    known = touches(world)
    counted = Counter(known[c].campaign_id for c in world.truth.causes.values() if c is not None)
    for campaign in world.truth.campaigns:
        assert counted[campaign.campaign_id] == campaign.caused_conversions
        if campaign.conversions_per_touch == 0:
            assert campaign.caused_conversions == campaign.incremental_conversions == 0


def test_a_third_of_campaigns_do_nothing(world: World) -> None:
    assert sum(c.conversions_per_touch == 0 for c in world.truth.campaigns) == 8


@pytest.mark.parametrize("propensity", [0.0, 0.5])
def test_realised_is_expected_up_to_poisson_noise(propensity: float) -> None:
    worlds = [simulate(seed, accounts=250, propensity=propensity).truth for seed in (1, 2)]
    for channel in range(6):
        really = sum(w.channels[channel].caused_conversions for w in worlds)
        expected = sum(w.channels[channel].incremental_conversions for w in worlds)
        assert abs(really - expected) < 4 * np.sqrt(expected), worlds[0].channels[channel].channel
    organic = [
        sum(getattr(w.organic, k) for w in worlds) for k in ("conversions", "expected_conversions")
    ]
    assert abs(organic[0] - organic[1]) < 4 * np.sqrt(organic[1])


def test_a_company_where_nothing_works() -> None:
    truth = simulate(accounts=100, effect_scale=0).truth
    assert {c.caused_conversions for c in truth.campaigns} == {0}
    assert truth.organic.conversions > 10


def test_hidden_intent_puts_searches_before_organic_deals() -> None:
    def searches(intent: float) -> int:
        world = simulate(accounts=150, hidden_intent=intent)
        found = 0
        by_account: dict[str, list[Touch]] = {}
        for touch in touches(world).values():
            account = world.truth.touch_accounts[touch.event_id]
            if touch.campaign_id == "search-brand" and account is not None:
                by_account.setdefault(account, []).append(touch)
        for deal in conversions(world):
            if deal.kind == "new" and world.truth.causes[deal.event_id] is None:
                found += any(
                    0 <= (deal.moment - t.moment).days <= 10
                    for t in by_account.get(deal.account_id, [])
                )
        return found

    assert searches(1.0) > 5 * searches(0.0)


def test_contract_values_follow_from_their_changes(world: World) -> None:
    by_account: dict[str, list[Revenue]] = {}
    for event in sorted(
        (e for e in world.events if isinstance(e, Revenue)), key=lambda e: e.event_id
    ):
        by_account.setdefault(event.account_id, []).append(event)
    for deals in by_account.values():
        assert [deal.kind for deal in deals].count("new") == 1
        assert deals[0].kind == "new"
        total = 0
        for deal in deals:
            total += deal.iacv
            assert deal.arr == total
        assert "churn" not in [deal.kind for deal in deals[:-1]]
        assert (total == 0) == (deals[-1].kind == "churn")


def test_opportunities_are_won_with_their_revenue(world: World) -> None:
    outcome = {
        e.opportunity_id: e
        for e in world.events
        if e.type == "opportunity" and e.outcome in ("won", "lost")
    }
    for deal in conversions(world):
        assert deal.opportunity_id is not None
        won = outcome[deal.opportunity_id]
        assert won.outcome == "won"
        assert (won.amount, won.occurred_at, won.occurred_on) == (
            deal.iacv,
            deal.occurred_at,
            deal.occurred_on,
        )
    assert sum(e.outcome == "lost" for e in outcome.values()) > 20


def test_truth_survives_json(world: World) -> None:
    assert Truth.from_json(world.truth.to_json()) == world.truth


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"channels": []}'])
def test_other_json_is_no_truth(raw: bytes) -> None:
    with pytest.raises(UsageError, match="not the truth of a simulated world"):
        Truth.from_json(raw)


@pytest.mark.parametrize(("accounts", "months"), [(1, 1), (2, 2), (30, 1)])
def test_tiny_worlds(accounts: int, months: int) -> None:
    events: list[AnyEvent] = simulate(accounts=accounts, months=months).events
    assert sum(event.type == "account" for event in events) == accounts


@pytest.mark.parametrize(
    "turned", [{"accounts": 0}, {"months": 0}, {"seed": -1}, {"effect_scale": -1.0}]
)
def test_impossible_worlds_are_refused(turned: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=f"simulated: {next(iter(turned))} is .*; expected"):
        simulate(**turned)
