"""One mode or two."""

import numpy as np
import pytest

from solvers.evidence.modes import FEWEST, LEVEL, TESTABLE, one_mode_p_value

pytestmark = pytest.mark.skipif(not TESTABLE, reason="no wheel of the dip test for this machine")


def p_value(times: np.ndarray) -> float:
    found = one_mode_p_value(times)
    assert found is not None
    return found


def test_one_mode_is_hardly_ever_doubted() -> None:
    rng = np.random.default_rng(0)
    laws = [rng.gamma(3.0, 1.0, 200), rng.lognormal(0.0, 0.5, 200), rng.normal(size=200)]
    assert all(p_value(times) > LEVEL for times in laws * 10)


def test_a_second_state_is_seen_unless_it_is_rare() -> None:
    rng = np.random.default_rng(1)
    two = np.where(rng.random(200) < 0.3, 2.0, 1.0) + 0.1 * rng.normal(size=200)
    assert p_value(two) < LEVEL
    rare = np.where(rng.random(200) < 0.04, 2.0, 1.0) + 0.1 * rng.normal(size=200)
    assert p_value(rare) > LEVEL  # as the docstring says


def test_more_times_than_the_table_knows_are_thinned() -> None:
    assert p_value(np.random.default_rng(2).normal(size=200_000)) > LEVEL


def test_few_or_constant_times_tell_nothing() -> None:
    assert one_mode_p_value(np.ones(100)) is None
    assert one_mode_p_value(np.arange(FEWEST - 1.0)) is None
