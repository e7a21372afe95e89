"""Every rule by its name, Markov's too: what it needs of a whole data set, and whom it credits."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from attribution.credit import CreditRow, credit_rows, rule_credit
from attribution.journeys import Journeys, Units, load_journeys
from attribution.kept import Effects
from attribution.leads import credit_leads
from attribution.markov import removal_effects
from attribution.pairs import Pairs, counted_pairs, within_lookback
from attribution.publish import Findings
from attribution.rules import LOOKBACK_DAYS, RULES, Paths, Rule, split_by_unit
from bizops.database import Connection
from bizops.errors import UsageError

__all__ = ["MARKOV", "credit_by_rule", "credit_by_rules", "every_path", "find_effects"]

FloatArray = NDArray[np.float64]

MARKOV = {f"markov_{order}": order for order in range(1, 5)}
"""The order of each Markov model by its name."""


def every_path(
    journeys: Journeys, pairs: Pairs, lookback_days: float | None
) -> tuple[Paths, NDArray[np.bool_]]:
    """All journeys, those of the conversions first, and which converted, shape ``(journey,)``.

    Parameters
    ----------
    pairs
        Of all conversions, without a window.
    """
    unit = journeys.touches.unit
    sold = within_lookback(pairs, lookback_days).paths(unit)
    unsold = _unsold(journeys, pairs, lookback_days).paths(unit)
    paths = Paths(
        **{
            name: np.concatenate((values, getattr(unsold, name)))
            for name, values in vars(sold).items()
        }
    )
    return paths, np.arange(len(paths.counts)) < len(sold.counts)


def find_effects(
    models: Collection[str], journeys: Journeys, pairs: Pairs, lookback_days: float | None
) -> Effects:
    """Removal effects of all campaigns by those of the models that are Markov's.

    A conversion's journey is its touches within the window. The touches of an account after its
    last conversion, or all of one that never converted, are a journey that did not convert, with
    the window before its last touch.

    Parameters
    ----------
    pairs
        Of all conversions, without a window.
    """
    orders = {name: MARKOV[name] for name in models if name in MARKOV}
    if not orders:
        return {}
    paths, converted = every_path(journeys, pairs, lookback_days)
    found = {
        name: removal_effects(paths, converted, len(journeys.units), order)
        for name, order in orders.items()
    }
    return {
        name: dict(zip(journeys.units, effects.tolist(), strict=True))
        for name, effects in found.items()
    }


def credit_by_rules(
    findings: Findings, pairs: Pairs, models: Collection[str], lookback_days: float | None
) -> None:
    """Credit conversions and leads by each of the models that is a rule.

    Parameters
    ----------
    findings
        With the removal effects of the Markov models among them.
    """
    journeys, leads = findings.journeys, findings.leads
    for name in models:
        if name in RULES or name in MARKOV:
            rule = _rule(name, journeys.units, findings.effects)
            findings.credit[name] = rule_credit(journeys, pairs, rule, lookback_days)
            rule = _rule(name, leads.units, findings.effects)
            findings.lead_credit[name] = credit_leads(leads, rule, lookback_days)


def credit_by_rule(
    connection: Connection, rule: str, lookback_days: float | None = LOOKBACK_DAYS
) -> list[CreditRow]:
    """Credit by a rule of all that is known now, for any lookback window.

    Parameters
    ----------
    connection
        Read in its transaction; nothing is written.
    rule
        A name in :data:`attribution.rules.RULES` or :data:`MARKOV`.
    lookback_days
        A touch of at most that age counts; None for any age.

    Raises
    ------
    UsageError
        If there is no such rule, or the window is not above zero.
    """
    if rule not in RULES and rule not in MARKOV:
        raise UsageError(f"no rule '{rule}'; have {', '.join([*RULES, *MARKOV])}")
    if lookback_days is not None and not lookback_days > 0:
        raise UsageError(f"a lookback of {lookback_days:g} days; expected more than 0")
    journeys = load_journeys(connection)
    conversions = journeys.conversions
    pairs = counted_pairs(
        journeys.touches, conversions.account, conversions.time_us, conversions.day_only
    )
    effects = find_effects([rule], journeys, pairs, lookback_days)
    credited = rule_credit(journeys, pairs, _rule(rule, journeys.units, effects), lookback_days)
    return credit_rows(journeys, rule, credited)


def _rule(name: str, units: Units, effects: Effects) -> Rule:
    if name in RULES:
        return RULES[name]
    weights = _weights(units, effects.get(name, {}))
    return lambda paths: split_by_unit(paths, weights)


def _weights(units: Units, effects: Mapping[tuple[str, str], float]) -> FloatArray:
    """Removal effects of campaigns; one that the run did not know has the mean of its channel's."""
    channels: dict[str, list[float]] = {}
    for (channel, _), effect in effects.items():
        channels.setdefault(channel, []).append(effect)
    means = {channel: float(np.mean(of_channel)) for channel, of_channel in channels.items()}
    weights = [effects.get(unit, means.get(unit[0], 0.0)) for unit in units]
    return np.array(weights or [0.0], dtype=np.float64)


def _unsold(journeys: Journeys, pairs: Pairs, lookback_days: float | None) -> Pairs:
    """The touches of each account after its last conversion, with the newest as their end."""
    touches = journeys.touches
    open_ = np.ones(len(touches), dtype=bool)
    open_[pairs.touch] = False
    last = np.flatnonzero(np.diff(touches.account, append=-1) != 0)
    last = last[open_[last]]
    ended = counted_pairs(
        touches, touches.account[last], touches.time_us[last], touches.day_only[last]
    )
    return within_lookback(ended.only(open_[ended.touch]), lookback_days)
