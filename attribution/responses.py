"""What more or less spend would bring: response curves, marginal CAC, marginal IACV.

A curve is made of two steps, each with its own doubt, draw by draw:

1. **Spend to touches.** At ``x`` times the spend a campaign has ``x^ε`` times its touches, with
   ``ε`` of ``attribution/elasticity.py``. Where spend never varied there is no evidence, and no
   curve.
2. **Touches to conversions.** Each account that the campaign reached has ``x^ε`` times as many of
   them, so that later ones are of a higher number and add less, by the model's ``n^(-δ)``. That is
   at a fixed audience: whoever finds new accounts for the money does better.

So with ``S`` spent, ``C`` conversions added by ``n_a`` touches of account ``a``, one more unit of
money adds

    dC/dS = (C / S) · ε · Σ_a n_a (n_a + 1)^(-δ) / Σ_a Σ_{k ≤ n_a} k^(-δ)

and marginal CAC is its inverse. All is first order: what more touches of one campaign do to
others' (orders, deals that only come earlier) is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.bands import Band, Cost, band
from attribution.elasticity import Estimate, draw_elasticities, estimate, is_evidence, prior_draws
from attribution.modelled import Added
from attribution.repeats import Sizes, still_added
from attribution.spend import Periods, Spend

__all__ = ["MULTIPLIERS", "Point", "Response", "find_responses"]

FloatArray = NDArray[np.float64]

MULTIPLIERS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
OWN, CHANNEL, NONE = "own", "channel", "none"
HALVES = 1.0 / np.sqrt(3.0)
"""Standard error, in the prior's standard deviations, that halves it: ``1 / (1 + 3) = (1/2)²``."""


@dataclass(frozen=True)
class Point:
    """What would be at a multiple of the spend.

    ``was_seen`` is whether spend was that high or low in whole weeks or months, for campaigns that
    half of the money goes to; else the point is beyond the data.
    """

    multiplier: float
    spend: float
    touches: Band
    conversions: Band
    iacv: Band | None
    was_seen: bool


@dataclass(frozen=True)
class Response:
    """A campaign, or a channel as its campaigns together, and money.

    Attributes
    ----------
    campaign_id
        None for a channel.
    spend, touches, conversions, iacv
        What was spent (None where that is in several currencies), the touches in weeks or months
        with spend, and what these add; IACV in the same currency, None where the size of deals is
        not known.
    average_cac
        Spend for each conversion; None where there is no touch, or spend is in several currencies.
    evidence
        That more spend buys more touches: ``own``, ``channel`` (that of its channel's other
        campaigns) or ``none``; the rest is None without any. For a channel ``own`` or ``none``.
    why
        What is missing; empty where nothing is.
    elasticity
        Of touches in spend: by how many percent touches grow with one percent more.
    touches_per_unit, iacv_per_unit
        What one more unit of money buys.
    """

    channel: str
    campaign_id: str | None
    currency: str
    spend: float | None
    touches: int
    conversions: Band
    iacv: Band | None
    average_cac: Cost | None
    evidence: str
    why: str
    elasticity: Band | None = None
    touches_per_unit: Band | None = None
    marginal_cac: Cost | None = None
    iacv_per_unit: Band | None = None
    curve: tuple[Point, ...] = ()


@dataclass(frozen=True)
class _Place:
    """A campaign with spend in one currency, in draws."""

    spend: Spend
    own: Estimate
    amount: float
    touches: int
    added: FloatArray
    elasticity: FloatArray
    accounts: tuple[FloatArray, FloatArray]
    delta: FloatArray

    def conversions(self, multiplier: float) -> FloatArray:
        """Draws of what is added at that multiple of the spend."""
        number, of = self.accounts
        times = multiplier ** self.elasticity[:, None]
        return np.asarray(self.added * (still_added(times * number, self.delta) @ of) / self._total)

    def slope(self) -> FloatArray:
        """Draws of the elasticity of conversions in spend, as things are."""
        number, of = self.accounts
        more = (number + 1.0) ** -self.delta[:, None]
        return np.asarray(self.elasticity * (more @ (number * of)) / self._total)

    @cached_property
    def _total(self) -> FloatArray:
        number, of = self.accounts
        return np.asarray(still_added(number, self.delta) @ of)


