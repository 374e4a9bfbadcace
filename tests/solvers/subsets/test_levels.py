"""The cheapest levels, against looking at every choice."""

import itertools

import numpy as np
import pytest

from solvers.progress import Progress
from solvers.subsets.levels import cheapest, dual_bound
from tests.support.seeds import Drawn


def least_of_all(cost: np.ndarray, demand: np.ndarray, capacity: float, price: float) -> float:
    users, levels = cost.shape
    choices = np.array(list(itertools.product(range(levels), repeat=users)))
    n = np.arange(users)
    taken, paid = demand[n, choices].sum(axis=1), cost[n, choices].sum(axis=1)
    over = np.maximum(taken - capacity, 0.0)
    with np.errstate(invalid="ignore"):
        value = np.where(over > 0.0, paid + price * over, paid)
    return float(np.min(value, initial=np.inf, where=~np.isnan(value)))


def drawn_levels(seed: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    rng = np.random.default_rng(seed)
    users, levels = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    if seed % 2:  # whole costs, full of ties and of nothing
        cost = rng.integers(0, 4, (users, levels)) * 1.0
        demand = rng.integers(0, 4, (users, levels)) * 1.0
    else:
        cost, demand = rng.uniform(0.0, 3.0, (2, users, levels))
    cost[rng.random(cost.shape) < 0.1] = np.inf
    demand[rng.random(cost.shape) < 0.1] = np.inf
    price = float(rng.choice([np.inf, np.inf, 0.0, rng.uniform(0.05, 2.0)]))
    return cost, demand, float(rng.uniform(0.1, 1.6) * users), price


def test_the_cheapest_levels_equal_enumeration(drawn: Drawn) -> None:
    none = 0
    for seed in drawn(400, soak=5000):
        cost, demand, capacity, price = drawn_levels(seed)
        best = least_of_all(cost, demand, capacity, price)
        found = cheapest(cost, demand, capacity, Progress(), price=price)
        none += found is None
        if found is None:
            assert best == np.inf
            continue
        assert found.cost == pytest.approx(best, rel=1e-9, abs=1e-12)
        assert found.proven
        n = np.arange(len(cost))
        taken = demand[n, found.choice].sum()
        assert taken <= capacity + found.bought + 1e-12
        assert cost[n, found.choice].sum() + (price if found.bought else 0.0) * found.bought == (
            pytest.approx(found.cost)
        )
        assert dual_bound(cost, demand, capacity, price) <= best * (1.0 + 1e-9) + 1e-12
    assert 10 < none < 200


@pytest.mark.parametrize("values", ["alike", "whole", "any"])
def test_a_crowd_is_settled_or_bounded(values: str) -> None:
    rng = np.random.default_rng(7)
    users = 20_000
    value = {
        "alike": np.ones(users),
        "whole": rng.integers(1, 9, users) * 1.0,
        "any": rng.uniform(0.0, 5.0, users),
    }[values]
    need = rng.lognormal(0.0, 1.0, users)
    cost = np.stack([np.zeros(users), value], axis=1)
    demand = np.stack([need, np.zeros(users)], axis=1)
    found = cheapest(cost, demand, 0.4 * need.sum(), Progress())
    assert found is not None
    assert demand[np.arange(users), found.choice].sum() <= 0.4 * need.sum()
    assert found.at_least <= found.cost <= found.at_least * (1.0 + 1e-5)
    if values == "alike":
        served = int(np.searchsorted(np.cumsum(np.sort(need)), 0.4 * need.sum()))
        assert users - found.cost == served
        assert found.proven


def test_who_stops_it_is_told_what_was_proven_by_then() -> None:
    rng = np.random.default_rng(1)
    value = rng.uniform(1.0, 2.0, 40)
    cost, demand = np.stack([0 * value, value], 1), np.stack([value * 1.0, 0 * value], 1)
    found = cheapest(cost, demand, 0.5 * value.sum(), Progress(time_limit_s=0.0))
    assert found is not None
    assert found.at_least <= found.cost
