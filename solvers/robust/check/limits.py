"""Every constraint of a plan recomputed from problem and decision alone."""

import numpy as np

from solvers.outcome import Certificate, Violation
from solvers.robust.check.constraints import Constraint
from solvers.robust.check.terms import terms, too_late_s
from solvers.robust.problem import TOLERANCE, Decision, Problem

_REPORTED = 100


def check(problem: Problem, decision: Decision, tolerance: float = TOLERANCE) -> Certificate:
    """Hold a decision against problem P1 of arXiv 2503.21476 (eq.

    10): options, memory, clocks, deadlines, spectrum.

    Parameters
    ----------
    tolerance : relative to each limit; 0 for a plan that has to be beyond doubt.

    Returns
    -------
    Certificate with the energy [J] recomputed, the bandwidth used [Hz] and the first violations of
    each constraint.
    """
    violations = _malformed(problem, decision)
    if violations:
        return Certificate(objective=float("nan"), used={}, violations=tuple(violations))
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    share, clock = decision.bandwidth_hz, decision.frequency_hz
    found = terms(problem, decision)

    used, none = float(share.sum()), np.zeros(len(problem.workload))
    for constraint, excess, limit in (
        (Constraint.MEMORY, np.where(work.fits_memory[row], 0.0, 1.0), none),
        (Constraint.CLOCK_MIN, work.clock_min_hz[row] - clock, work.clock_min_hz[row]),
        (Constraint.CLOCK_MAX, clock - work.clock_max_hz[row], work.clock_max_hz[row]),
        (Constraint.DEADLINE, too_late_s(problem, found, tolerance), none),
        (Constraint.BANDWIDTH_SIGN, -share, none),
    ):
        broken = np.nonzero(~(excess <= tolerance * limit))[0]
        violations += [
            Violation(constraint=constraint, user=int(n), excess=float(excess[n]))
            for n in broken[:_REPORTED]
        ]
    if not used <= problem.bandwidth_hz * (1.0 + tolerance):
        violations.append(
            Violation(
                constraint=Constraint.BANDWIDTH, user=None, excess=used - problem.bandwidth_hz
            )
        )
    return Certificate(
        objective=float(found.energy_j.sum()),
        used={"bandwidth_hz": used},
        violations=tuple(violations),
    )


def _malformed(problem: Problem, decision: Decision) -> list[Violation]:
    """Violations after which nothing else can be computed."""
    columns = {
        "option": decision.option,
        "frequency_hz": decision.frequency_hz,
        "bandwidth_hz": decision.bandwidth_hz,
    }
    wrong = [name for name, column in columns.items() if column.shape != (len(problem.workload),)]
    if wrong:
        return [
            Violation(constraint=Constraint(f"{name}_shape"), user=None, excess=float("nan"))
            for name in wrong
        ]
    count = np.diff(problem.workloads.first)[problem.workload]
    bad = {name: ~np.isfinite(column) for name, column in columns.items()}
    bad["option"] = (decision.option < 0) | (decision.option >= count)
    bad["frequency_hz"] |= decision.frequency_hz <= 0.0
    return [
        Violation(constraint=Constraint(name), user=int(n), excess=float("nan"))
        for name, mask in bad.items()
        for n in np.nonzero(mask)[0][:_REPORTED]
    ]
