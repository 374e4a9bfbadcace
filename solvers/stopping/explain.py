"""Why a user has the placement it has: each one's expected cost, and what would make it win.

Users share nothing, so a user's question is its own problem: what a fleet saves without it is what
it costs, exactly.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.channel import Markov, RateTrace
from solvers.stopping.problem import EACH_USER, Problem
from solvers.stopping.solve.plan import Plan
from solvers.thresholds import Flip, around, flips

Quantity = Literal["mean_snr", "energy_per_j", "inferences"]

# Of the logarithm, to both sides: 40 dB, a factor of a thousand, of a million.
_REACH = {"mean_snr": 4.0 * np.log(10.0), "energy_per_j": np.log(1e3), "inferences": np.log(1e6)}
_STEPS = 40
# Mean SNRs of one block differ by this factor at most, so that the nodes of its quadrature are
# where each of them needs them.
_ALIKE = 1.3


class Asked:
    """The question of one user.

    Parameters
    ----------
    problem : of this user alone (`Problem.part`).
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = replace(problem, clairvoyant=False)

    @cached_property
    def now(self) -> tuple[Floats, Floats]:
        """Expected running cost and placement cost of each placement, per inference; infinite where
        it is not possible.
        """
        running, placing = _costs(self.problem)
        return running[0], placing[0]

    @property
    def fits(self) -> Booleans:
        """Placements that the device has memory for."""
        fits = self.problem.fits_memory(slice(0, 1), int(self.problem.workload[0]))
        return np.asarray(fits[0])

    @property
    def quantities(self) -> list[Quantity]:
        """What can be moved."""
        found: list[Quantity] = []
        if self.problem.mean_snr is not None and not self._in_rates:
            found.append("mean_snr")
        if self.problem.energy_per_j > 0.0 and self.problem.time_per_s > 0.0:
            found.append("energy_per_j")
        return [*found, "inferences"]

    @property
    def _in_rates(self) -> bool:
        return isinstance(self.problem.law, RateTrace | Markov)

    def value(self, quantity: Quantity) -> float:
        """What a quantity is."""
        found = getattr(self.problem, quantity)
        return float(found[0]) if quantity == "mean_snr" else float(found)

    def flips(self, quantity: Quantity) -> list[Flip]:
        """Where another placement would win, all else as it is."""
        grid = around(self.value(quantity), _REACH[quantity], _STEPS)
        return flips(lambda values: self.costs(quantity, values), grid, _STEPS)

    def costs(self, quantity: Quantity, values: Floats) -> Floats:
        """The total cost of each placement where a quantity has other values, (values,
        placements).
        """
        if quantity == "inferences":  # only what placing costs is spread over them
            running, placing = self.now
            spread = self.problem.inferences / values[:, None]
            return np.asarray(running + placing * spread)
        if quantity == "energy_per_j":
            return np.concatenate(
                [sum(_costs(replace(self.problem, energy_per_j=float(v)))) for v in values]
            )
        found = np.empty((len(values), len(self.now[0])))
        for some in _alike(values):
            found[some] = sum(_costs(_copies(self.problem, values[some])))
        return found


def _alike(values: Floats) -> list[Integers]:
    """Positions of values that are near each other, group by group."""
    order = np.argsort(values)
    group = np.floor(np.log(values[order] / values[order[0]]) / np.log(_ALIKE))
    return np.split(order, np.flatnonzero(np.diff(group)) + 1)


def _copies(problem: Problem, mean_snr: Floats) -> Problem:
    columns: dict[str, Any] = {
        name: None if (values := getattr(problem, name)) is None else values.repeat(len(mean_snr))
        for name in ("workload", *EACH_USER, "placement")
    }
    return replace(problem, mean_snr=mean_snr, **columns)


def _costs(problem: Problem) -> tuple[Floats, Floats]:
    """Running and placement cost of every placement of users of one workload, (users,
    placements).
    """
    running, placing = Plan(problem).totals(int(problem.workload[0]), np.arange(problem.users))
    return running.T, placing.T
