import doctest

import pytest

from attribution import kernels, markov, rules, summary
from bizops import intervals, models


@pytest.mark.parametrize("module", [kernels, markov, rules, summary, intervals, models])
def test_examples_in_docstrings_hold(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
