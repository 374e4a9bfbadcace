"""The check's integrals over a fading channel against scipy's adaptive ones."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from solvers.rate_law import SHANNON, RateLaw
from solvers.stopping.check.fades import Fades
from solvers.stopping.check.laws import (
    carried_bps,
    full_snr,
    log_gain_density,
    log_gain_span,
    needed_snr,
)
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Problem
from tests.support.stopping.problems import RATE_LAWS, a_problem

MEAN_SNR = np.array([0.1, 300.0])
RATES_BPS = np.array([0.0, 3e6])


def adaptive(problem: Problem, law: Any, mean_snr: float, rate_bps: float) -> tuple[float, float]:
    """P(R >= rate, up) and E[1/R; R >= rate, up]."""
    low, high = log_gain_span(law)
    least = max(float(needed_snr(problem, np.array(rate_bps))), problem.min_snr)
    start = min(max(low, np.log(least / mean_snr) if least > 0.0 else -np.inf), high)
    start = max(start, -200.0)  # deeper than anything counts
    bend = min(max(float(np.log(full_snr(problem) / mean_snr)), start), high)
    edges = np.unique([start, bend, high, *np.linspace(max(start, -80.0), high, 12)])
    edges = edges[edges >= start]

    def density(at: float) -> float:
        return float(log_gain_density(law, np.array(at)))

    def paid(at: float) -> float:
        snr = np.array(mean_snr * np.exp(at))
        return density(at) / float(carried_bps(problem, snr))

    mass, sent = (
        sum(quad(what, *ends, epsabs=0.0, epsrel=1e-12)[0] for ends in pairwise(edges))
        for what in (density, paid)
    )
    return mass, sent


@pytest.mark.slow
@pytest.mark.parametrize("rate_law", [SHANNON, RATE_LAWS[0]])
@pytest.mark.parametrize(
    ("law", "min_snr"),
    [
        (Rayleigh(), 1e-3),
        (Rician(30.0), 1e-2),
        (Nakagami(3.0), 0.0),
        (LogNormal(20.0), 0.0),  # so wide that ln(1 + SNR) bends within its panels
    ],
)
def test_integrals_are_adaptive_ones(law: Any, min_snr: float, rate_law: RateLaw) -> None:
    users = len(MEAN_SNR)
    problem = a_problem(
        users, law=law, min_snr=min_snr, mean_snr=MEAN_SNR, rate_law=rate_law, coherence_time_s=1.0
    )
    mass, sent = Fades(problem, law, MEAN_SNR).beyond(RATES_BPS[:, None] + np.zeros(users))
    for at, rate_bps in enumerate(RATES_BPS):
        for user, mean_snr in enumerate(MEAN_SNR):
            expected = adaptive(problem, law, mean_snr, rate_bps)
            assert mass[at, user] == pytest.approx(expected[0], rel=1e-11, abs=1e-17)
            assert sent[at, user] == pytest.approx(expected[1], rel=1e-11, abs=1e-24)
