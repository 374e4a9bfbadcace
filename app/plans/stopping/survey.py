"""The figures of a plan of the stopping family."""

from app.plans.family import Outline, Prepared
from app.plans.stopping.run import PreparedStopping, checked
from solvers.outcome import relative_gap
from solvers.progress import Progress


def outline(prepared: Prepared, progress: Progress) -> Outline:
    """Plan, check, and say what came of it."""
    assert isinstance(prepared, PreparedStopping)
    limited = progress.part(time_limit_s=prepared.request.options.time_limit_s)
    assembled, solution, certificate = checked(prepared.assembled, limited)
    decision = solution.decision
    if decision is None or certificate is None:
        failing = 0 if solution.infeasibility is None else len(solution.infeasibility.users)
        reason = f"no placement serves {failing} of {assembled.problem.users} users"
        return Outline(status="infeasible", reason=reason)
    spent, bound = certificate.objective, solution.lower_bound
    return Outline(
        status="timed_out" if solution.timed_out else "solved",
        objective=solution.objective,
        lower_bound=bound,
        checked_lower_bound=certificate.lower_bound,
        gap=None if bound is None else relative_gap(spent, bound),
        energy_j=float(decision.energy_j.sum()),
        latency_mean_s=float(decision.time_s.mean()),
        latency_max_s=float(decision.time_s.max()),
    )
