"""Bounds recomputed: those of the ranks hold, those a hair below do not."""

import numpy as np
import pytest

from solvers.evidence.check import holds
from solvers.evidence.ranks import Bound, bound_of


@pytest.mark.parametrize("samples", [59, 60, 150, 1000])
def test_the_least_rank_holds_and_the_one_before_does_not(samples: int) -> None:
    times = np.random.default_rng(samples).gamma(2.0, 1.0, samples)
    found = bound_of([times], 0.05, 0.05)
    assert isinstance(found, Bound)
    assert holds(found.parts_s, [times], 0.05, 0.05)
    before = np.sort(times)[found.rank[0] - 2]
    assert not holds([float(before)], [times], 0.05, 0.05)


def test_parts_share_risk_and_doubt() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.random(2000), rng.random(3000)]
    found = bound_of(parts, 0.05, 0.05)
    assert isinstance(found, Bound)
    assert holds(found.parts_s, parts, 0.05, 0.05)
    each = [float(np.quantile(part, 0.95)) for part in parts]  # as if the risk were each one's
    assert not holds(each, parts, 0.05, 0.05)
    assert not holds([0.0, 1.0], parts, 0.05, 0.05)


def test_tied_samples_count_once_each() -> None:
    times = np.repeat([1.0, 2.0], [90, 10])
    assert not holds([1.0], [times], 0.05, 0.05)
    assert holds([2.0], [times], 0.05, 0.05)
