"""What the recursions have in common, whatever the channel remembers."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.stopping.solve.costs import Costs

P = TypeVar("P")
"""When to stop and when to wait."""


class Recursion(ABC, Generic[P]):
    """The stopping problem of a block of users of one workload, for every horizon at once."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        self._onward = np.empty(0)

    @property
    @abstractmethod
    def onward_by_look_ahead(self) -> Floats:
        """Expected cost of going on at each cut by the look-ahead rule, infinite at the last."""

    @abstractmethod
    def backward_induction(self) -> tuple[Floats, Floats]:
        """Least expected running cost under each horizon, (horizons, users), and what going on
        costs under it, (cuts, horizons, users).
        """

    @abstractmethod
    def policy(self, onward: Floats, placement: Integers) -> P:
        """What to do at each cut where going on costs `onward`."""

    @abstractmethod
    def running_by_look_ahead(self, policy: P) -> Floats:
        """Expected running cost under each horizon of the look-ahead rule, (horizons, users)."""

    def curves(self, *, late: bool) -> tuple[Floats, Floats]:
        """Expected running cost under each horizon, (horizons, users): of the look-ahead rule, and
        the least there is, not a number where it is late.
        """
        furthest = np.full(self.costs.eta.shape[1], self.costs.layers)
        look = self.running_by_look_ahead(self.policy(self.onward_by_look_ahead, furthest))
        if late:
            return look, np.full_like(look, np.nan)
        running, self._onward = self.backward_induction()
        return look, running

    def onward(self, placement: Integers, *, by_look: bool) -> Floats:
        """What going on costs under each user's placement; by backward induction once `curves` did
        it.
        """
        if by_look:
            return self.onward_by_look_ahead
        return np.asarray(self._onward[:, placement, np.arange(len(placement))])
