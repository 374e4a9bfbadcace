"""The uplink's time and its slopes, with and without a cap."""

import numpy as np
import pytest
from scipy.optimize import brentq

from solvers.robust.solve.rates import inverse_psi, log_cap_of, log_psi, log_snr_for


@pytest.mark.parametrize("stretch", [1 + 1e-9, 1 + 1e-6, 1 + 1e-3, 1.1, 2.0, 50.0, 1e6, 1e30])
def test_snr_for_a_stretch_solves_its_equation(stretch: float) -> None:
    x = float(log_snr_for(np.array([stretch]))[0])

    def excess(x: float) -> float:
        return np.log(np.exp(x) / np.log1p(np.exp(x))) - np.log(stretch)

    if stretch > 1.01:
        assert x == pytest.approx(brentq(excess, -20, 120, xtol=1e-14), abs=1e-9)
    else:
        assert np.exp(x) == pytest.approx(2.0 * (stretch - 1.0) * (1 + (stretch - 1) / 3), rel=1e-6)


@pytest.mark.parametrize("cap", [1e-3, 0.7, 1.4, 3.5, 40.0])
def test_snr_for_a_stretch_beyond_the_cap_is_a_straight_line(cap: float) -> None:
    at_cap = np.expm1(cap) / cap
    stretch = 1.0 + (at_cap - 1.0) * np.array([0.5, 0.999, 1.0, 1.001, 2.0, 1e3])
    x = log_snr_for(stretch, cap)
    s = np.exp(x)
    assert np.allclose(s / np.minimum(np.log1p(s), cap), stretch, rtol=1e-12)
    assert x[2] == pytest.approx(log_cap_of(cap), abs=1e-9)
    assert np.array_equal(x[:2], log_snr_for(stretch[:2]))


@pytest.mark.parametrize("cap", [1e-9, 1e-3, 1.4, 30.0, 300.0])
def test_the_cap_is_reached_where_the_rate_law_says(cap: float) -> None:
    assert np.log1p(np.exp(log_cap_of(cap))) == pytest.approx(cap, rel=1e-12)


def test_psi_is_what_one_more_hertz_saves_and_its_inverse_is_its_inverse() -> None:
    x, step = np.linspace(-12.0, 40.0, 200), 1e-5

    def time(log_snr: np.ndarray) -> np.ndarray:
        return np.exp(log_snr) / np.log1p(np.exp(log_snr))

    slope = (time(x + step) - time(x - step)) / (np.exp(x + step) - np.exp(x - step))
    psi, rising = log_psi(x)
    some = x > -3.0  # below, the difference is rounding
    assert np.allclose(psi[some], np.log(np.exp(2.0 * x) * slope)[some], atol=1e-6)
    assert np.all((rising > 1.0) & (rising <= 2.0 + 1e-12))
    assert np.allclose(inverse_psi(psi)[0], x, atol=1e-11)
