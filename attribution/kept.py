"""Models as a run keeps them in the database, so that credit can be restated without a fit."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.copying import copy_columns, copy_draws
from attribution.journeys import QUERIES, Units
from attribution.kernels import KERNELS
from attribution.posterior import Posterior
from attribution.risk import CUSTOMER, PROSPECT
from bizops.arrays import decode_arrays
from bizops.database import Connection

__all__ = ["Effects", "Kept", "load_effects", "load_kept", "save_effects", "save_kept"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Names = tuple[str, str]
Effects = dict[str, dict[Names, float]]
"""Removal effects by Markov model and campaign."""

STATES = {PROSPECT: "prospect", CUSTOMER: "customer"}
COLUMNS = ("run_id", "parameter", "name", "item", "draws")


@dataclass(frozen=True)
class Kept:
    """Draws of a fitted model, with the names of what they are draws of.

    Attributes
    ----------
    units, channels, baselines, knots
        As in :class:`attribution.features.Features`: what the draws' columns stand for.
    """

    units: Units
    channels: tuple[str, ...]
    baselines: tuple[tuple[str, int], ...]
    knots: IntArray
    posterior: Posterior

    @property
    def first(self) -> list[str]:
        """The channels that may come before others'."""
        return [self.channels[place] for place in self.posterior.first]

    def extended(self, units: Units, baselines: Iterable[tuple[str, int]]) -> "Kept":
        """The model with campaigns and baselines that its fit did not know.

        A new campaign of a known channel has an effect like the channel's others: a draw from
        their Gamma, always the same for the same name. One of a new channel has none until the
        next fit, so that its share is the baseline's. A new baseline is the mean of those of its
        state.

        Parameters
        ----------
        units
            Those of the model first.
        """
        new = units[len(self.units) :]
        unseen = sorted({channel for channel, _ in new} - {*self.channels})
        lacking = sorted({*baselines} - {*self.baselines})
        effects = [self._new_effect(unit) for unit in new]
        bases = [self._new_baseline(state) for _, state in lacking]
        of = self.posterior
        flat = np.full((len(of), len(unseen), KERNELS), 1 / KERNELS)
        posterior = replace(
            of,
            effect=np.column_stack([of.effect, *effects]),
            baseline=np.column_stack([of.baseline, *bases]),
            weights=np.concatenate((of.weights, flat), axis=1),
            saturation=_widened(of.saturation, len(unseen)),
            synergy=_widened(of.synergy, len(unseen)),
            association=_widened(of.association, len(unseen)),
        )
        channels, baselines = (*self.channels, *unseen), (*self.baselines, *lacking)
        return Kept((*self.units, *new), channels, baselines, self.knots, posterior)

    def _new_effect(self, unit: Names) -> FloatArray:
        of = self.posterior
        if unit[0] not in self.channels:
            return np.zeros(len(of))
        mean = of.channel_effect[:, self.channels.index(unit[0])]
        seed = hashlib.blake2b("\0".join(unit).encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(seed))
        return np.asarray(random.gamma(of.effect_shape, 1.0) * mean / of.effect_shape)

    def _new_baseline(self, state: int) -> FloatArray:
        like = [place for place, (_, at) in enumerate(self.baselines) if at == state]
        columns = self.posterior.baseline[:, like] if like else self.posterior.baseline
        return np.asarray(columns.mean(axis=1))


def _widened(draws: FloatArray, by: int) -> FloatArray:
    """With zeros for so many more channels."""
    return np.concatenate((draws, np.zeros((*draws.shape[:-1], by))), axis=-1)


def save_kept(connection: Connection, run_id: str, kept: Kept) -> None:
    """Write the draws of a run."""
    rows = list(_rows(kept))
    keys = ((run_id, *key) for key, _ in rows)
    draws = np.array([draws for _, draws in rows], dtype=np.float64)
    copy_draws(connection, "attribution.posterior_draws", COLUMNS, keys, draws)


def _rows(kept: Kept) -> Iterable[tuple[tuple[str, str, str], FloatArray]]:
    of = kept.posterior
    for (segment, state), draws in zip(kept.baselines, of.baseline.T, strict=True):
        yield ("baseline", segment, STATES[state]), draws
    for unit, draws in zip(kept.units, of.effect.T, strict=True):
        yield ("effect", *unit), draws
    for place, channel in enumerate(kept.channels):
        yield ("channel_effect", channel, ""), of.channel_effect[:, place]
        yield ("saturation", channel, ""), of.saturation[:, place]
        for kernel, draws in enumerate(of.weights[:, place].T):
            yield ("kernel_weight", channel, str(kernel)), draws
    for place in np.flatnonzero(of.associated).tolist():
        yield ("association", kept.channels[place], ""), of.association[:, place]
    for number, first in enumerate(kept.first):
        for place, channel in enumerate(kept.channels):
            yield ("synergy", first, channel), of.synergy[:, number, place]
    for name, draws in zip(_season_names(kept.knots), of.season.T, strict=True):
        yield ("season", *name), draws
    for level, draws in enumerate(of.activity.T):
        yield ("activity", "", f"{level:02}"), draws
    for state, draws in enumerate(of.state.T):
        yield ("state", "", STATES[state]), draws
    yield ("effect_shape", "", ""), of.effect_shape


