"""Samples and the clocks they stand for."""

import numpy as np
import pytest

from solvers.measurement.samples import Samples, nominal_hz


def test_clocks_that_stand_for_one() -> None:
    clocks = np.array([1.0e9, 1.003e9, 1.009e9, 1.5e9, np.nan, 8e8])
    named = nominal_hz(clocks)
    assert named[0] == named[1] == named[2] == pytest.approx(1.004e9)
    assert named[3] == 1.5e9
    assert np.isnan(named[4])
    snapped = nominal_hz(clocks, np.array([8e8, 1.005e9, 2e9]))
    assert snapped[:3].tolist() == [1.005e9] * 3
    assert (snapped[3], snapped[5]) == (1.5e9, 8e8)
    assert nominal_hz(clocks, np.array([1e9]))[:2].tolist() == [1e9, 1e9]
    assert np.isnan(nominal_hz(np.array([np.nan]))).all()


def test_a_clock_that_wanders_makes_no_endless_group() -> None:
    clocks = np.linspace(1e9, 2e9, 10_001)
    named = nominal_hz(clocks)
    assert np.max(np.abs(named / clocks - 1.0)) < 0.01
    assert 60 < len(np.unique(named)) < 80


def test_columns_must_go_together() -> None:
    with pytest.raises(ValueError, match="one entry per row"):
        Samples(
            session=np.zeros(1, dtype=np.int64),
            cut=np.zeros(2, dtype=np.int64),
            part=np.zeros(2, dtype=np.int64),
            frequency_hz=np.ones(2),
            requested_hz=np.ones(2),
            order=np.zeros(2, dtype=np.int64),
            time_s=np.ones(2),
            cpu_time_s=np.ones(2),
            involuntary_switches=np.ones(2),
        )
