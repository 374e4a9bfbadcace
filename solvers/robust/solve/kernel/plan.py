"""What the kernel found, and the same in numbers that a device can set."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.crew import parts
from solvers.compiled.library import Library, address
from solvers.robust.budget import budget_of
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve.candidates import curves_of
from solvers.robust.solve.kernel.cell import Cell, options

_AT_ONCE = 65_536  # users: temporary arrays stay in the cache


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


def carried_out(library: Library, cell: Cell, found: Found) -> tuple[Decision, float]:
    """The plan with its clocks, and the energy [J] of these very numbers."""
    problem, rows, share_hz = cell.problem, found.rows, found.share_hz
    clock, energy = np.empty(problem.users), np.empty(1)
    call = library.function("sp_robust_carry_out", "aaaaa")
    if not call(cell.address, *map(address, (rows, share_hz, clock, energy))):
        return _by_arrays(problem, found)
    decision = Decision(option=options(problem, rows), frequency_hz=clock, bandwidth_hz=share_hz)
    return decision, float(energy[0])


def _by_arrays(problem: Problem, found: Found) -> tuple[Decision, float]:
    """As `carried_out`, where a limit is kept by rounding alone."""
    clock, energy = np.empty(problem.users), 0.0
    for start, stop in parts(problem.users, _AT_ONCE):
        users, pairs = np.arange(start, stop), np.arange(stop - start + 1)
        budget = budget_of(problem, pairs, users, found.rows[start:stop])
        curves = curves_of(problem, budget)
        clock[start:stop], spent_j = curves.carried_out(found.share_hz[start:stop])
        energy += spent_j
    decision = Decision(
        option=options(problem, found.rows), frequency_hz=clock, bandwidth_hz=found.share_hz
    )
    return decision, energy
