"""Correlation of the two parts."""

import numpy as np

from solvers.measurement.pairing import pairings
from solvers.measurement.samples import nominal_hz
from tests.support.samples import samples


def test_correlation_is_that_within_each_clock() -> None:
    """Both parts slow down together at low clocks: that is no correlation."""
    rng = np.random.default_rng(0)
    clock = np.tile(np.repeat([5e8, 1e9], 200), 2)
    slow = 1e9 / clock
    shared = rng.normal(0.0, 1.0, 400)
    device = 10.0 + 0.5 * shared + 0.5 * rng.normal(0.0, 1.0, 400)
    server = 10.0 + 0.5 * shared + 0.5 * rng.normal(0.0, 1.0, 400)
    both = samples(
        time_s=np.concatenate([device, server]) * slow,
        frequency_hz=clock,
        part=np.repeat([0, 1], 400),
        order=np.tile(rng.permutation(400), 2),
    )
    found = pairings(both, nominal_hz(both.frequency_hz))[1]
    assert found.pairs == 400
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.2
    unordered = samples(time_s=both.time_s, frequency_hz=clock, part=both.part, order=-1)
    assert pairings(unordered, nominal_hz(clock)) == {}
    twice = samples(
        time_s=both.time_s, frequency_hz=clock, part=both.part, order=np.tile(np.arange(200), 4)
    )
    assert pairings(twice, nominal_hz(clock)) == {}, "an order that is there twice pairs nothing"
