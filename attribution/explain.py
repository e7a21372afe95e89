"""One account explained: who gets its deals, what is expected of it, what it cost and is worth."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.credit import BASELINE, share_draws
from attribution.customers import ask, load_customers, retention_years
from attribution.features import build_terms
from attribution.journeys import US_PER_DAY, Journeys, load_journeys
from attribution.one_account import (
    Prices,
    as_interval,
    choose_currency,
    find_account,
    find_model,
    load_prices,
)
from attribution.outlook import EPOCH, Outlook, known_until, load_outlook
from attribution.pairs import Pairs, counted_pairs
from attribution.risk import CUSTOMER, FORMER, PROSPECT
from attribution.runs import Run
from bizops.database import Connection

__all__ = ["STATES", "account_worth", "explain"]

FloatArray = NDArray[np.float64]

AHEAD_DAYS = 90.0
STATES = {PROSPECT: "prospect", CUSTOMER: "customer", FORMER: "former customer"}
US_PER_YEAR = 365.25 * US_PER_DAY
SAME = 1e-6  # shares closer than this are the same


def explain(
    connection: Connection,
    account: str,
    *,
    margin: float | None = None,
    currency: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Explain one account by the published run's model, from its timeline as it is now.

    Parameters
    ----------
    account
        Its id, name or domain.
    margin
        Share of IACV left after the cost of serving it; LTV needs it.
    currency
        Of the amounts, where there are several.
    seed
        Of the doubt of retention.

    Returns
    -------
    As docs/worth.md has it; what cannot be known is None.

    Raises
    ------
    UsageError
        If there is no such account, no event of it, no run, no model, or no such currency.
    """
    account_id = find_account(connection, account)
    run, kept = find_model(connection)
    currency = choose_currency(connection, currency)
    outlook = load_outlook(connection, run, kept, account_id) if kept else None
    journeys = outlook.journeys if outlook else load_journeys(connection, [account_id])
    at = known_until(run, journeys, account_id)
    channels = {channel for channel, _ in journeys.units}
    prices = load_prices(connection, channels, currency)
    pairs = _pairs(journeys)
    shares = _shares(journeys, pairs, outlook)
    names = ask(connection, "account_name", {"account_id": account_id})
    customers = load_customers(connection, run.run_id, at, currency)
    retention = retention_years(customers, 2_000, np.random.default_rng(seed))
    return {
        "account_id": account_id,
        "name": names[0][0] if names else None,
        "segment": journeys.segments[int(journeys.segment[0])],
        "run_id": run.run_id,
        "as_of": at,
        "currency": currency,
        "outlook": _outlook(outlook),
        "conversions": _conversions(connection, run, journeys, pairs, shares, prices),
        "acquired_by": _acquired_by(journeys, pairs, shares),
        "cost": _cost(journeys, pairs, prices),
        "worth": account_worth(journeys, at, currency, margin, retention),
    }


def account_worth(
    journeys: Journeys,
    at: datetime,
    currency: str | None,
    margin: float | None,
    retention: FloatArray | None,
) -> dict[str, Any] | None:
    """What one account came to, and with what is still to come; None where nothing was sold.

    Its annual value is what its revenue events add up to, nothing once it is lost. LTV is margin x
    (what that was worth in the years until now + annual value x average retention): that it has
    stayed so long says nothing of how long it still will, as losses are taken to be Poisson.
    """
    revenue = journeys.revenue
    rows = np.flatnonzero(revenue.currency == currency)
    if not len(rows):
        return None
    iacv, kind = revenue.iacv[rows].astype(np.float64), revenue.kind[rows]
    annual, value = np.zeros(len(rows)), 0.0
    for row in range(len(rows)):
        value = 0.0 if kind[row] == "churn" else value + iacv[row]
        annual[row] = value
    end = (at - EPOCH) / timedelta(microseconds=1)
    years = np.diff(revenue.time_us[rows].astype(np.float64), append=end) / US_PER_YEAR
    earned = float((annual * np.maximum(years, 0.0)).sum())
    ltv = None
    if margin is not None and value <= 0:
        ltv = as_interval(np.full(1, margin * earned))
    elif margin is not None and retention is not None:
        ltv = as_interval(margin * (earned + value * retention))
    won = np.isin(kind.astype(str), ("new", "expansion")) & (iacv > 0)
    return {
        "iacv_won": float(iacv[won].sum()),
        "annual_value": value,
        "earned_so_far": earned,
        "margin": margin,
        "ltv": ltv,
    }


def _pairs(journeys: Journeys) -> Pairs:
    conversions = journeys.conversions
    return counted_pairs(
        journeys.touches, conversions.account, conversions.time_us, conversions.day_only
    )


def _shares(
    journeys: Journeys, pairs: Pairs, outlook: Outlook | None
) -> tuple[FloatArray, FloatArray]:
    """Draws of the shares of touches and baselines, ``(draw, pair)`` and ``(draw, conversion)``."""
    if outlook is None:
        return np.zeros((1, len(pairs))), np.ones((1, len(journeys.conversions)))
    kept = outlook.kept
    terms = build_terms(journeys, kept.channels, kept.baselines, kept.first, kept.knots)
    draws = list(share_draws(terms, journeys.touches.unit, kept.posterior))
    return np.stack([share for share, _ in draws]), np.stack([base for _, base in draws])


