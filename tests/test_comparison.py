"""The error by channel that the demo and the benchmarks report."""

import pytest

from bizops.comparison import compare

TRUTH = {"email": 10.0, "webinar": 30.0}


def test_credit_equal_to_the_truth_has_no_error() -> None:
    assert compare(TRUTH, TRUTH, scaled=False).error == 0


def test_error_is_what_is_misplaced_over_what_was_caused() -> None:
    assert compare({"email": 20.0, "webinar": 30.0}, TRUTH, scaled=False).error == 0.25


def test_scaling_forgives_the_total_but_not_the_division() -> None:
    found = compare({"email": 50.0, "webinar": 50.0}, TRUTH, scaled=True)
    assert found.conversions == {"email": 20.0, "webinar": 20.0}
    assert found.error == 0.5


def test_a_channel_that_only_one_side_knows_counts() -> None:
    assert compare({"fax": 40.0}, TRUTH, scaled=False).error == 2


def test_without_any_caused_conversion_there_is_no_error_to_speak_of() -> None:
    with pytest.raises(ValueError, match="no conversion"):
        compare({}, {"email": 0.0}, scaled=False)
