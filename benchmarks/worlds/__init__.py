"""Worlds whose truth is known, drawn cause by cause: to see how right and how honest a model is.

Independent of the demo's simulated company and of the model: nothing here is drawn from a
likelihood. A touch may persuade its account, by itself, and the purchase comes after a delay whose
distribution is not one of the model's kernels.

>>> sorted(WORLDS)[:3]
['additive', 'censored', 'day_only']
"""

from benchmarks.worlds.spec import WORLDS
from benchmarks.worlds.world import Truth, World, make_world

__all__ = ["WORLDS", "Truth", "World", "make_world"]
