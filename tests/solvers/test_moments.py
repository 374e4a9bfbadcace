"""Margins and variances against sampling and against their own definitions."""

import numpy as np
import pytest
from scipy.stats import norm

from solvers.margin import Margin
from solvers.moments import margin_factor, miss_bound, risk_for, total_variance


def test_cantelli_is_attained_by_the_two_point_law() -> None:
    """An atom at the deadline with mass `risk` has exactly the mean and variance that the margin
    was made for.
    """
    for risk in (1e-6, 0.01, 0.3, 0.9):
        factor = float(margin_factor(np.array([risk]), Margin.CANTELLI)[0])
        high, low = 1.0, 0.0
        mean = risk * high + (1 - risk) * low
        deviation = np.sqrt(risk * (1 - risk)) * (high - low)
        assert mean + factor * deviation == pytest.approx(high, rel=1e-12)
        assert miss_bound(np.array([mean]), np.array([deviation**2]), np.array([high]))[
            0
        ] == pytest.approx(risk)


def test_gaussian_is_the_normal_quantile() -> None:
    risk = np.array([0.5, 0.1, 1e-3, 1e-9])
    assert np.allclose(margin_factor(risk, Margin.GAUSSIAN), norm.isf(risk), atol=1e-12)


def test_the_other_margins_keep_nothing() -> None:
    for margin in (Margin.MEAN, Margin.WORST_CASE):
        assert not margin_factor(np.array([0.1, 0.2]), margin).any()


def test_variance_is_that_of_a_correlated_sum() -> None:
    rng = np.random.default_rng(0)
    for correlation in (-0.9, 0.0, 0.7):
        covariance = [[4.0, correlation * 6.0], [correlation * 6.0, 9.0]]
        pairs = rng.multivariate_normal([0, 0], covariance, 200_000).sum(axis=1) + rng.normal(
            0, 1, 200_000
        )
        total = total_variance(np.array(4.0), np.array(9.0), 1.0, np.array(correlation))
        assert total == pytest.approx(pairs.var(), rel=0.02)


def test_variance_takes_the_worse_end_of_a_range() -> None:
    correlation = np.array(-0.9)
    low, high = total_variance(np.array(0.0), np.array(4.0), 0.0, correlation), None
    high = total_variance(np.array(1.0), np.array(4.0), 0.0, correlation)
    # At this correlation a steady device is worse than one that makes up for the server.
    assert low > high
    assert total_variance(np.array(1.0), np.array(4.0), 0.0, correlation, np.array(0.0)) == low
    assert total_variance(np.array(1.0), np.array(1.0), 0.0, np.array(-1.0)) == 0.0


def test_miss_bound_at_its_edges() -> None:
    mean, variance, deadline = (
        np.array([2.0, 1.0, 1.0, 0.5]),
        np.array([0.1, 0.1, 0.0, 0.0]),
        np.full(4, 1.0),
    )
    assert miss_bound(mean, variance, deadline).tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("margin", [Margin.CANTELLI, Margin.UNIMODAL, Margin.GAUSSIAN])
def test_the_risk_of_a_factor_is_the_inverse(margin: Margin) -> None:
    risk = np.concatenate((np.geomspace(1e-6, 0.49, 200), [1.0 / 6.0]))
    assert risk_for(margin_factor(risk, margin), margin) == pytest.approx(risk, rel=1e-9)


def test_no_risk_is_looked_at_without_a_margin() -> None:
    with pytest.raises(ValueError, match="no risk"):
        risk_for(np.ones(1), Margin.MEAN)


def test_the_unimodal_margin_is_what_was_published() -> None:
    factors = margin_factor(np.array([0.05, 0.01, 1.0 / 6.0, 0.5]), Margin.UNIMODAL)
    assert factors == pytest.approx([2.8087, 6.5912, np.sqrt(5.0 / 3.0), np.sqrt(0.6)], abs=1e-4)


def test_laws_of_one_mode_keep_the_unimodal_margin_and_one_attains_it() -> None:
    """An atom with a uniform tail: of all its sizes one is late as often as the bound allows."""
    size = np.linspace(1e-4, 1.0, 200_001)  # mass of the tail, from the atom to 1 beyond it
    low, high = -0.5 * size, 1.0 - 0.5 * size
    variance = (1 - size) * low**2 + size * (high**3 - low**3) / 3
    for risk in (0.01, 0.05, 0.15):
        k = float(margin_factor(np.array([risk]), Margin.UNIMODAL)[0])
        late = size * np.clip(high - k * np.sqrt(variance), 0.0, None)
        assert late.max() == pytest.approx(risk, rel=1e-6)
