"""Smallest conflicts, of sums and of tests, against looking at every set."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from solvers.arrays import Integers
from solvers.outcome import Conflict, Proof
from solvers.progress import Progress
from solvers.subsets.conflicts import of_sums, of_tests
from tests.support.conflicts import assert_is_smallest
from tests.support.seeds import Drawn


def test_of_sums_the_largest_demands_are_the_smallest_conflict(drawn: Drawn) -> None:
    sizes = set()
    for seed in drawn(300, soak=3000):
        rng = np.random.default_rng(seed)
        demand = rng.integers(0, 6, rng.integers(1, 9)) * 1.0  # full of ties, and of nothing
        capacity = float(rng.integers(5, 16))  # each fits alone

        def fits(
            some: Iterable[int], demand: np.ndarray = demand, capacity: float = capacity
        ) -> bool:
            return bool(demand[list(some)].sum() <= capacity)

        sizes.add(assert_is_smallest(of_sums(demand, capacity), range(len(demand)), fits))
    assert sizes > {0, 2, 3, 4}


@pytest.mark.parametrize("users", [0, 1])
def test_nobody_and_one_who_fits_do_not_conflict(users: int) -> None:
    assert of_sums(np.full(users, 1.0), 1.0) is None


def of_two(parts: np.ndarray) -> tuple[Conflict | None, Callable[[Iterable[int]], bool]]:
    """Users who share two resources, each by one of two options."""

    def fits(some: Iterable[int]) -> bool:
        chosen = parts[list(some)]
        sums = np.zeros((1, 2))
        for options in chosen:
            sums = (sums[:, None] + options).reshape(-1, 2)
        return bool(np.any(np.all(sums <= 1.0, axis=1)))

    demands = np.stack([parts[:, :, 0].min(1), parts[:, :, 1].min(1), parts.mean(2).min(1)])
    everyone = np.arange(len(parts))
    if fits(everyone):
        return None, fits
    return of_tests(demands, fits, Progress()), fits


def test_of_tests_the_search_ends_with_a_smallest_conflict(drawn: Drawn) -> None:
    sizes = []
    for seed in drawn(60, soak=1000):
        rng = np.random.default_rng(seed)
        users = int(rng.integers(2, 9))
        parts = rng.uniform(0.02, 2.4 / users, (users, 2, 2)).clip(max=1.0)
        found, fits = of_two(parts)
        sizes.append(assert_is_smallest(found, range(users), fits))
    assert {0, 2, 3, 4} <= set(sizes)


def test_what_is_not_settled_is_not_claimed() -> None:
    def unknown(_: Integers) -> None:
        return None

    found = of_tests(np.full((1, 5), 0.3), unknown, Progress())
    assert (len(found.users), found.proof, found.at_least) == (4, Proof.FOUND, 2)


def test_a_large_crowd_is_halved_not_searched() -> None:
    asked = []

    def fits(some: Integers) -> bool:
        asked.append(len(some))
        return len(some) < 700

    found = of_tests(np.full((1, 1_500), 1e-9), fits, Progress())
    assert (len(found.users), found.proof) == (700, Proof.FOUND)
    assert len(asked) < 15
