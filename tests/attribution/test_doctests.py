import doctest

import pytest

from attribution import evidence, kernels, markov, rules
from bizops import bounds, calendar, intervals, models


@pytest.mark.parametrize(
    "module", [bounds, calendar, evidence, kernels, markov, rules, intervals, models]
)
def test_examples_in_docstrings_hold(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