def find_responses(
    added: Added, spends: Sequence[Spend], periods: Sequence[Periods], sizes: Sizes, *, seed: int
) -> list[Response]:
    """By channel and campaign, of all that anything was spent on; a channel before its campaigns.

    Parameters
    ----------
    added
        With the touches marked that fall into periods with spend.
    spends, periods
        As of :mod:`attribution.spend`, by channel.
    sizes
        Draws of IACV for each conversion, by channel and currency.
    """
    prior = prior_draws()
    places = _places(added, spends, periods, seed)
    names: dict[tuple[str, str], list[_Place]] = {}
    for place in places:
        if len(place.spend.currencies) == 1:
            key = (place.spend.channel, place.spend.currencies[0])
            names.setdefault(key, []).append(place)
    found = []
    for (channel, currency), of in names.items():
        size = sizes.get((channel, currency))
        total = _respond(of, size, prior, channel, None, currency)
        found.append(total)
        found += [
            _respond([one], size, prior, channel, one.spend.campaign_id, currency) for one in of
        ]
    return found + [_unclear(place) for place in places if len(place.spend.currencies) > 1]


def _places(
    added: Added, spends: Sequence[Spend], periods: Sequence[Periods], seed: int
) -> list[_Place]:
    of = added.of
    units = of.journeys.units
    number = {unit: place for place, unit in enumerate(units)}
    conversions = np.zeros((len(of.posterior), len(units) + 1))  # the last has no touch
    for d, draw in enumerate(added.draws()):
        paid = added.marked
        conversions[d, :-1] = np.bincount(added.unit[paid], draw[paid], minlength=len(units))
    estimates = [
        estimate(cut) if len(spend.currencies) == 1 else Estimate(0.0, np.inf, _mixed(spend))
        for spend, cut in zip(spends, periods, strict=True)
    ]
    elasticity = _elasticities(spends, estimates, len(of.posterior), seed)
    counts = _accounts(added)
    places = []
    for place, (spend, cut) in enumerate(zip(spends, periods, strict=True)):
        unit = number.get((spend.channel, spend.campaign_id), -1)
        delta = (
            of.posterior.saturation[:, of.unit_channel[unit]]
            if unit >= 0
            else np.zeros(len(of.posterior))
        )
        places.append(
            _Place(
                spend=spend,
                own=estimates[place],
                amount=float(spend.amount.sum()),
                touches=int(cut.touches[cut.paid].sum()),
                added=conversions[:, unit],
                elasticity=elasticity[:, place],
                accounts=counts.get(unit, (np.ones(1), np.ones(1))),
                delta=delta,
            )
        )
    return places


def _elasticities(
    spends: Sequence[Spend], estimates: Sequence[Estimate], draws: int, seed: int
) -> FloatArray:
    """Shape ``(draw, campaign)``, channel by channel."""
    out = np.zeros((draws, len(spends)))
    channels = np.array([spend.channel for spend in spends], dtype=object)
    for number, channel in enumerate(dict.fromkeys(channels.tolist())):
        theirs = np.flatnonzero(channels == channel)
        of = [estimates[place] for place in theirs.tolist()]
        value, error = (np.array([getattr(one, name) for one in of]) for name in ("value", "error"))
        rng = np.random.default_rng([seed, number])
        out[:, theirs] = draw_elasticities(value, error, draws, rng)
    return out


