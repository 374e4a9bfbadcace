"""The most valuable users who fit, against looking at every set."""

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from solvers.arrays import Integers
from solvers.progress import Progress
from solvers.subsets.admission import of_sums, of_tests
from tests.support.seeds import Drawn


def most_of_all(value: np.ndarray, fits: Callable[[tuple[int, ...]], bool]) -> float:
    sets = (
        some
        for size in range(len(value) + 1)
        for some in itertools.combinations(range(len(value)), size)
    )
    return max(float(value[list(some)].sum()) for some in sets if fits(some))


def test_of_sums_the_value_equals_enumeration(drawn: Drawn) -> None:
    for seed in drawn(200, soak=3000):
        rng = np.random.default_rng(seed)
        users = int(rng.integers(1, 9))
        if seed % 2:
            value, demand = rng.integers(0, 4, (2, users)) * 1.0
        else:
            value, demand = rng.uniform(0.0, 1.0, (2, users))
        demand[rng.random(users) < 0.1] = np.inf
        capacity = float(rng.uniform(0.0, 0.6) * users)

        def fits(
            some: tuple[int, ...], demand: np.ndarray = demand, most: float = capacity
        ) -> bool:
            return bool(demand[list(some)].sum() <= most)

        found = of_sums(value, demand, capacity, Progress())
        assert fits(tuple(found.users.tolist()))
        assert found.value == pytest.approx(value[found.users].sum())
        assert found.value == pytest.approx(most_of_all(value, fits), rel=1e-9, abs=1e-12)
        assert found.proven
        left = np.setdiff1d(np.arange(users), found.users)
        room = capacity - demand[found.users].sum()
        assert not np.any(demand[left] <= room - 1e-9), "nobody is left out for nothing"


def test_of_tests_the_value_equals_enumeration(drawn: Drawn) -> None:
    shared = 0
    for seed in drawn(60, soak=1000):
        rng = np.random.default_rng(seed)
        users = int(rng.integers(1, 8))
        parts = rng.uniform(0.02, 2.6 / users, (users, 2, 2)).clip(max=1.2)
        value = rng.integers(0, 5, users) * 1.0 if seed % 2 else rng.uniform(0.1, 1.0, users)

        def fits(some: Iterable[int], parts: np.ndarray = parts) -> bool:
            sums = np.zeros((1, 2))
            for options in parts[list(some)]:
                sums = (sums[:, None] + options).reshape(-1, 2)
            return bool(np.any(np.all(sums <= 1.0, axis=1)))

        demands = np.stack([parts[:, :, 0].min(1), parts[:, :, 1].min(1), parts.mean(2).min(1)])
        found = of_tests(value, demands, fits, Progress())
        assert fits(found.users)
        best = most_of_all(value, fits)
        assert found.value == pytest.approx(best, abs=1e-12)
        assert found.proven
        shared += len(found.users) < users
    assert shared > 15


def test_a_crowd_is_bounded_where_it_is_not_settled() -> None:
    rng = np.random.default_rng(3)
    demands = rng.lognormal(0.0, 1.0, (2, 3_000)) / 1_500.0
    value = rng.uniform(0.5, 2.0, 3_000)
    asked = []

    def fits(some: Integers) -> bool:
        asked.append(len(some))
        return bool(np.all(demands[:, some].sum(axis=1) <= 1.0))

    found = of_tests(value, np.vstack((demands, demands.mean(axis=0))), fits, Progress())
    assert fits(found.users)
    assert 0.9 * found.at_most < found.value <= found.at_most
    assert len(asked) < 200
