"""What the same cell would spend with simpler rules: the yardsticks of a plan."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from solvers.moments import Margin
from solvers.outcome import Options, Solution
from solvers.robust.details import describe
from solvers.robust.problem import Problem
from solvers.robust.solve import attempt
from solvers.robust.solve.candidates import in_blocks, options_of

# Yardsticks are real plans, priced and completed: within a per cent of the best, which nobody needs proven.
_ROUGH = Options(gap=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Energy [J] of a rule, None where it cannot keep every deadline."""

    energy_j: float | None
    violation_bound_max: float | None = None

    @property
    def feasible(self) -> bool:
        """Whether the rule keeps every deadline at its risk."""
        return self.energy_j is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """All on the device; all at the edge; the uplink split equally with best cuts; risk ignored."""

    device_only: Baseline
    edge_only: Baseline
    equal_share: Baseline
    mean_only: Baseline


def baselines(problem: Problem) -> Baselines:
    """Plan the cell by each of the simpler rules."""
    work = problem.workloads
    last = np.repeat(np.maximum.reduceat(work.cut, work.first[:-1]), np.diff(work.first))
    return Baselines(
        device_only=_among(problem, work.cut == last),
        edge_only=_among(problem, work.cut == 0),
        equal_share=_equal_share(problem),
        mean_only=_mean_only(problem),
    )


def _among(problem: Problem, rows: NDArray[np.bool_]) -> Baseline:
    """The best plan with some rows of the workload table only (every workload has such rows)."""
    work = problem.workloads
    counts = np.add.reduceat(rows.astype(np.int64), work.first[:-1])
    columns = {field.name: getattr(work, field.name)[rows] for field in fields(work)[2:]}
    some = replace(work, first=np.concatenate(([0], np.cumsum(counts))), **columns)
    restricted = replace(problem, workloads=some)
    if not np.any(some.crossing_bit > 0.0):
        return _equal_share(restricted)  # who sends nothing needs no share: everybody's best cut is the plan
    found = attempt(restricted, _ROUGH)
    return Baseline(energy_j=found.objective if isinstance(found, Solution) else None)


def _equal_share(problem: Problem) -> Baseline:
    """Everybody's best cut with an equal part of the uplink."""
    share, total = problem.bandwidth_hz / problem.users, 0.0
    for users in in_blocks(problem):
        options, possible = options_of(problem, users)
        fits = possible & (options.curves.least_hz <= share)
        x = np.where(options.curves.sends & fits, options.curves.x_at(share), 0.0)
        total += float(options.least(np.where(fits, options.curves.energy_j(x), np.inf)).sum())
    return Baseline(energy_j=total if np.isfinite(total) else None)


def _mean_only(problem: Problem) -> Baseline:
    """The plan that looks at mean delays alone, and the worst bound on lateness that it accepts by doing so."""
    blind = replace(problem, margin=Margin.MEAN)
    found = attempt(blind, _ROUGH)
    if not isinstance(found, Solution) or found.decision is None:
        return Baseline(energy_j=None)
    bound = describe(blind, found.decision).violation_bound
    return Baseline(energy_j=found.objective, violation_bound_max=float(bound.max()))
