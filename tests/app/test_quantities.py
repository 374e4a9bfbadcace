"""Numbers as bodies may give them."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_device
from tests.support.profiles import faults


@given(st.floats(min_value=-1e18, max_value=1e18))
def test_integers_are_integral_numbers(value: float) -> None:
    body = a_device(memory_byte=value)
    assert (faults(body) == set()) == (value.is_integer() and 1 <= value <= 2**63 - 1)
