import doctest

import pytest

from attribution import evidence, kernels, markov, rules, summary
from bizops import bounds, intervals, models


@pytest.mark.parametrize(
    "module", [bounds, evidence, kernels, markov, rules, summary, intervals, models]
)
def test_examples_in_docstrings_hold(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