def _season_names(knots: IntArray) -> list[Names]:
    """Of the season's basis, in its order."""
    dates = [("knot", str(np.datetime64(day, "D"))) for day in knots.tolist()]
    return [*dates, ("quarter end", ""), ("weekend", "")] if dates else []


def load_kept(connection: Connection, run_id: str) -> Kept | None:
    """Read what :func:`save_kept` wrote; None for a run that needed no fit."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["posterior_draws"], (run_id,))
        found = cursor.fetchall()
    if not found:
        return None
    draws = decode_arrays([row[3] for row in found], bits=64)
    place = {row[:3]: number for number, row in enumerate(found)}

    def names(parameter: str) -> list[Names]:
        return [(name, item) for kind, name, item in place if kind == parameter]

    def columns(parameter: str, items: Iterable[Names]) -> FloatArray:
        rows = [place[parameter, name, item] for name, item in items]
        return np.asarray(draws[rows].T)

    numbers = {name: state for state, name in STATES.items()}
    channels = tuple(channel for channel, _ in names("channel_effect"))
    units = tuple(names("effect"))
    baselines = tuple(sorted((name, numbers[item]) for name, item in names("baseline")))
    association = np.zeros((draws.shape[1], len(channels)))
    for channel, kernel in names("association"):
        if not kernel:  # runs from before shares have one for each kernel, of another meaning
            association[:, channels.index(channel)] = draws[place["association", channel, ""]]
    dates = sorted(item for kind, name, item in place if (kind, name) == ("season", "knot"))
    knots = np.array([np.datetime64(date, "D").astype(np.int64) for date in dates], dtype=np.int64)
    first = sorted({channels.index(name) for name, _ in names("synergy")})
    synergy = [columns("synergy", ((channels[f], c) for c in channels)) for f in first]
    posterior = Posterior(
        baseline=columns("baseline", ((segment, STATES[at]) for segment, at in baselines)),
        effect=columns("effect", units),
        weights=_weights(place, draws, channels),
        activity=columns("activity", names("activity")),
        state=columns("state", (("", STATES[at]) for at in sorted(STATES))),
        saturation=columns("saturation", ((channel, "") for channel in channels))
        if names("saturation")
        else np.zeros((draws.shape[1], len(channels))),  # of a run from before it was known
        synergy=np.stack(synergy, axis=1)
        if first
        else np.zeros((draws.shape[1], 0, len(channels))),
        first=np.array(first, dtype=np.int64),
        season=columns("season", _season_names(knots)),
        association=association,
        channel_effect=columns("channel_effect", ((channel, "") for channel in channels)),
        effect_shape=columns("effect_shape", [("", "")])[:, 0],
    )
    return Kept(units, channels, baselines, knots, posterior)


def _weights(
    place: Mapping[tuple[str, str, str], int],
    draws: NDArray[np.floating],
    channels: tuple[str, ...],
) -> FloatArray:
    """Of each channel and kernel, shape ``(draw, channel, kernel)``."""
    out = np.zeros((draws.shape[1], len(channels), KERNELS))
    for (kind, channel, kernel), row in place.items():
        if kind == "kernel_weight":
            out[:, channels.index(channel), int(kernel)] = draws[row]
    return out


def save_effects(connection: Connection, run_id: str, effects: Effects) -> None:
    """Write the removal effects of a run."""
    rows = [
        {"run_id": run_id, "model": model, "channel": channel, "campaign_id": id_, "effect": effect}
        for model, by_unit in effects.items()
        for (channel, id_), effect in by_unit.items()
    ]
    if rows:
        table = pa.Table.from_pylist(rows)
        columns = dict(zip(table.column_names, table.columns, strict=True))
        copy_columns(connection, "attribution.removal_effects", columns)


def load_effects(connection: Connection, run_id: str) -> Effects:
    """Read what :func:`save_effects` wrote."""
    effects: Effects = {}
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["removal_effects"], (run_id,))
        for model, channel, campaign, effect in cursor.fetchall():
            effects.setdefault(model, {})[channel, campaign] = effect
    return effects
