"""What a run records of itself: what it was told, what it was made of, and by which code."""

import hashlib
from dataclasses import asdict
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from attribution.journeys import Journeys
from attribution.leads import Leads
from attribution.model import load_priors
from attribution.posterior import CREDIT_DRAWS
from attribution.rules import HALF_LIFE_DAYS
from attribution.sampling import Gates

if TYPE_CHECKING:
    from attribution.fit import Options

__all__ = ["data_record", "name_campaigns", "settings_record"]


def settings_record(options: "Options") -> dict[str, Any]:
    """What a run was told, with its priors and the version and code that it was made by."""
    return {
        **asdict(options.sampling),
        "lookback_days": options.lookback_days,
        "half_life_days": HALF_LIFE_DAYS,
        "rules_only": options.rules_only,
        "every_gate": options.every_gate,
        "rules": options.rules,
        "credit_draws": CREDIT_DRAWS,
        "priors": {name: list(prior) for name, prior in load_priors().items()},
        "version": metadata.version("bizops"),
        "code": _code_hash(),
    }


def _code_hash() -> str:
    """Changes with any line of this package: tells which code made a run."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(files("attribution").iterdir(), key=lambda path: path.name):
        if path.name.endswith((".py", ".sql", ".toml")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def data_record(journeys: Journeys, leads: Leads) -> dict[str, Any]:
    """What a run was made of: counts, sums, and hashes of all that a fit depends on."""
    conversions = journeys.conversions
    return {
        "accounts": len(journeys.account_ids),
        "touches": len(journeys.touches),
        "revenue_events": len(journeys.revenue),
        "conversions": len(conversions),
        "campaigns": len(journeys.units),
        "channels": len({channel for channel, _ in journeys.units}),
        "leads": len(leads.lead_ids),
        "iacv": {
            str(currency): float(conversions.amounts[conversions.currency == currency].sum())
            for currency in np.unique(conversions.currency.astype(str))
        },
        "hash": journeys.content_hash(),
        "leads_hash": leads.content_hash(),
    }


def name_campaigns(gates: Gates, journeys: Journeys) -> None:
    """Campaigns by name rather than by number in what is said of parameters."""
    for name, parameter in gates.summary["worst"].items():
        if parameter.startswith("log_effect["):
            place = int(parameter.partition("[")[2].rstrip("]"))
            gates.summary["worst"][name] = f"log_effect[{' / '.join(journeys.units[place])}]"
