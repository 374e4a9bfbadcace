"""The same pricing, completion and search by the compiled kernel; whatever it does not cover is
numpy's.
"""

from collections.abc import Iterator

import numpy as np

from solvers.arrays import Booleans
from solvers.compiled.library import Library, library
from solvers.outcome import Options
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.certified import RobustSolution, certified
from solvers.robust.solve.kernel import fleet
from solvers.robust.solve.kernel.cell import Cell, covers, pairs
from solvers.robust.solve.kernel.plan import Found, carried_out
from solvers.robust.solve.kernel.pricing import equally
from solvers.robust.solve.kernel.whole import planned

# Options up to which a cell is solved in a few short calls.
_AT_ONCE = 50_000


def by_kernel(
    problem: Problem, options: Options, progress: Progress, *, prove: bool
) -> RobustSolution | None:
    """A plan with its bound; None where there is no kernel, or none for this, or where least shares
    do not fit the uplink: what is to be said of that is numpy's.
    """
    compiled = library()
    if compiled is None or not covers(problem):
        return None
    cell = Cell(problem).needed(compiled)
    if pairs(problem) > _AT_ONCE:
        found = fleet.planned(compiled, cell, options, progress)
    else:
        found = planned(compiled, cell, options, progress, prove=prove)
    return None if found is None else _solution(compiled, cell, found, options, progress)


def _solution(
    compiled: Library, cell: Cell, found: Found, options: Options, progress: Progress
) -> RobustSolution:
    decision, energy_j = carried_out(compiled, cell, found)
    return certified(decision, energy_j, found.bound_j, found.prices, options, progress)


class Tables:
    """A small cell as the kernel reads it, for all that is asked of the same options."""

    def __init__(self, library: Library, cell: Cell) -> None:
        self._library, self._cell = library, cell
        self._at_tolerance: Cell | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Tables | None":
        """None where there is no kernel, or none for this."""
        found = library()
        if found is None or not covers(problem) or pairs(problem) > _AT_ONCE:
            return None
        return cls(found, Cell(problem))

    def with_margin(self, problem: Problem) -> "Tables":
        """Those of a problem that differs in its margin alone."""
        return Tables(self._library, self._cell.with_margin(problem))

    def _limits(self) -> Iterator[Cell]:
        """The cell, and then its limits at the end of their tolerance."""
        yield self._cell
        if self._at_tolerance is None:
            self._at_tolerance = self._cell.at_tolerance()
        yield self._at_tolerance

    def planned(
        self, rows: Booleans | None, options: Options, progress: Progress, *, prove: bool
    ) -> RobustSolution | None:
        """The plan with some rows of the workload table only; None where there is none, also not
        at the end of the tolerance.
        """
        for limits in self._limits():
            cell = limits.needed(self._library, rows)
            found = planned(self._library, cell, options, progress, prove=prove)
            if found is not None:
                return _solution(self._library, cell, found, options, progress)
        return None

    def equally_j(self, rows: Booleans | None) -> float:
        """Energy of everybody's best row with an equal share of the uplink; infinite where
        somebody has none, also not at the end of the tolerance.
        """
        energy = np.full(self._cell.problem.users, np.inf)
        for limits in self._limits():
            cell = limits.needed(self._library, rows)
            energy = np.minimum(energy, equally(self._library, cell))
            if np.all(np.isfinite(energy)):
                break
        return float(energy.sum())
