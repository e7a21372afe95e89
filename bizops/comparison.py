"""How far each model is from the truth of a simulated company, by channel."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """One model's credit beside the truth.

    Attributes
    ----------
    conversions
        Credited conversions by channel, the baseline left out.
    error
        ``Σ|estimate − truth| / Σ truth`` over channels, unitless; 0 is exact.
    """

    conversions: dict[str, float]
    error: float


def compare(
    credited: Mapping[str, float], truth: Mapping[str, float], *, scaled: bool
) -> Comparison:
    """Put one model's conversions by channel beside those that the channels caused.

    Parameters
    ----------
    credited, truth
        Conversions by channel.
    scaled
        Whether to scale the credit to the true total first. Rules give every conversion with a
        touch to campaigns; scaling compares their division of it only, which is generous to them.

    Raises
    ------
    ValueError
        If nothing was caused: then there is no share to be wrong about.
    """
    total = sum(truth.values())
    if total <= 0:
        raise ValueError("the truth holds no conversion that a channel caused")
    given = sum(credited.values())
    factor = total / given if scaled and given else 1.0
    channels = sorted(truth.keys() | credited.keys())
    estimates = {channel: factor * credited.get(channel, 0.0) for channel in channels}
    misplaced = sum(abs(estimates[channel] - truth.get(channel, 0.0)) for channel in channels)
    return Comparison(estimates, misplaced / total)
