"""The laws of the channel against scipy's own, and the Markov channel against what it was fitted
to.
"""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from solvers.stopping.channel import (
    GainTrace,
    Law,
    Markov,
    RateTrace,
    fit_markov,
    mean_seconds_per_bit,
    stationary,
)
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician

LAWS = [
    (Rayleigh(), stats.expon()),
    (Rician(0.0), stats.expon()),
    (Rician(3.0), stats.ncx2(2, 6.0, scale=1.0 / 8.0)),
    (Rician(100.0), stats.ncx2(2, 200.0, scale=1.0 / 202.0)),
    (Nakagami(0.5), stats.gamma(0.5, scale=2.0)),
    (Nakagami(1.3), stats.gamma(1.3, scale=1.0 / 1.3)),
    (Nakagami(40.0), stats.gamma(40.0, scale=1.0 / 40.0)),
    (LogNormal(8.0), stats.lognorm(8.0 * np.log(10.0) / 10.0)),
]
NAMES = [str(law) for law, _ in LAWS]


@pytest.mark.parametrize(("law", "truth"), LAWS, ids=NAMES)
def test_law_is_scipys(law: Law, truth: Any) -> None:
    gain = truth.ppf(np.array([1e-6, 1e-3, 0.1, 0.5, 0.9, 0.999, 1.0 - 1e-9]))
    np.testing.assert_allclose(
        law.log_gain_density(np.log(gain)), truth.pdf(gain) * gain, rtol=1e-9
    )
    np.testing.assert_allclose(law.below(gain), truth.cdf(gain), rtol=1e-9)
    np.testing.assert_allclose(law.above(gain), truth.sf(gain), rtol=1e-7)


@pytest.mark.parametrize(("law", "truth"), LAWS, ids=NAMES)
def test_range_leaves_next_to_nothing_out(law: Law, truth: Any) -> None:
    low, high = np.exp(law.log_gain_range)
    assert truth.cdf(low) <= 1e-15
    assert truth.sf(high) <= 1e-15


@pytest.mark.parametrize("law", [Nakagami(1.3), Nakagami(5.0), LogNormal(6.0)], ids=str)
def test_mean_of_the_inverse_gain(law: Law) -> None:
    for edge in (0.05, 1.0, 3.0):
        found, _ = integrate.quad(
            lambda u, law=law: float(law.log_gain_density(np.array(u))) * np.exp(-u),
            max(law.log_gain_range[0], -150.0),
            np.log(edge),
            epsabs=0.0,
            epsrel=1e-11,
            limit=500,
        )
        assert law.inverse_below(np.array([edge]))[0] == pytest.approx(found, rel=1e-7)


def test_where_the_mean_inverse_rate_is_infinite() -> None:
    infinite = [Rayleigh(), Rician(0.0), Rician(1000.0), Nakagami(0.5), Nakagami(1.0)]
    infinite += [GainTrace(np.array([0.0, 1.0])), RateTrace(np.array([0.0, 1.0]))]
    finite = [
        Nakagami(1.01),
        LogNormal(12.0),
        GainTrace(np.ones(1)),
        RateTrace(np.array([1.0, 2.0])),
    ]
    assert not any(law.mean_inverse_rate_finite for law in infinite)
    assert all(law.mean_inverse_rate_finite for law in finite)
    assert np.isinf(Rayleigh().inverse_below(np.array([0.1])))[0]


@pytest.mark.parametrize(("law", "truth"), LAWS, ids=NAMES)
def test_samples_follow_the_law(law: Law, truth: Any) -> None:
    drawn = law.sample(np.random.default_rng(3), (20_000,))
    assert stats.kstest(drawn, truth.cdf).pvalue > 1e-3


def test_traces_are_sampled_evenly() -> None:
    rng = np.random.default_rng(0)
    for law, values in (
        (GainTrace(np.array([1.0, 2.0, 5.0])), {1.0, 2.0, 5.0}),
        (RateTrace(np.array([3.0, 4.0])), {3.0, 4.0}),
    ):
        drawn, counts = np.unique(law.sample(rng, (9000,)), return_counts=True)
        assert set(drawn.tolist()) == values
        assert stats.chisquare(counts).pvalue > 1e-3


def test_fitted_chain_remembers_its_trace() -> None:
    rng = np.random.default_rng(1)
    chain = Markov(
        np.array([1e6, 5e6, 2e7]), np.array([[0.8, 0.2, 0.0], [0.1, 0.7, 0.2], [0.0, 0.3, 0.7]])
    )
    state, path = 0, []
    for _ in range(20_000):
        state = rng.choice(3, p=chain.transition[state])
        path.append(chain.rate_bps[state])
    fitted = fit_markov(np.array(path), 5)
    assert fitted.rate_bps.tolist() == pytest.approx([1e6, 5e6, 2e7])
    np.testing.assert_allclose(fitted.transition, chain.transition, atol=0.03)


def test_fitted_chain_is_stationary_in_what_was_seen() -> None:
    trace = np.abs(np.random.default_rng(2).normal(1e7, 5e6, 501)) + 1.0
    fitted = fit_markov(trace, 7)
    np.testing.assert_allclose(stationary(fitted.transition), fitted.start, atol=1e-12)
    assert fitted.start @ (1.0 / fitted.rate_bps) == pytest.approx(np.mean(1.0 / trace), rel=1e-12)
    assert np.ptp(fitted.start) < 0.01  # equally filled


def test_outage_has_a_state_of_its_own() -> None:
    fitted = fit_markov(np.array([0.0, 5.0, 9.0, 0.5, 6.0, 8.0]), 2, min_rate_bps=1.0)
    assert fitted.in_outage(1.0).tolist() == [True, False, False]
    assert fitted.rate_bps[0] == 0.0
    assert fitted.start[0] == pytest.approx(1 / 3)


def test_chain_refuses_what_is_no_chain() -> None:
    rates = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="transition"):
        Markov(rates, np.array([[0.5, 0.4], [0.5, 0.5]]))
    with pytest.raises(ValueError, match="transition"):
        Markov(rates, np.eye(3))
    with pytest.raises(ValueError, match="initial"):
        Markov(rates, np.full((2, 2), 0.5), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="several stationary laws"):
        _ = Markov(rates, np.eye(2)).start
    with pytest.raises(ValueError, match="two samples"):
        fit_markov(np.array([1.0]), 2)


def test_absorbing_outage_is_seen() -> None:
    stuck = np.array([[1.0, 0.0, 0.0], [0.1, 0.5, 0.4], [0.0, 0.5, 0.5]])
    free = np.array([[0.9, 0.1, 0.0], [0.1, 0.5, 0.4], [0.0, 0.5, 0.5]])
    rates = np.array([0.0, 1.0, 2.0])
    assert Markov(rates, stuck).outage_is_absorbing(0.0)
    assert not Markov(rates, free).outage_is_absorbing(0.0)
    assert Markov(rates, free).outage_is_absorbing(3.0)


def test_downlink_seconds_per_bit() -> None:
    rates = np.array([1.0, 4.0])
    assert mean_seconds_per_bit(rates, one_fade=True) == pytest.approx(0.625)
    assert mean_seconds_per_bit(rates, one_fade=False) == pytest.approx(0.4)
    assert mean_seconds_per_bit(np.array([0.0, 1.0]), one_fade=True) == np.inf
