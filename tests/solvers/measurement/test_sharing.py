"""Shares of time: shapes, a law of the work, FLOP, and their errors."""

import numpy as np
import pytest

from solvers.measurement.sharing import (
    Work,
    mix_law,
    nearness,
    sharing_errors,
    spread,
)

SECONDS = np.array([2e-11, 3e-11, 5e-10, 1e-5])


def a_work(seed: int, pieces: int = 8) -> Work:
    rng = np.random.default_rng(seed)
    flop = np.append(0.0, np.cumsum(rng.uniform(0.0, 1e9, pieces)))
    parameter_byte = np.append(0.0, np.cumsum(rng.uniform(0.0, 1e7, pieces)))
    feature_byte = np.append(rng.uniform(1e3, 1e7, pieces), 0.0)
    return Work(flop=flop, feature_byte=feature_byte, parameter_byte=parameter_byte)


def times_s(work: Work) -> np.ndarray:
    """Of each piece, by hand."""
    moved = work.feature_byte[:-1] + work.feature_byte[1:]
    return np.asarray(
        SECONDS[0] * np.diff(work.flop)
        + SECONDS[1] * moved
        + SECONDS[2] * np.diff(work.parameter_byte)
        + SECONDS[3]
    )


def test_a_law_is_found_and_shares_a_network_it_never_saw() -> None:
    works = [a_work(seed) for seed in range(4)]
    times = [times_s(work) for work in works]
    shares = [np.append(0.0, np.cumsum(each) / each.sum()) for each in times]
    law = mix_law(works[1:], shares[1:], [float(each.sum()) for each in times[1:]])
    assert law.seconds == pytest.approx(SECONDS)
    assert law.share(works[0]) == pytest.approx(shares[0])


def test_boards_that_took_as_long_count_most() -> None:
    weight = nearness(np.array([0.1, 1.0, 2.0]), 1.0)
    assert weight.sum() == pytest.approx(1.0)
    assert weight[1] > weight[2] > weight[0]


def test_errors_are_of_the_worst_cut_and_narrow_towards_the_ends() -> None:
    told = np.array([0.0, 0.05, 0.5, 1.0])
    cases = [(told, told + np.array([0.0, 0.0, error, 0.0])) for error in np.linspace(0, 0.2, 21)]
    errors = sharing_errors(cases)
    assert (errors.cases, errors.largest) == (21, pytest.approx(0.2))
    assert errors.median == pytest.approx(0.1)
    assert errors.p90 == pytest.approx(0.19)  # the 20th of 22
    low, high = errors.interval(told)
    assert (low[0], high[0], low[-1], high[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert high[2] - told[2] == pytest.approx(0.19)
    assert high[1] - told[1] == pytest.approx(0.19 * spread(told)[1] / spread(told)[2])
    assert low[1] == 0.0
