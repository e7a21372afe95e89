"""What a touch follows, found at once for all touches, is what a walk over them finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.contexts import LATELY_DAYS, LOG_REPEATS, REPEATS_FROM, find_contexts
from attribution.features import build_features
from attribution.seasons import find_knots, season_basis

from .conftest import Story

CHANNELS = ("ads", "mail", "search")


def walked(journeys, channel, first):
    """By touch: the log of its number, and the channels before it."""
    touches, found = journeys.touches, []
    for i in range(len(touches)):
        before = [j for j in range(i) if touches.account[j] == touches.account[i]]
        number = 1 + sum(touches.unit[j] == touches.unit[i] for j in before)
        lately = {
            int(channel[j])
            for j in before
            if touches.time_us[i] - touches.time_us[j] <= LATELY_DAYS * 86_400_000_000
        }
        log = LOG_REPEATS[np.searchsorted(REPEATS_FROM, number, side="right") - 1]
        found.append((log, (lately - {int(channel[i])}) & set(first.tolist())))
    return found


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 99), st.sampled_from(CHANNELS)),
        min_size=1,
        max_size=40,
    )
)
def test_contexts_are_those_of_a_walk(touches):
    story = Story()
    for account, day, channel in touches:
        story.touch(account, f"2026-0{1 + day // 28}-{1 + day % 28:02}T00:00", channel, channel[0])
    story.sale("a", "2026-05-01T00:00")
    journeys = story.journeys()
    names = [channel for channel, _ in journeys.units]
    channel = np.array([CHANNELS.index(name) for name in names])[journeys.touches.unit]
    contexts = find_contexts(journeys.touches, channel)
    for touch, (log, before) in enumerate(walked(journeys, channel, contexts.first)):
        context = contexts.of_touch[touch]
        assert contexts.channel[context] == channel[touch]
        assert contexts.log_repeats[context] == log
        assert set(contexts.first[contexts.after[context]].tolist()) == before


def test_sequences_are_pairs_of_channels_that_followed_each_other():
    story = Story().touch("a", "2026-01-01", "ads").touch("a", "2026-01-05", "mail")
    story.touch("b", "2026-01-01", "mail").touch("b", "2026-03-05", "ads").sale("b", "2026-03-09")
    features = build_features(story.journeys())
    assert features.contexts.sequences().tolist() == [[0, 1]]


def test_knots_span_the_data_and_hats_sum_to_one():
    knots = find_knots(20_000, 200)
    assert (knots[0], knots[-1]) == (20_000, 20_199)
    basis = season_basis(20_000 + np.arange(-10, 230), knots)
    assert basis[:, : len(knots)].sum(axis=1) == pytest.approx(1.0)


def test_quarter_ends_and_weekends_are_those_of_the_calendar():
    days = np.arange(np.datetime64("2026-03-15"), np.datetime64("2026-04-06"))
    number = days.astype(np.int64)
    basis = season_basis(number, find_knots(int(number[0]) - 300, 322))
    assert days[basis[:, -2] == 1][[0, -1]].astype(str).tolist() == ["2026-03-18", "2026-03-31"]
    weekends = ["2026-03-15", "2026-03-21", "2026-03-22", "2026-03-28", "2026-03-29"]
    assert days[basis[:, -1] == 1].astype(str).tolist()[:5] == weekends


def test_a_short_time_has_no_season():
    assert season_basis(np.arange(30), find_knots(0, 30)).shape == (30, 0)
