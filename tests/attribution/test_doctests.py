import doctest

import pytest

from attribution import kernels, rules, summary
from bizops import intervals


@pytest.mark.parametrize("module", [kernels, rules, summary, intervals])
def test_examples_in_docstrings_hold(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
