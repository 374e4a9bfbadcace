"""Many robust plans of requests that differ little, and their figures."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from app.plans.family import Json, Outline, Prepare, Prepared
from app.plans.robust.present import CellPlan
from app.plans.robust.run import PreparedRobust, plan_cells
from app.plans.surveys import OneByOne
from solvers.arrays import Floats
from solvers.outcome import relative_gap
from solvers.progress import Progress
from solvers.robust.details import describe
from solvers.robust.solve.infeasible import Infeasibility


class RobustSurvey:
    """As `Survey` says."""

    def outlines(
        self, bodies: Sequence[Json], prepare: Prepare, progress: Progress
    ) -> Iterator[tuple[int, Outline]]:
        """As `Survey` says."""
        return OneByOne(_outline).outlines(bodies, prepare, progress)


def _outline(prepared: Prepared, progress: Progress) -> Outline:
    assert isinstance(prepared, PreparedRobust)
    asked = prepared.request.options
    limited = progress.part(time_limit_s=asked.time_limit_s)
    assembled, _ = prepared.admitted(limited)
    plans = plan_cells(assembled.cells, asked, limited)
    return infeasible(plans) if isinstance(plans, Mapping) else planned(plans)


def planned(plans: Sequence[CellPlan]) -> Outline:
    """The figures of a plan, of all its cells together."""
    told = [describe(plan.cell.problem, plan.decision) for plan in plans]

    def of_users(name: str) -> Floats:
        return np.concatenate([getattr(each, name) for each in told])

    losses = [plan.cell.problem.workloads.loss[plan.row] for plan in plans]
    spent, bound = sum(plan.objective for plan in plans), sum(plan.bound for plan in plans)
    return Outline(
        status="timed_out" if any(plan.solution.timed_out for plan in plans) else "solved",
        objective=spent,
        lower_bound=bound,
        checked_lower_bound=sum(plan.certificate.lower_bound or 0.0 for plan in plans),
        gap=relative_gap(spent, bound),
        energy_j=float(of_users("energy_j").sum()),
        latency_mean_s=float(of_users("mean_s").mean()),
        latency_max_s=float(of_users("bound_s").max()),
        slack_min_s=float(of_users("slack_s").min()),
        violation_max=float(of_users("violation_bound").max()),
        loss_mean=float(np.concatenate(losses).mean()),
        bandwidth_used_hz=sum(plan.certificate.used["bandwidth_hz"] for plan in plans),
        price=plans[0].solution.prices["bandwidth_j_per_hz"] if len(plans) == 1 else None,
    )


def infeasible(wrong: Mapping[int, Infeasibility]) -> Outline:
    """What is said of a request that has no plan."""
    alone = sum(len(found.users) for found in wrong.values())
    least_hz = sum(found.least_total_bandwidth_hz for found in wrong.values())
    if alone:
        reason = f"{alone} of the users keep no deadline, even alone with the whole uplink"
    elif np.isfinite(least_hz):
        reason = f"the users need at least {least_hz:.6g} Hz of uplink together"
    else:
        reason = "the servers have no room for what the users ask of them together"
    return Outline(status="infeasible", reason=reason)
