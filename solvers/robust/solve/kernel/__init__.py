"""The same pricing, completion and search by the compiled kernel; whatever it does not cover is
numpy's.
"""

import numpy as np

from solvers.arrays import Booleans, Floats
from solvers.compiled.library import Library, library
from solvers.outcome import Options
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.certified import RobustSolution, certified
from solvers.robust.solve.kernel import fleet
from solvers.robust.solve.kernel.cell import Cell, covers, pairs
from solvers.robust.solve.kernel.plan import Found, carried_out
from solvers.robust.solve.kernel.pricing import Pricing
from solvers.robust.solve.kernel.whole import planned

# Options up to which a cell is solved in a few short calls.
_AT_ONCE = 50_000


def by_kernel(
    problem: Problem, options: Options, progress: Progress, *, prove: bool
) -> Found | None:
    """A plan with its bound; None where there is no kernel, or none for this, or where least shares
    do not fit the uplink: what is to be said of that is numpy's.
    """
    found = library()
    if found is None or not covers(problem):
        return None
    if pairs(problem) > _AT_ONCE:
        return fleet.planned(found, Cell(problem), options, progress)
    return planned(found, Cell(problem), options, progress, prove=prove)


class Tables:
    """A small cell as the kernel reads it, for all that is asked of the same options."""

    def __init__(self, library: Library, problem: Problem) -> None:
        self._library, self._problem, self._cell = library, problem, Cell(problem)

    @classmethod
    def of(cls, problem: Problem) -> "Tables | None":
        """None where there is no kernel, or none for this."""
        found = library()
        if found is None or not covers(problem) or pairs(problem) > _AT_ONCE:
            return None
        return cls(found, problem)

    def planned(
        self, rows: Booleans | None, options: Options, progress: Progress, *, prove: bool
    ) -> RobustSolution | None:
        """The plan with some rows of the workload table only; None where there is none, also not
        at the end of the tolerance.
        """
        for relaxed in (False, True):
            cell = Cell(self._problem.at_tolerance()) if relaxed else self._cell
            cell = cell if rows is None else cell.among(rows)
            found = planned(self._library, cell, options, progress, prove=prove)
            if found is not None:
                decision, energy = carried_out(cell.problem, found)
                return certified(decision, energy, found.bound_j, found.prices, options, progress)
        return None

    def equally_j(self, rows: Booleans | None) -> float:
        """Energy of everybody's best row with an equal share of the uplink; infinite where
        somebody has none, also not at the end of the tolerance.
        """
        energy = self._equally_j(self._cell, rows)
        if np.any(np.isinf(energy)):
            relaxed = Cell(self._problem.at_tolerance())
            energy = np.minimum(energy, self._equally_j(relaxed, rows))
        return float(energy.sum())

    def _equally_j(self, cell: Cell, rows: Booleans | None) -> Floats:
        cell = cell if rows is None else cell.among(rows)
        pricing = Pricing(self._library, cell, Progress())
        return pricing.equally(pricing.bandwidth_hz / pricing.users)[1]
