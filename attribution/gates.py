"""What a retrained run is held to besides its draws: what was observed, and the published run."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from attribution.checks import MAX_Z, Check, check_predictions
from attribution.features import Features
from attribution.heldout import MAX_SE, SMALL, Score, compare_held_out
from attribution.journeys import Journeys
from attribution.kept import load_kept
from attribution.posterior import Posterior
from attribution.runs import published_run
from bizops.database import Connection

__all__ = ["hold_to_gates"]


def hold_to_gates(
    connection: Connection, journeys: Journeys, features: Features, posterior: Posterior, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Make posterior predictive checks, and compare with the published run.

    Returns
    -------
    ``checks`` and ``held_out`` for the run's diagnostics, and what failed, each with its value and
    its limit.
    """
    checks = check_predictions(journeys, features, posterior, seed=seed)
    score, why_not = _score(connection, journeys, features, posterior)
    found = {
        "checks": [check.record() for check in checks],
        "held_out": score.record() if score else {"not_compared": why_not},
    }
    failed = list(_worst_of_each_kind([check for check in checks if check.failed]))
    if score and score.failed:
        failed.append(
            f"held-out log score {score.difference:.1f} beside run {score.published} over "
            f"{score.accounts:,} accounts, standard error {score.standard_error:.1f} (not below "
            f"zero by more than {MAX_SE:g} standard errors and {SMALL:g})"
        )
    return found, failed


def _worst_of_each_kind(failed: list[Check]) -> Iterator[str]:
    for kind in dict.fromkeys(check.kind for check in failed):
        alike = [check for check in failed if check.kind == kind]
        more = f" and {len(alike) - 1} more of its kind" if len(alike) > 1 else ""
        yield _said_of(max(alike, key=lambda check: abs(check.z))) + more


def _said_of(check: Check) -> str:
    return (
        f"posterior predictive check of {check.kind} '{check.name}': {check.observed:,} "
        f"conversions where {check.mean:,.0f} [{check.low:,.0f}, {check.high:,.0f}] were expected, "
        f"z {check.z:.1f} (within {MAX_Z:g}, or within {check.max_off:.0%} of what was expected)"
    )


def _score(
    connection: Connection, journeys: Journeys, features: Features, posterior: Posterior
) -> tuple[Score | None, str]:
    """The score, or why there is none."""
    run = published_run(connection)
    if run is None or run.data_until is None:
        return None, "no run is published"
    kept = load_kept(connection, run.run_id)
    levels = (run.diagnostics or {}).get("activity_levels")
    if kept is None or levels is None:
        return None, f"run {run.run_id} kept no model that can be asked"
    until_us = round(run.data_until.timestamp() * 1e6)
    return compare_held_out(
        journeys, features, posterior, (run.run_id, kept, np.array(levels), until_us)
    ), ""
