import doctest

import pytest

from warehouse import figures, formats


@pytest.mark.parametrize("module", [figures, formats])
def test_examples_in_docstrings_hold(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
