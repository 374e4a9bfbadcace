"""What the same cell would spend with simpler rules: the baselines of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.margin import BY_MOMENTS, OF_OPTIONS, Margin
from solvers.moments import margin_factor
from solvers.outcome import Options, Solution, relative_gap
from solvers.progress import Progress, Stage, as_baseline
from solvers.robust.budget import time_budget
from solvers.robust.details import lateness
from solvers.robust.problem import Problem, Workloads
from solvers.robust.solve import RobustSolution, attempt
from solvers.robust.solve.candidates import Candidates, in_blocks, options_of
from solvers.robust.solve.kernel import Tables
from solvers.robust.solve.kernel.cell import pairs
from solvers.robust.solve.servers.solved import assign

# Larger tables take longer to plan with than to look through, and much memory to keep.
_KEPT_ROWS = 1_000
# A search pays for itself up to this many options: beyond, it may take longer than the plan.
_SEARCHED = 500
# Nobody waits longer than this for a baseline's proof unless it was asked for.
_PATIENCE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Energy of a rule and what it spends at least [J]; None where it cannot keep every
    deadline.
    """

    energy_j: float | None
    lower_bound_j: float | None = None
    violation_bound_max: float | None = None

    @property
    def feasible(self) -> bool:
        """Whether the rule keeps every deadline at its risk."""
        return self.energy_j is not None

    @property
    def gap(self) -> float | None:
        """Relative distance of the two."""
        if self.energy_j is None or self.lower_bound_j is None:
            return None
        return relative_gap(self.energy_j, self.lower_bound_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """All on the device; all at the edge; the uplink split equally with best cuts; risk ignored."""

    device_only: Baseline
    edge_only: Baseline
    equal_share: Baseline
    mean_only: Baseline
    # The same options with other margins; None where nobody asked.
    margins: Mapping[Margin, Baseline] | None = None


@dataclass(frozen=True, slots=True)
class _Rules:
    """How hard to try, and the plan that is measured."""

    plan: RobustSolution | None
    options: Options
    prove: bool
    tables: Tables | None  # of the cell, where it is for the kernel
    planned: Integers | None  # rows of the plan

    def searched(self, count: int) -> bool:
        """Whether to search among so many options."""
        return self.prove or count <= _SEARCHED

    def with_margin(self, problem: Problem, progress: Progress) -> RobustSolution | None:
        """The plan of a problem that differs in its margin alone; None where there is none."""
        prove = self.searched(pairs(problem))
        if self.tables is not None:
            tables = self.tables.with_margin(problem)
            return tables.planned(None, self.options, progress, prove=prove)
        return self.found(problem, progress)

    def found(self, problem: Problem, progress: Progress) -> RobustSolution | None:
        """The plan of another problem, without the kernel's tables."""
        prove = self.searched(pairs(problem))
        solution = attempt(problem, self.options, progress, prove=prove)
        return solution if isinstance(solution, Solution) else None


def baselines(
    problem: Problem,
    plan: RobustSolution | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    prove: bool = False,
    margins: bool = False,
) -> Baselines:
    """Plan the cell by each of the simpler rules.

    Parameters
    ----------
    plan : the cell's own, if there is one. Where it keeps a rule it is a plan by that rule, so no
        such rule is dearer.
    options : `gap` as that of the plan.
    progress : a third of its time is each rule's that is searched for.
    prove : search until the gap is proven, however many options there are.
    margins : plan with each margin that looks at moments, too.
    """
    options, progress = options or Options(), progress or Progress()
    limit_s = progress.left_s() / 3.0
    if not prove:
        limit_s = min(limit_s, _PATIENCE_S)
    work = problem.workloads
    rules_count = 5 if margins else 4

    def part(k: int) -> Progress:
        low, high = k / rules_count, (k + 1) / rules_count
        return progress.part(low, high, time_limit_s=limit_s, amend=as_baseline)

    decision = None if plan is None else plan.decision
    planned = None if decision is None else work.first[problem.workload] + decision.option
    rules = _Rules(plan, options, prove, Tables.of(problem), planned)
    on_device, at_edge = _ends_of(work, measured=problem.margin is Margin.MEASURED)
    return Baselines(
        device_only=_among(rules, problem, on_device, part(0)),
        edge_only=_among(rules, problem, at_edge, part(1)),
        equal_share=_equal_share(rules, problem, None, part(2)),
        mean_only=_mean_only(rules, problem, part(3)),
        margins=_over_margins(rules, problem, part(4)) if margins else None,
    )


def _over_margins(rules: _Rules, problem: Problem, progress: Progress) -> dict[Margin, Baseline]:
    """The plans of the same options with each margin that looks at moments.

    The gaussian margin is left out where somebody accepts a risk above one half.
    """
    limit_s = progress.left_s()
    risky = bool(np.any(problem.risk > 0.5))
    margins = [one for one in BY_MOMENTS if one is not Margin.GAUSSIAN or not risky]
    found: dict[Margin, Baseline] = {}
    for k, margin in enumerate(margins):
        if margin is problem.margin and rules.plan is not None:
            plan: RobustSolution | None = rules.plan
        else:
            part = progress.part(
                k / len(margins), (k + 1) / len(margins), time_limit_s=limit_s / len(margins)
            )
            plan = rules.with_margin(problem.with_margin(margin), part)
        found[margin] = (
            Baseline(energy_j=None)
            if plan is None
            else Baseline(energy_j=plan.objective, lower_bound_j=plan.lower_bound)
        )
    return found


@dataclass(frozen=True, slots=True)
class _Some:
    """Some rows of a workload table."""

    rows: Booleans
    count: Integers  # of each workload
    send: bool  # whether any of them sends anything

    @classmethod
    def of(cls, work: Workloads, rows: Booleans) -> "_Some":
        count = np.add.reduceat(rows, work.first[:-1], dtype=np.int64)
        return cls(rows, count, bool(np.any(work.crossing_bit[rows] > 0.0)))


def _ends_of(work: Workloads, *, measured: bool) -> tuple[_Some, _Some]:
    """The rows that compute all on the device, and those that compute nothing there."""
    small = len(work.cut) <= _KEPT_ROWS
    return (_kept_ends if small else _made_ends)(work, measured)


def _made_ends(work: Workloads, measured: bool) -> tuple[_Some, _Some]:
    last = np.repeat(np.maximum.reduceat(work.cut, work.first[:-1]), np.diff(work.first))
    on_device = work.cut == last
    if measured:  # the last cut may be without samples, and left out
        on_device &= work.crossing_bit == 0.0
    return _Some.of(work, on_device), _Some.of(work, work.cut == 0)


# The same workloads come again and again, each the same object.
_kept_ends = lru_cache(maxsize=32)(_made_ends)


def _among(rules: _Rules, problem: Problem, some: _Some, progress: Progress) -> Baseline:
    """The best plan with some rows of the workload table only."""
    plan = rules.plan
    if plan is not None and rules.planned is not None and some.rows[rules.planned].all():
        # The best of all plans keeps the rule, and what bounds all plans bounds those that do.
        return Baseline(energy_j=plan.objective, lower_bound_j=plan.lower_bound)
    if not some.count.all():
        return Baseline(energy_j=None)  # somebody has no such option
    if not some.send:
        # Who sends nothing needs no share: everybody's best cut is the plan.
        return _equal_share(rules, problem, some.rows, progress)
    if rules.tables is not None:
        prove = rules.searched(int(some.count[problem.workload].sum()))
        found = rules.tables.planned(some.rows, rules.options, progress, prove=prove)
    else:
        kept = problem.workloads.keep(some.rows)
        found = rules.found(replace(problem, workloads=kept), progress)
    if found is None:
        return Baseline(energy_j=None)
    return Baseline(energy_j=found.objective, lower_bound_j=found.lower_bound)


def _equal_share(
    rules: _Rules, problem: Problem, rows: Booleans | None, progress: Progress
) -> Baseline:
    """Everybody's best cut with an equal part of the uplink, perhaps of some rows only; where
    servers have budgets, the best cuts that these have room for.
    """
    progress.stage(Stage.PRICE, 0.0, 1.0)
    if rules.tables is not None:
        total = rules.tables.equally_j(rows)
        energy = total if np.isfinite(total) else None
        return Baseline(energy_j=energy, lower_bound_j=energy)
    if rows is not None:
        problem = replace(problem, workloads=problem.workloads.keep(rows))
    if problem.server_capacity:
        return _assigned(problem, rules.options, progress)
    total = 0.0
    for users in in_blocks(problem):
        progress.tick(users[0] / problem.users)
        energy_j = _at_equal_shares(problem, users)
        if np.any(np.isinf(energy_j)):  # a limit may be missed by rounding alone
            energy_j = np.minimum(energy_j, _at_equal_shares(problem.at_tolerance(), users))
        total += float(energy_j.sum())
    energy = total if np.isfinite(total) else None
    return Baseline(energy_j=energy, lower_bound_j=energy)  # nothing is left to be found


def _assigned(problem: Problem, options: Options, progress: Progress) -> Baseline:
    """As `_equal_share`, within the budgets of servers."""
    progress.stage(Stage.PRICE, 0.0, 1.0)
    for limits in (problem, problem.at_tolerance()):  # missed by rounding alone, perhaps
        candidates, energy_j = _equally(limits, np.arange(problem.users))
        if np.any(np.isinf(candidates.least(energy_j))):
            continue
        found = assign(limits, candidates, energy_j, options, progress)
        if found is not None:
            return Baseline(energy_j=found[0], lower_bound_j=found[1])
    return Baseline(energy_j=None)


def _at_equal_shares(problem: Problem, users: Integers) -> Floats:
    """Energy of each user's best cut with an equal part of the uplink; infinite where no cut is in
    time.
    """
    candidates, energy_j = _equally(problem, users)
    return candidates.least(energy_j)


def _equally(problem: Problem, users: Integers) -> tuple[Candidates, Floats]:
    """The options of some users, and their energy with an equal part of the uplink; infinite where
    that is in time for none.
    """
    share = problem.bandwidth_hz / problem.users
    candidates, possible = options_of(problem, users)
    curves = candidates.curves
    fits = possible & (curves.least_hz <= share)
    x = np.where(curves.sends & fits, curves.x_at(share), 0.0)
    return candidates, np.where(fits, curves.energy_j(x), np.inf)


def _margin_s(problem: Problem) -> Floats:
    """What is kept free for the risk: of all options, or of a sample where none is negative and
    some are not 0 if any is.
    """
    if problem.margin in OF_OPTIONS:
        return time_budget(problem).margin_s
    factor, work = margin_factor(problem.risk, problem.margin), problem.workloads
    varies = (
        work.device_variance_s2.any()
        or work.server_variance_s2.any()
        or problem.network_variance_s2 > 0.0
    )
    return factor if varies else np.zeros(1)


def _mean_only(rules: _Rules, problem: Problem, progress: Progress) -> Baseline:
    """The plan that looks at mean delays alone, and the worst bound on lateness that it accepts by
    doing so.
    """
    plan, margin = rules.plan, _margin_s(problem)
    blind = problem.with_margin(Margin.MEAN)
    same = plan is not None and not np.any(margin)
    found = plan if same else rules.with_margin(blind, progress)
    if found is None or found.decision is None or found.objective is None:
        return Baseline(energy_j=None)
    if (
        plan is not None
        and plan.objective is not None
        and plan.objective < found.objective
        and np.all(margin >= 0.0)
    ):
        # The plan is in time on average too.
        found = replace(found, decision=plan.decision, objective=plan.objective)
    assert found.decision is not None
    bound = lateness(blind, found.decision)
    return Baseline(
        energy_j=found.objective,
        lower_bound_j=found.lower_bound,
        violation_bound_max=float(bound.max()),
    )