def _outlook(outlook: Outlook | None) -> dict[str, Any] | None:
    """What is expected of it in the next days; None without a model."""
    if outlook is None:
        return None
    anyway = outlook.comes_anyway(AHEAD_DAYS)
    added = outlook.touches_still_add(AHEAD_DAYS)
    return {
        "days": AHEAD_DAYS,
        "state": STATES[outlook.state],
        "state_buys": outlook.at_risk,
        "activity_z": outlook.z,
        "rate_multiplier": as_interval(outlook.rate_multiplier),
        "baseline_per_day": as_interval(outlook.comes_anyway(1.0)),
        "comes_anyway": as_interval(anyway),
        "touches_still_add": as_interval(added),
        "conversions": as_interval(anyway + added),
    }


def _conversions(
    connection: Connection,
    run: Run,
    journeys: Journeys,
    pairs: Pairs,
    shares: tuple[FloatArray, FloatArray],
    prices: Prices,
) -> list[dict[str, Any]]:
    conversions = journeys.conversions
    asked = {"run_id": run.run_id, "conversions": conversions.event_ids.tolist()}
    provisional = dict(ask(connection, "credited", asked))
    published: dict[str, dict[str | None, float]] = {}
    for id_, touch, share in ask(connection, "published_shares", asked):
        published.setdefault(id_, {})[touch] = share
    ids = journeys.touches.event_ids.to_pylist()
    found = []
    for number, id_ in enumerate(conversions.event_ids):
        rows = np.flatnonzero(pairs.conversion == number)
        touches = [
            _touch(journeys, int(pairs.touch[row]), prices)
            | {"share": as_interval(shares[0][:, row])}
            for row in rows
        ]
        means: dict[str | None, float] = {
            ids[pairs.touch[row]]: float(shares[0][:, row].mean()) for row in rows
        }
        means[None] = float(shares[1][:, number].mean())
        found.append(
            {
                "conversion_id": id_,
                "occurred_at": _when(conversions.time_us[number]),
                "day_only": bool(conversions.day_only[number]),
                "kind": conversions.kind[number],
                "iacv": conversions.iacv[number],
                "currency": conversions.currency[number],
                # one that the run does not credit yet is credited here as it will be
                "provisional": provisional.get(id_, True),
                "differs_from_published": id_ in published and not _same(published[id_], means),
                "baseline": as_interval(shares[1][:, number]),
                "touches": touches,
            }
        )
    return found


def _same(published: dict[str | None, float], now: dict[str | None, float]) -> bool:
    """Whether shares are what was published; one that is next to nothing may be missing."""
    return all(
        abs(published.get(touch, 0.0) - now.get(touch, 0.0)) <= SAME for touch in {*published, *now}
    )


def _touch(journeys: Journeys, number: int, prices: Prices) -> dict[str, Any]:
    touches = journeys.touches
    channel, campaign = journeys.units[touches.unit[number]]
    at = _when(touches.time_us[number])
    return {
        "touch_id": touches.event_ids[number].as_py(),
        "occurred_at": at,
        "channel": channel,
        "campaign_id": campaign,
        "cost": prices.of_touch(channel, campaign, at),
    }


def _first_deal(journeys: Journeys) -> int | None:
    """The first ``new`` of its conversions."""
    found = np.flatnonzero(journeys.conversions.kind == "new")
    return int(found[0]) if len(found) else None


def _acquired_by(
    journeys: Journeys, pairs: Pairs, shares: tuple[FloatArray, FloatArray]
) -> dict[str, Any] | None:
    """Shares of the first ``new`` deal by channel and by campaign; None where there is none."""
    deal = _first_deal(journeys)
    if deal is None:
        return None
    channels: dict[tuple[str, ...], FloatArray] = {(BASELINE,): shares[1][:, deal]}
    campaigns: dict[tuple[str, ...], FloatArray] = {(BASELINE, BASELINE): shares[1][:, deal]}
    for row in np.flatnonzero(pairs.conversion == deal):
        unit = journeys.units[journeys.touches.unit[pairs.touch[row]]]
        share = shares[0][:, row]
        channels[unit[:1]] = channels.get(unit[:1], 0.0) + share
        campaigns[unit] = campaigns.get(unit, 0.0) + share
    return {
        "conversion_id": journeys.conversions.event_ids[deal],
        "channels": _ranked(channels),
        "campaigns": _ranked(campaigns),
    }


def _ranked(shares: dict[tuple[str, ...], FloatArray]) -> list[dict[str, Any]]:
    rows = sorted(shares.items(), key=lambda item: (-float(item[1].mean()), item[0]))
    keys = ("channel", "campaign_id")
    return [
        dict(zip(keys, name, strict=False)) | {"share": as_interval(draws)} for name, draws in rows
    ]


def _cost(journeys: Journeys, pairs: Pairs, prices: Prices) -> dict[str, Any]:
    """What its touches cost: until its first ``new`` deal, and until now."""
    deal = _first_deal(journeys)
    every = np.arange(len(journeys.touches))
    until = every[:0] if deal is None else pairs.touch[pairs.conversion == deal]
    of_touch = [_touch(journeys, int(number), prices)["cost"] for number in every]

    def priced(touches: NDArray[np.int64]) -> tuple[float | None, int]:
        known = [of_touch[number] for number in touches if of_touch[number] is not None]
        return (float(sum(known)) if known else None), len(touches) - len(known)

    cac, without = priced(until)
    spent, without_until_now = priced(every)
    return {
        "cac": cac,
        "touches": len(until),
        "touches_without_cost": without,
        "spent_until_now": spent,
        "touches_until_now": len(every),
        "touches_until_now_without_cost": without_until_now,
    }


def _when(time_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(time_us))
