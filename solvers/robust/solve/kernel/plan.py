"""What the kernel found, and the same in numbers that a device can set."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.budget import budget_of
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve.candidates import curves_of
from solvers.robust.solve.kernel.cell import options


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A plan, and the bound on all plans."""

    rows: Integers  # (users,) of the workload table
    share_hz: Floats
    price_j_per_hz: float  # what one more hertz saves
    bound_j: float
    dual_price_j_per_hz: float
    energy_j: float  # as the kernel sums it

    @property
    def prices(self) -> dict[str, float]:
        """As solutions tell them."""
        return {
            "bandwidth_j_per_hz": self.price_j_per_hz,
            "dual_bandwidth_j_per_hz": self.dual_price_j_per_hz,
        }


def carried_out(problem: Problem, found: Found) -> tuple[Decision, float]:
    """The plan with its clocks, and the energy [J] of these very numbers: by numpy's formulas, as
    all plans.
    """
    users = np.arange(problem.users)
    budget = budget_of(problem, np.arange(problem.users + 1), users, found.rows)
    clock, energy = curves_of(problem, budget).carried_out(found.share_hz)
    decision = Decision(
        option=options(problem, found.rows), frequency_hz=clock, bandwidth_hz=found.share_hz
    )
    return decision, energy
