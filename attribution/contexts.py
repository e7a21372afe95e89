"""What a touch follows: its campaign's earlier touches of the account, and other channels lately.

A touch of a campaign that the account has seen often may add less, and one that follows another
channel may add more or only then. Both are known when it happens, so that they are sorted into a
few contexts once, and a fit sees contexts rather than touches.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Touches

__all__ = ["LATELY_DAYS", "MOST_FIRST", "Contexts", "find_contexts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LATELY_DAYS = 30.0
MOST_FIRST = 6  # contexts double with each channel that may come first
REPEATS_FROM = np.array([1, 2, 3, 5, 9])
LOG_REPEATS = np.log([1.0, 2.0, 3.5, 6.5, 14.0])
"""Bins of the number of a campaign's touch on its account, and the log of what each stands for."""


@dataclass(frozen=True)
class Contexts:
    """The distinct contexts of touches.

    Attributes
    ----------
    of_touch
        Index of each touch's context, shape ``(touch,)``.
    channel
        Of the touches in it, shape ``(context,)``.
    log_repeats
        Log of the number of the touch among its campaign's on the account, shape ``(context,)``.
    first
        Channels that may come first, shape ``(first,)``.
    after
        Whether a touch of another one of them came in the last ``LATELY_DAYS``, shape
        ``(context, first)``.
    """

    of_touch: IntArray
    channel: IntArray
    log_repeats: FloatArray
    first: IntArray
    after: BoolArray

    def sequences(self) -> IntArray:
        """Pairs of channels, one after another one, that there are; shape ``(sequence, 2)``."""
        context, place = np.nonzero(self.after)
        found = np.stack((self.first[place], self.channel[context]), axis=1)
        return np.unique(found, axis=0) if len(found) else np.zeros((0, 2), dtype=np.int64)

    def means(self, channels: int) -> tuple[FloatArray, FloatArray]:
        """Of all touches of each channel: ``log_repeats``, and how often each other came first.

        Shapes ``(channel,)`` and ``(channel, first)``.
        """
        weight = np.bincount(self.of_touch, minlength=len(self.channel)).astype(np.float64)
        touches = np.maximum(np.bincount(self.channel, weight, minlength=channels), 1.0)
        repeats = np.bincount(self.channel, weight * self.log_repeats, minlength=channels)
        after = np.zeros((channels, len(self.first)))
        np.add.at(after, self.channel, weight[:, None] * self.after)
        return repeats / touches, after / touches[:, None]


def find_contexts(touches: Touches, channel: IntArray, first: IntArray | None = None) -> Contexts:
    """Sort touches by what they follow.

    Parameters
    ----------
    touches
        By account and time.
    channel
        Of each touch, shape ``(touch,)``.
    first
        The channels that may come first, shape ``(first,)``; None for those of most touches.
    """
    if first is None:
        count = np.bincount(channel)
        first = np.sort(np.argsort(-count, kind="stable")[:MOST_FIRST])
        first = first[count[first] > 0] if len(count) else first
    repeats = np.searchsorted(REPEATS_FROM, _number_of_its_campaign(touches), side="right") - 1
    code = channel * len(REPEATS_FROM) + repeats
    for place, one in enumerate(first.tolist()):
        code += _came_lately(touches, channel == one, channel != one) << (place + 40)
    distinct, of_touch = np.unique(code, return_inverse=True)
    low = distinct & (2**40 - 1)
    bits = (distinct[:, None] >> (40 + np.arange(len(first)))) & 1
    return Contexts(
        of_touch=of_touch.astype(np.int64),
        channel=low // len(REPEATS_FROM),
        log_repeats=LOG_REPEATS[low % len(REPEATS_FROM)],
        first=first,
        after=bits.astype(bool),
    )


def _number_of_its_campaign(touches: Touches) -> IntArray:
    """1 for the first touch of a campaign on an account, 2 for the second, and so on."""
    order = np.lexsort((touches.unit, touches.account))  # stable: by time within
    account, unit = touches.account[order], touches.unit[order]
    begins = (np.diff(account, prepend=-1) != 0) | (np.diff(unit, prepend=-1) != 0)
    place = np.arange(len(order))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = place - np.maximum.accumulate(np.where(begins, place, 0)) + 1
    return number


def _came_lately(touches: Touches, is_first: BoolArray, wanted: BoolArray) -> IntArray:
    """Whether one of the touches that are ``is_first`` came before, on the same account."""
    place = np.arange(len(is_first))
    last = np.maximum.accumulate(np.where(is_first, place, -1))
    last = np.concatenate(([-1], last[:-1]))[: len(place)]
    there = wanted & (last >= 0)
    there &= touches.account[last] == touches.account
    there &= touches.time_us - touches.time_us[last] <= LATELY_DAYS * US_PER_DAY
    return there.astype(np.int64)
