"""Touches around the first conversion."""

import numpy as np

from attribution.placebo import touches_around


def test_touches_are_counted_on_their_side_and_in_their_bin(story):
    story.account("a", "2026-01-01T00:00")
    story.touch("a", "2026-01-15T00:00").touch("a", "2026-01-19T12:00", "mail")
    story.sale("a", "2026-01-21T00:00").touch("a", "2026-01-21T00:00")  # at once: before
    story.touch("a", "2026-01-22T00:00").sale("a", "2026-01-23T00:00", "expansion")
    story.touch("b", "2026-01-01T00:00").touch("b", "2026-02-10T00:00")  # never bought
    around = touches_around(story.journeys(), (0.0, 3.0, 10.0, 40.0))
    assert around.channels == ("ads", "mail")
    assert around.accounts == 1
    assert around.before.tolist() == [[1, 1, 0], [1, 0, 0]]
    assert around.after.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert around.days_before.tolist() == [3, 7, 10]  # known for 20 days before
    assert around.days_after.tolist() == [3, 7, 10]  # and for 20 after


def test_a_day_whose_hours_are_hidden_is_on_neither_side(story):
    story.account("a", "2026-01-01T00:00").sale("a", "2026-01-11")
    story.touch("b", "2026-01-01T00:00")  # before which nothing is known of anyone
    story.touch("a", "2026-01-11T09:00").touch("a", "2026-01-11").touch("a", "2026-01-10")
    story.touch("a", "2026-01-12").touch("a", "2026-01-31T00:00")
    around = touches_around(story.journeys(), (0.0, 5.0, 50.0))
    assert around.before.tolist() == [[1, 0]]
    assert around.after.tolist() == [[1, 1]]
    assert around.days_before.tolist() == [5, 5]
    assert around.days_after.tolist() == [5, 14]


def test_a_hidden_touch_on_the_day_of_an_exact_sale_is_not_counted(story):
    story.account("a", "2026-01-01T00:00").sale("a", "2026-01-11T08:00").touch("a", "2026-01-11")
    around = touches_around(story.journeys())
    assert not around.before.any()
    assert not around.after.any()


def test_without_conversions_there_is_nothing_around(story):
    around = touches_around(story.touch("a", "2026-01-01").journeys())
    assert around.accounts == 0
    assert not np.any(around.before + around.after)
    assert not around.days_before.any()


def test_where_touches_know_nothing_of_sales_both_sides_are_alike(story):
    rng = np.random.default_rng(3)
    for number in range(200):
        account = f"a{number:03}"
        story.account(account, "2025-01-01T00:00")
        story.sale(account, _at(rng.uniform(100, 260)))
        for _ in range(rng.poisson(12)):
            story.touch(account, _at(rng.uniform(0, 360)))
    story.touch("last", _at(360.0))
    around = touches_around(story.journeys(), (0.0, 30.0, 90.0))
    rates = [
        count.sum(axis=0) / days
        for count, days in (
            (around.before, around.days_before),
            (around.after, around.days_after),
        )
    ]
    np.testing.assert_allclose(rates, 12 / 360, rtol=0.2)


def _at(day: float) -> str:
    minutes = np.timedelta64(round(day * 1440), "m")
    return str(np.datetime64("2025-01-01T00:00") + minutes)
