"""The figures of a plan of the multi-user family."""

import numpy as np

from app.plans.family import Outline, Prepared
from app.plans.multiuser.run import PreparedMultiUser
from solvers.multiuser.costs import latency
from solvers.outcome import Options
from solvers.progress import Progress
from solvers.registry import answer


def outline(prepared: Prepared, progress: Progress) -> Outline:
    """Plan, check, and say what came of it."""
    assert isinstance(prepared, PreparedMultiUser)
    asked = prepared.request.options
    limited = progress.part(time_limit_s=asked.time_limit_s)
    served, _, _ = prepared.admitted(limited)
    problem = served.assembled.problem
    solution, certificate = answer(problem, Options(gap=asked.gap), limited)
    decision = solution.decision
    if decision is None or certificate is None:
        return Outline(
            status="timed_out" if solution.timed_out else "infeasible",
            reason="the users ask for more of uplink and server than there is",
        )
    total_s = latency(problem, decision).total_s
    slack_s = float((problem.deadline_s - total_s).min())
    loss = problem.workloads.loss[decision.row(problem)]
    return Outline(
        status="timed_out" if solution.timed_out else "solved",
        objective=solution.objective,
        lower_bound=solution.lower_bound,
        checked_lower_bound=certificate.lower_bound,
        gap=solution.gap,
        latency_mean_s=float(np.average(total_s, weights=problem.weight)),
        latency_max_s=float(total_s.max()),
        slack_min_s=slack_s if np.isfinite(slack_s) else None,
        loss_mean=float(np.average(loss, weights=problem.weight)),
        bandwidth_used_hz=certificate.used["bandwidth_share"] * problem.bandwidth_hz,
        price=solution.prices.get("bandwidth_per_hz"),
    )
