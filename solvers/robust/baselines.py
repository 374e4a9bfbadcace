"""What the same cell would spend with simpler rules: the yardsticks of a plan."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from solvers.moments import Margin
from solvers.outcome import Options, Progress, Report, Solution, silent
from solvers.robust.details import describe
from solvers.robust.problem import Problem
from solvers.robust.solve import attempt
from solvers.robust.solve.candidates import in_blocks, options_of
from solvers.robust.solve.pulse import Pulse

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


def baselines(problem: Problem, report: Report = silent, clock: Callable[[], float] = time.perf_counter) -> Baselines:
    """Plan the cell by each of the simpler rules; `report` may stop it."""
    work = problem.workloads
    last = np.repeat(np.maximum.reduceat(work.cut, work.first[:-1]), np.diff(work.first))
    options = replace(_ROUGH, clock=clock)
    quarter = [Pulse(options, partial(_quarter, report, k)) for k in range(4)]
    return Baselines(
        device_only=_among(problem, work.cut == last, options, quarter[0]),
        edge_only=_among(problem, work.cut == 0, options, quarter[1]),
        equal_share=_equal_share(problem, quarter[2]),
        mean_only=_mean_only(problem, options, quarter[3]),
    )


def _quarter(report: Report, k: int, progress: Progress, /) -> None:
    """The progress of one rule of four, whose energies are not the plan's."""
    report(Progress(stage="baselines", fraction=0.25 * (k + progress.fraction)))


def _among(problem: Problem, rows: NDArray[np.bool_], options: Options, pulse: Pulse) -> Baseline:
    """The best plan with some rows of the workload table only (every workload has such rows)."""
    work = problem.workloads
    counts = np.add.reduceat(rows.astype(np.int64), work.first[:-1])
    columns = {field.name: getattr(work, field.name)[rows] for field in fields(work)[2:]}
    some = replace(work, first=np.concatenate(([0], np.cumsum(counts))), **columns)
    restricted = replace(problem, workloads=some)
    if not np.any(some.crossing_bit > 0.0):
        return _equal_share(restricted, pulse)  # who sends nothing needs no share: everybody's best cut is the plan
    found = attempt(restricted, options, pulse)
    return Baseline(energy_j=found.objective if isinstance(found, Solution) else None)


def _equal_share(problem: Problem, pulse: Pulse) -> Baseline:
    """Everybody's best cut with an equal part of the uplink."""
    share, total = problem.bandwidth_hz / problem.users, 0.0
    pulse.stage("price", 0.0, 1.0)
    for users in in_blocks(problem):
        pulse.beat(users[0] / problem.users)
        candidates, possible = options_of(problem, users)
        curves = candidates.curves
        fits = possible & (curves.least_hz <= share)
        x = np.where(curves.sends & fits, curves.x_at(share), 0.0)
        total += float(candidates.least(np.where(fits, curves.energy_j(x), np.inf)).sum())
    return Baseline(energy_j=total if np.isfinite(total) else None)


def _mean_only(problem: Problem, options: Options, pulse: Pulse) -> Baseline:
    """The plan that looks at mean delays alone, and the worst bound on lateness that it accepts by doing so."""
    blind = replace(problem, margin=Margin.MEAN)
    found = attempt(blind, options, pulse)
    if not isinstance(found, Solution) or found.decision is None:
        return Baseline(energy_j=None)
    bound = describe(blind, found.decision).violation_bound
    return Baseline(energy_j=found.objective, violation_bound_max=float(bound.max()))
