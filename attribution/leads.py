"""Who gets a lead: the touches of the lead's person up to the first event that names the lead."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import Journeys, codes, copied, numbered_units, ordered_touches
from attribution.kernels import KERNELS, intensity
from attribution.pairs import Pairs, counted_pairs, within_lookback
from attribution.rules import Rule
from bizops.database import Connection

__all__ = ["NO_LEADS", "LeadCredit", "Leads", "credit_leads", "credit_leads_by_model", "load_leads"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Leads:
    """Leads and the touches that may have made them.

    Attributes
    ----------
    lead_ids, time_us, day_only
        Of the first event that names each lead, shape ``(lead,)``.
    pairs
        Each lead with the touches that count for it.
    touch_unit
        Index into ``units``, shape ``(touch,)``.
    touch_day_only
        Shape ``(touch,)``.
    units
        ``(channel, campaign_id)`` pairs: those of the journeys first.
    """

    lead_ids: NDArray[np.object_]
    time_us: IntArray
    day_only: BoolArray
    pairs: Pairs
    touch_unit: IntArray
    touch_day_only: BoolArray
    units: tuple[tuple[str, str], ...]

    def content_hash(self) -> str:
        """Changes when anything that leads' credit depends on does."""
        digest = hashlib.blake2b(digest_size=16)
        pairs = self.pairs
        for array in (
            *(self.time_us, self.day_only, pairs.conversion, pairs.lag_days),
            *(self.touch_unit[pairs.touch], self.touch_day_only[pairs.touch]),
        ):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(repr((self.lead_ids.tolist(), self.units)).encode())
        return digest.hexdigest()


_NONE = np.zeros(0, dtype=np.int64)
NO_LEADS = Leads(
    lead_ids=np.zeros(0, dtype=object),
    time_us=_NONE,
    day_only=np.zeros(0, dtype=bool),
    pairs=Pairs(_NONE, _NONE, _NONE, np.zeros(0), np.zeros(0)),
    touch_unit=_NONE,
    touch_day_only=np.zeros(0, dtype=bool),
    units=(),
)
"""For credit of conversions alone."""


@dataclass(frozen=True)
class LeadCredit:
    """Shares of leads by campaign; ``unit`` is -1 for the baseline; all of shape ``(entry,)``."""

    lead: IntArray
    unit: IntArray
    share: FloatArray


def load_leads(connection: Connection, journeys: Journeys, among: list[str] | None = None) -> Leads:
    """Read leads and their persons' touches, in the connection's transaction.

    A lead whose person has no touch before it has the touches of the person's account.

    Parameters
    ----------
    journeys
        With at least the accounts of these leads.
    among
        Only these leads; None for all.
    """
    only = None if among is None else {"leads": among}
    table = copied(connection, "leads", (), only)
    touches_query = "lead_touches" if among is None else "lead_touches_of"
    theirs = copied(connection, touches_query, ("account_id", "channel", "campaign_id"), only)
    lead_ids = np.asarray(table["lead_id"].to_pylist(), dtype=object)
    time_us = table["time_us"].to_numpy()
    day_only = table["day_only"].to_numpy().astype(bool)
    persons = np.asarray(sorted({*table["person_id"].to_pylist()}), dtype=object)
    units, places = numbered_units(theirs, journeys.units)
    touches = ordered_touches(theirs, persons, places)
    pairs = counted_pairs(touches, codes(table["person_id"], persons), time_us, day_only)

    alone = np.flatnonzero(pairs.counts == 0)
    account_id = np.asarray(table["account_id"].to_pylist(), dtype=object)[alone]
    known = np.isin(account_id, journeys.account_ids)
    alone = alone[known]
    account = np.searchsorted(journeys.account_ids, account_id[known])
    other = counted_pairs(journeys.touches, account, time_us[alone], day_only[alone])
    return Leads(
        lead_ids=lead_ids,
        time_us=time_us,
        day_only=day_only,
        pairs=_joined(pairs, other, alone, len(touches)),
        touch_unit=np.concatenate((touches.unit, journeys.touches.unit)),
        touch_day_only=np.concatenate((touches.day_only, journeys.touches.day_only)),
        units=units,
    )


def credit_leads(leads: Leads, rule: Rule, lookback_days: float | None) -> LeadCredit:
    """Credit leads by a rule; one without a touch in the window is the baseline's.

    A lead's journey ends where it becomes known, so no touch within it is the one that did it.
    """
    kept = within_lookback(leads.pairs, lookback_days)
    share = rule(kept.paths(leads.touch_unit))
    return _by_unit(leads, kept, share)


def credit_leads_by_model(leads: Leads, intensities: FloatArray) -> LeadCredit:
    """Credit leads in proportion to what the model says each touch does to conversions.

    An approximation: the model explains conversions, not leads, so its baseline has no say here.

    Parameters
    ----------
    intensities
        Mean of effect x kernel weight, shape ``(unit, kernel)``, of the journeys' campaigns; one
        that only ever touched strangers has the mean of all.
    """
    pairs = leads.pairs
    known = np.ones((len(leads.units), KERNELS))
    if len(intensities):
        known *= intensities.mean(axis=0)
        known[: len(intensities)] = intensities
    kernels = intensity(
        pairs.lag_days, leads.touch_day_only[pairs.touch], leads.day_only[pairs.conversion]
    )
    weight = np.einsum("pb,pb->p", kernels, known[leads.touch_unit[pairs.touch]])
    total = np.bincount(pairs.conversion, weight, minlength=len(pairs.counts))
    share = weight / np.where(total > 0, total, 1.0)[pairs.conversion]
    return _by_unit(leads, pairs, share)


def _by_unit(leads: Leads, pairs: Pairs, share: FloatArray) -> LeadCredit:
    units = max(len(leads.units), 1)
    code, entry = np.unique(
        pairs.conversion * units + leads.touch_unit[pairs.touch], return_inverse=True
    )
    total = np.bincount(entry, share, minlength=len(code))
    credited = total > 0
    lead, unit = code[credited] // units, code[credited] % units
    alone = np.setdiff1d(np.arange(len(pairs.counts)), lead)
    return LeadCredit(
        np.concatenate((lead, alone)),
        np.concatenate((unit, np.full(len(alone), -1))),
        np.concatenate((total[credited], np.ones(len(alone)))),
    )


def _joined(pairs: Pairs, other: Pairs, lead: IntArray, offset: int) -> Pairs:
    """Pairs of the persons' touches, then those of accounts' for the leads without."""
    joined = {
        "conversion": np.concatenate((pairs.conversion, lead[other.conversion])),
        "touch": np.concatenate((pairs.touch, other.touch + offset)),
        "lag_days": np.concatenate((pairs.lag_days, other.lag_days)),
        "age_days": np.concatenate((pairs.age_days, other.age_days)),
    }
    order = np.argsort(joined["conversion"], kind="stable")
    counts = pairs.counts.copy()
    counts[lead] = other.counts
    return Pairs(counts=counts, **{name: values[order] for name, values in joined.items()})
