"""Every constraint of a plan recomputed from problem and decision alone."""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.margin import OF_OPTIONS
from solvers.outcome import Certificate, Violation
from solvers.robust.check.constraints import Constraint
from solvers.robust.check.terms import Terms, beyond_s, terms, too_late_s
from solvers.robust.problem import TOLERANCE, Decision, Problem

_REPORTED = 100


def check(problem: Problem, decision: Decision, tolerance: float = TOLERANCE) -> Certificate:
    """Hold a decision against problem P1 of arXiv 2503.21476 (eq.

    10): options, memory, loss, clocks, deadlines, stages of streams, spectrum, servers.

    Parameters
    ----------
    tolerance : relative to each limit; 0 for a plan beyond doubt, and less for one that
        has time and spectrum to spare of it (clocks and losses are what they are).

    Returns
    -------
    Certificate with the energy [J] recomputed (of streams the power [W]), the bandwidth used [Hz],
    the seconds per second used of each server with a budget (`server_{k}_s`) and the first
    violations of each constraint.
    """
    violations = _malformed(problem, decision)
    if violations:
        return Certificate(objective=float("nan"), used={}, violations=tuple(violations))
    return held(problem, decision, terms(problem, decision), tolerance)


def held(problem: Problem, decision: Decision, found: Terms, tolerance: float) -> Certificate:
    """As `check`, of a well-formed decision whose terms are known."""
    violations: list[Violation] = []
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    share, clock = decision.bandwidth_hz, decision.frequency_hz
    used, none = float(share.sum()), np.zeros(len(problem.workload))
    for constraint, excess, limit in (
        (Constraint.MEMORY, np.where(work.fits_memory[row], 0.0, 1.0), none),
        *_lost(problem, row),
        (Constraint.CLOCK_MIN, work.clock_min_hz[row] - clock, work.clock_min_hz[row]),
        (Constraint.CLOCK_MAX, clock - work.clock_max_hz[row], work.clock_max_hz[row]),
        (Constraint.DEADLINE, too_late_s(problem, found, tolerance), none),
        *_stages(problem, row, found, tolerance),
        (Constraint.BANDWIDTH_SIGN, -share, none),
    ):
        kept = excess <= max(tolerance, 0.0) * limit
        if kept.all():
            continue
        broken = np.nonzero(~kept)[0]
        violations += [
            Violation(constraint=constraint, user=int(n), excess=float(excess[n]))
            for n in broken[:_REPORTED]
        ]
    energy = found.energy_j if problem.rate_hz is None else problem.rate_hz * found.energy_j
    busy_s = _busy_s(problem, row)
    violations += [
        Violation(constraint=constraint, user=None, excess=taken - budget)
        for constraint, taken, budget in (
            (Constraint.BANDWIDTH, used, problem.bandwidth_hz),
            *((Constraint.SERVER, *of) for of in zip(busy_s, problem.server_capacity, strict=True)),
        )
        if not taken <= budget * (1.0 + tolerance)
    ]
    return Certificate(
        objective=float(energy.sum()),
        used={"bandwidth_hz": used} | {f"server_{k}_s": busy for k, busy in enumerate(busy_s)},
        violations=tuple(violations),
    )


def _busy_s(problem: Problem, row: Integers) -> list[float]:
    """Seconds per second of each server that has a budget."""
    if problem.rate_hz is None:
        return []
    return [float(busy) for busy in problem.rate_hz @ problem.workloads.server_load_s[row]]


Held = tuple[Constraint, Floats, Floats]  # what is exceeded, by how much, and its limit


def _lost(problem: Problem, row: Integers) -> list[Held]:
    """Accuracy lost to what is sent, where anybody minds."""
    if problem.max_loss is None:
        return []
    return [(Constraint.LOSS, problem.workloads.loss[row] - problem.max_loss, problem.max_loss)]


def _stages(problem: Problem, row: Integers, found: Terms, tolerance: float) -> list[Held]:
    """The device with a margin of its own, and the uplink, within the time between two inputs."""
    if problem.rate_hz is None:
        return []
    work, period_s = problem.workloads, problem.stage_tolerance / problem.rate_hz
    mean_s = found.device_s
    if problem.margin in OF_OPTIONS:
        mean_s = mean_s + work.device_excess_s[row]
    late_s = beyond_s(
        problem.margin,
        mean_s,
        work.device_variance_s2[row],
        period_s,
        problem.risk,
        tolerance,
    )
    return [
        (Constraint.STAGE, late_s, np.zeros_like(late_s)),
        (Constraint.STAGE, found.uplink_most_s - period_s, period_s),
    ]


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
        if mask.any()
        for n in np.nonzero(mask)[0][:_REPORTED]
    ]
