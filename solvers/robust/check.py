"""The witness: every constraint recomputed from problem and decision alone, in the papers' own terms."""

import numpy as np
from numpy.typing import NDArray

from solvers import physics
from solvers.moments import Margin, margin_factor, total_variance
from solvers.outcome import Certificate, Violation
from solvers.robust.problem import Decision, Problem

Floats = NDArray[np.float64]

# Rounding that a plan may carry, relative to the limit it is held against.
TOLERANCE = 1e-9
_REPORTED = 100


def check(problem: Problem, decision: Decision) -> Certificate:
    """Hold a decision against problem P1 of arXiv 2503.21476 (eq. 10): options, memory, clocks, deadlines, spectrum.

    Returns
    -------
    Certificate with the energy [J] recomputed, the bandwidth used [Hz] and the first violations of each constraint.
    """
    violations = _malformed(problem, decision)
    if violations:
        return Certificate(objective=float("nan"), used={}, violations=tuple(violations))
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    share, clock = decision.bandwidth_hz, decision.frequency_hz
    sends = work.crossing_bit[row] > 0.0

    rate = physics.rate_bps(share, problem.tx_power_w, problem.gain, problem.noise_w_per_hz)
    uplink = physics.transfer_s(work.crossing_bit[row], rate)
    device = physics.device_s(work.cycles[row], clock, work.overhead_s[row])
    network = np.where(sends, problem.network_mean_s, 0.0)
    late = device + uplink + network + work.server_mean_s[row]
    if problem.margin is Margin.WORST_CASE:
        late = late + work.device_excess_s[row] + work.server_excess_s[row]
    else:
        variance = total_variance(
            work.device_variance_s2[row],
            work.server_variance_s2[row],
            np.where(sends, problem.network_variance_s2, 0.0),
            problem.correlation,
            work.device_variance_low_s2[row],
        )
        late = late + margin_factor(problem.risk, problem.margin) * np.sqrt(variance)

    used = float(share.sum())
    for constraint, excess, limit in (
        ("memory", np.where(work.fits_memory[row], 0.0, 1.0), np.zeros(problem.users)),
        ("clock_min", work.clock_min_hz[row] - clock, work.clock_min_hz[row]),
        ("clock_max", clock - work.clock_max_hz[row], work.clock_max_hz[row]),
        ("deadline", late - problem.deadline_s, problem.deadline_s),
        ("bandwidth_sign", -share, np.zeros(problem.users)),
    ):
        broken = np.nonzero(~(excess <= TOLERANCE * limit))[0]
        violations += [
            Violation(constraint=constraint, user=int(n), excess=float(excess[n])) for n in broken[:_REPORTED]
        ]
    if not used <= problem.bandwidth_hz * (1.0 + TOLERANCE):
        violations.append(Violation(constraint="bandwidth", user=None, excess=used - problem.bandwidth_hz))
    energy = physics.compute_energy_j(work.power_coefficient_w_per_hz3[problem.workload], clock, device)
    energy = energy + physics.radio_energy_j(problem.tx_power_w, uplink)
    return Certificate(objective=float(energy.sum()), used={"bandwidth_hz": used}, violations=tuple(violations))


def _malformed(problem: Problem, decision: Decision) -> list[Violation]:
    """Violations after which nothing else can be computed."""
    columns = {
        "option": decision.option,
        "frequency_hz": decision.frequency_hz,
        "bandwidth_hz": decision.bandwidth_hz,
    }
    wrong = [name for name, column in columns.items() if column.shape != (problem.users,)]
    if wrong:
        return [Violation(constraint=f"{name}_shape", user=None, excess=float("nan")) for name in wrong]
    count = np.diff(problem.workloads.first)[problem.workload]
    bad = {name: ~np.isfinite(column) for name, column in columns.items()}
    bad["option"] = (decision.option < 0) | (decision.option >= count)
    bad["frequency_hz"] |= decision.frequency_hz <= 0.0
    return [
        Violation(constraint=name, user=int(n), excess=float("nan"))
        for name, mask in bad.items()
        for n in np.nonzero(mask)[0][:_REPORTED]
    ]
