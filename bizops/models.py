"""The models that give credit, by the names under which they are published and asked for."""

from collections.abc import Sequence

from bizops.errors import UsageError

__all__ = ["BAYESIAN", "MODELS", "ON_REQUEST", "PUBLISHED", "chosen_models"]

BAYESIAN = "bayesian"
PUBLISHED = (
    BAYESIAN, "first_touch", "last_touch", "linear", "time_decay", "position_based", "w_shaped",
    "shapley", "markov_1",
)  # fmt: skip
"""What every run publishes, in the order in which people read it."""

ON_REQUEST = ("markov_2", "markov_3", "markov_4")
"""What a run publishes if it is asked to."""

MODELS = (*PUBLISHED, *ON_REQUEST)


def chosen_models(asked: Sequence[str]) -> tuple[str, ...]:
    """Those of every run and those asked for; ``all`` is every one.

    >>> chosen_models(["markov_3", "linear"])[-2:]
    ('markov_1', 'markov_3')

    Raises
    ------
    UsageError
        If there is no such model; the text says which there are.
    """
    for name in asked:
        if name not in (*MODELS, "all"):
            raise UsageError(f"no model '{name}'; have {', '.join(MODELS)}, or all")
    return tuple(name for name in MODELS if name in PUBLISHED or {name, "all"} & {*asked})