def _accounts(added: Added) -> dict[int, tuple[FloatArray, FloatArray]]:
    """By campaign: the numbers of its touches that accounts had, and how many accounts had them."""
    touches, units = added.of.journeys.touches, max(len(added.of.journeys.units), 1)
    pairs, number = np.unique(touches.account * units + touches.unit, return_counts=True)
    rows, of = np.unique(np.stack((pairs % units, number)), axis=1, return_counts=True)
    return {
        unit: (rows[1, rows[0] == unit].astype(np.float64), of[rows[0] == unit].astype(np.float64))
        for unit in np.unique(rows[0]).tolist()
    }


def _respond(
    of: Sequence[_Place],
    size: FloatArray | None,
    prior: FloatArray,
    channel: str,
    campaign_id: str | None,
    currency: str,
) -> Response:
    """A campaign's response, or that of several together."""
    spend, touches = sum(one.amount for one in of), sum(one.touches for one in of)
    conversions = np.sum([one.added for one in of], axis=0)
    evidence, why = _evidence(of, prior, spend, touches)
    known = touches > 0 and spend > 0
    common: dict[str, Any] = {
        "channel": channel,
        "campaign_id": campaign_id,
        "currency": currency,
        "spend": spend,
        "touches": touches,
        "conversions": band(conversions, zero_below=1.0),
        "iacv": None if size is None else band(conversions * size),
        "average_cac": band(conversions / spend).cost() if known else None,
        "evidence": evidence,
        "why": why,
    }
    if evidence == NONE:
        return Response(**common)
    more_touches = np.sum([one.touches * one.elasticity for one in of], axis=0)
    # each campaign's spend grows by the same part, so that a unit more is shared as all is
    more = np.sum([one.added * one.slope() for one in of], axis=0) / spend
    return Response(
        **common,
        elasticity=band(more_touches / touches),
        touches_per_unit=band(more_touches / spend),
        marginal_cac=band(more).cost(),
        iacv_per_unit=None if size is None else band(more * size),
        curve=tuple(_point(of, x, spend, size) for x in MULTIPLIERS),
    )


def _point(of: Sequence[_Place], multiplier: float, spend: float, size: FloatArray | None) -> Point:
    conversions = np.sum([one.conversions(multiplier) for one in of], axis=0)
    touches = np.sum([one.touches * multiplier**one.elasticity for one in of], axis=0)
    seen = sum(one.amount for one in of if one.own.least <= multiplier <= one.own.most)
    return Point(
        multiplier=multiplier,
        spend=multiplier * spend,
        touches=band(touches),
        conversions=band(conversions, zero_below=1.0),
        iacv=None if size is None else band(conversions * size),
        was_seen=multiplier == 1.0 or 2 * seen >= spend,
    )


def _evidence(
    of: Sequence[_Place], prior: FloatArray, spend: float, touches: int
) -> tuple[str, str]:
    """Whether it is known what more spend buys, and if not, why."""
    if spend <= 0:
        return NONE, "nothing was spent"
    if touches == 0:
        return NONE, "no touch of an account while money was spent"
    together = np.sum([one.touches * one.elasticity for one in of], axis=0) / touches
    if is_evidence(together, prior):
        alone = len(of) == 1
        own = not alone or of[0].own.error <= HALVES * float(np.std(prior))
        return (OWN, "") if own else (CHANNEL, of[0].own.why or "its own figures say little")
    reasons = dict.fromkeys(one.own.why for one in of if one.own.why and one.touches)
    if len(reasons) == 1:
        return NONE, next(iter(reasons))
    return NONE, "spend and touches moved too little together or too little at all to tell"


def _unclear(place: _Place) -> Response:
    """A campaign whose touches can't be told apart by what they were paid in."""
    return Response(
        channel=place.spend.channel,
        campaign_id=place.spend.campaign_id,
        currency=", ".join(place.spend.currencies),
        spend=None,
        touches=place.touches,
        conversions=band(place.added, zero_below=1.0),
        iacv=None,
        average_cac=None,
        evidence=NONE,
        why=_mixed(place.spend),
    )


def _mixed(spend: Spend) -> str:
    return f"spent in {', '.join(spend.currencies)}, which don't add up"
