"""The closed-form cost of a chosen option against a grid of shares."""

import numpy as np
import pytest

from solvers.multiuser.solve.chosen import Chosen, capped_cost


@pytest.mark.slow
def test_capped_price_is_the_least_over_a_grid_of_shares() -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([np.geomspace(1e-5, 1.0, 1_200)])
    capped = 0
    for _ in range(200):
        a, c = rng.exponential(0.3, 2) * (rng.random(2) < 0.9)
        slack = float(rng.choice([np.inf, (a + c) * rng.uniform(1.001, 4.0) + 1e-3]))
        k, p, q = rng.uniform(0.3, 2.0), *(rng.exponential(0.5, 2) + 0.02)
        chosen = Chosen(*(np.array([v]) for v in (0.0, np.sqrt(a), np.sqrt(c), slack, k)))
        found = float(capped_cost(chosen, np.array([p]), np.array([q]))[0])
        latency = a / x[:, None] + c / x
        cost = np.where(
            latency <= slack,
            k * k * latency + p * p * x[:, None] * (a > 0) + q * q * x * (c > 0),
            np.inf,
        )
        assert found <= cost.min() * (1 + 1e-9)
        assert found >= cost.min() * (1 - 0.02)
        free = (k * np.sqrt(a) > p) or (k * np.sqrt(c) > q)
        capped += free
    assert capped > 30
