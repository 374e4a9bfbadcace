"""Cantelli's margin for moments that were estimated."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from solvers.evidence.ambiguity import FEWEST, Ambiguity, ambiguous_factor, estimated


def test_known_moments_are_cantelli() -> None:
    for risk in (0.01, 0.05, 0.4):
        assert ambiguous_factor(risk, Ambiguity(0.0, 1.0)) == pytest.approx(
            np.sqrt((1 - risk) / risk)
        )


def test_the_factor_is_the_worst_mean_and_variance_of_the_set() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        risk, g1 = rng.uniform(0.005, 0.5), rng.uniform(0.0, 0.5)
        g2 = 1.0 + g1 + rng.uniform(0.0, 2.0)

        def bound(shift: float, risk: float = risk, g2: float = g2) -> float:
            return -(shift + np.sqrt((1 - risk) / risk * (g2 - shift**2)))

        worst = minimize_scalar(bound, bounds=(0.0, np.sqrt(min(g1, g2))), method="bounded")
        ends = max(-bound(0.0), -bound(float(np.sqrt(min(g1, g2)))), -float(worst.fun))
        assert ambiguous_factor(risk, Ambiguity(g1, g2)) == pytest.approx(ends, rel=1e-5)


def test_beyond_the_turning_point_it_is_the_second_moment_alone() -> None:
    assert ambiguous_factor(0.05, Ambiguity(1.0, 2.0)) == pytest.approx(np.sqrt(2.0 / 0.05))


LAWS = {
    "gamma": (lambda rng, n: rng.gamma(2.0, 1.0, n), 2.0, 2.0),
    "lognormal": (
        lambda rng, n: rng.lognormal(0.0, 0.5, n),
        np.exp(0.125),
        (np.exp(0.25) - 1.0) * np.exp(0.25),
    ),
    "two modes": (
        lambda rng, n: np.where(rng.random(n) < 0.2, 3.0, 1.0) + 0.1 * rng.normal(size=n),
        1.4,
        0.16 * 4.0 + 0.01,
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_true_moments_are_in_the_set_about_as_often_as_it_says(law: str) -> None:
    draw, mean, variance = LAWS[law]
    rng, inside, runs = np.random.default_rng(5), 0, 1000
    for _ in range(runs):
        times = draw(rng, 150)
        found, scale = estimated(times, 0.05), times.var(ddof=1)
        shift = (times.mean() - mean) ** 2
        inside += shift <= found.mean * scale and variance + shift <= found.second_moment * scale
    assert 0.93 * runs <= inside <= 0.98 * runs  # 95 % are promised


def test_refuses_what_shows_no_spread() -> None:
    rng = np.random.default_rng(0)
    for times in (np.ones(100), rng.random(FEWEST - 1)):
        with pytest.raises(ValueError, match="not all equal"):
            estimated(times, 0.05)
