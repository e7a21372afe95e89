"""Simulated worlds whose truth is known, by a generator of a few lines that is not the model."""

from datetime import UTC, datetime, timedelta

import numpy as np

from attribution.kernels import KERNELS
from attribution.model import centres
from attribution.posterior import Posterior

from .conftest import Story

START = datetime(2025, 1, 1, tzinfo=UTC)
CAMPAIGNS = {
    # campaign: channel, effect of a touch, touches of an account in a hundred days
    "search-good": ("search", 0.12, 1.2),
    "search-none": ("search", 0.0, 1.5),
    "mail-a": ("mail", 0.01, 3.0),
    "mail-b": ("mail", 0.0, 2.0),
    "event": ("event", 0.2, 0.5),
}
HALF_LIFE_DAYS = {"search": 3.0, "mail": 8.0, "event": 25.0}


class World(Story):
    """A story and, by channel, how many conversions its touches really caused."""

    def __init__(self) -> None:
        super().__init__()
        self.caused = dict.fromkeys((*HALF_LIFE_DAYS, "(baseline)"), 0)


def make_world(
    seed: int,
    accounts: int = 400,
    days: float = 300.0,
    *,
    customers: bool = False,
    busy: bool = True,
    scale: float = 1.0,
) -> World:
    """Each effect is drawn by itself, so that each conversion has one cause."""
    rng = np.random.default_rng(seed)
    world = World()
    for number in range(accounts):
        account = f"account{number:04}"
        world.account(account, when(0.0))
        touches = []
        activity = rng.gamma(3.0, 1 / 3.0) if busy else 1.0
        for campaign, (channel, effect, rate) in CAMPAIGNS.items():
            count = rng.poisson(activity * rate * days / 100) if busy else 2
            touches += [(at, campaign, channel, effect) for at in rng.uniform(0, days, count)]
        causes = [(at, "(baseline)") for at in rng.uniform(0, days, rng.poisson(0.0006 * days))]
        for at, _, channel, effect in touches:
            tau = HALF_LIFE_DAYS[channel] / np.log(2)
            effects = rng.poisson(scale * effect)
            causes += [(at + delay, channel) for delay in rng.exponential(tau, effects)]
        causes = sorted(cause for cause in causes if cause[0] < days)
        for kind, (at, cause) in zip(("new", "expansion"), causes, strict=False):
            if kind == "new" or customers:
                world.sale(account, when(at), kind, f"{rng.lognormal(9, 0.5):.2f}")
                world.caused[cause] += 1
        for at, campaign, channel, _ in touches:
            world.touch(account, when(at), channel, campaign)
    return world


def when(day: float) -> str:
    return (START + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%S.%f")


def plausible(features, draws=30, seed=5, spread=1.0):
    """Draws around sensible values; they need not be a posterior."""
    random = np.random.default_rng(seed)
    rate, effect = (np.exp(centre) for centre in centres(features))
    channels, levels = len(features.channels), features.activity_levels

    def around(value, *shape):
        return value * np.exp(spread * random.normal(0, 0.2, (draws, *shape)))

    power, curve = spread * random.normal(0, [[[0.2]], [[0.05]]], (2, draws, 1))
    return Posterior(
        baseline=around(rate, len(features.baselines)),
        effect=around(effect, len(features.unit_channel)),
        weights=random.dirichlet(np.full(KERNELS, 5.0), (draws, channels)),
        activity=np.exp(power * levels + curve * levels**2),
        state=np.column_stack([np.ones(draws), around(0.7)]),
        saturation=around(0.2, channels),
        synergy=spread * random.normal(0, 0.3, (draws, len(features.contexts.first), channels)),
        first=features.contexts.first,
        association=np.zeros((draws, channels)),
        season=spread * random.normal(0, 0.2, (draws, features.calendar.shape[1])),
        channel_effect=around(effect, channels),
        effect_shape=around(1.0),
    )
