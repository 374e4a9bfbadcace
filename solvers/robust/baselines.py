"""What the same cell would spend with simpler rules: the yardsticks of a plan."""

from dataclasses import dataclass, replace

import numpy as np

from solvers.moments import Margin
from solvers.outcome import Options, Status
from solvers.robust.details import describe
from solvers.robust.problem import Problem
from solvers.robust.solve import solve, solve_among
from solvers.robust.solve.candidates import options_of

# Yardsticks are real plans, but nobody needs them proven to the last digit.
_ROUGH = Options(gap=1e-2)


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
    options, possible = options_of(problem)
    row = problem.workloads.first[problem.workload][options.user()] + options.option
    cut = problem.workloads.cut[row]
    last = np.repeat(np.maximum.reduceat(cut, options.first[:-1]), np.diff(options.first))

    def among(mask: np.ndarray) -> Baseline:
        allowed = possible & mask
        least = options.least(np.where(allowed, options.curves.least_hz, np.inf))
        if not least.sum() <= problem.bandwidth_hz:
            return Baseline(energy_j=None)
        if not np.any(allowed & options.curves.sends):
            nothing_sent = np.where(allowed, options.curves.energy_j(np.zeros(len(cut))), np.inf)
            return Baseline(energy_j=float(options.least(nothing_sent).sum()))
        return Baseline(energy_j=solve_among(problem, options.keep(allowed), _ROUGH).objective)

    share = problem.bandwidth_hz / problem.users
    fits = possible & (options.curves.least_hz <= share)
    x = np.where(options.curves.sends & fits, options.curves.x_at(share), 0.0)
    cheapest = options.least(np.where(fits, options.curves.energy_j(x), np.inf))
    equal = float(cheapest.sum())
    return Baselines(
        device_only=among(cut == last),
        edge_only=among(cut == 0),
        equal_share=Baseline(energy_j=equal if np.isfinite(equal) else None),
        mean_only=_mean_only(problem),
    )


def _mean_only(problem: Problem) -> Baseline:
    """The plan that looks at mean delays alone, and the worst bound on lateness that it accepts by doing so."""
    blind = replace(problem, margin=Margin.MEAN)
    solution = solve(blind, _ROUGH)
    if solution.status is Status.INFEASIBLE or solution.decision is None:
        return Baseline(energy_j=None)
    bound = describe(blind, solution.decision).violation_bound
    return Baseline(energy_j=solution.objective, violation_bound_max=float(bound.max()))
