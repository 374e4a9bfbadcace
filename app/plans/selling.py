"""Prices of changes as solvers take them: what has none is not for sale."""

from collections.abc import Sequence

import numpy as np

from app.plans.repairs import RepairPrices
from solvers.arrays import Floats


def sold(price: float | None) -> float:
    """A price; infinite where there is none."""
    return np.inf if price is None else price


def drop_prices(prices: RepairPrices, ids: Sequence[str], value: Floats) -> Floats:
    """What leaving out each user costs, who is worth so much; infinite where it has to stay."""
    price = np.full(len(ids), np.inf) if prices.drop is None else prices.drop * value
    if prices.users:
        for n, user in enumerate(ids):
            if user in prices.users:
                price[n] = sold(prices.users[user])
    return price
