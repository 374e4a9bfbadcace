"""Times, variances, chances and energies of a decision, written for the check alone.

Nothing here is shared with the solver: where a formula has another form, this is the other one.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.later import special
from solvers.margin import OF_OPTIONS, Margin
from solvers.robust.problem import Decision, Problem


@dataclass(frozen=True, slots=True)
class Terms:
    """What one inference of each user takes under a decision, (users,) each."""

    mean_s: Floats  # expected total time
    most_s: Floats  # the same with all the bits that may have to be sent: held to the deadline
    device_s: Floats  # expected, of the device's part
    uplink_most_s: Floats
    excess_s: Floats  # largest observed time beyond the mean; only for the worst-case margin
    variance_s2: Floats
    energy_j: Floats


def terms(problem: Problem, decision: Decision) -> Terms:
    """Recompute times and energy, with `T = c/f + t0 + d/R(b) + r + ts` (arXiv 2503.21476, eq.
    2-7).

    The energy is `(P_s + kappa f^alpha)(c/f + t0) + E_0 + P_r d/R(b) + e_b d + P_w T`.
    """
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    bits, clock = work.crossing_bit[row], decision.frequency_hz
    sends = bits > 0.0
    rate_bps = _rate_bps(problem, decision.bandwidth_hz)
    uplink_s = _uplink_s(bits, rate_bps)
    device_s = work.cycles[row] / clock + work.overhead_s[row]
    mean_s = work.server_mean_s[row] + device_s
    mean_s = mean_s + np.where(sends, problem.network_mean_s + uplink_s, 0.0)
    if problem.downlink_bps < float("inf") and np.count_nonzero(work.result_bit):
        mean_s = mean_s + work.result_bit[row] / problem.downlink_bps
    most_s, uplink_most_s = mean_s, uplink_s
    if np.count_nonzero(work.crossing_most_bit != work.crossing_bit):
        uplink_most_s = _uplink_s(work.crossing_most_bit[row], rate_bps)
        beyond_bit = work.crossing_most_bit[row] - bits
        most_s = mean_s + np.where(beyond_bit > 0.0, _uplink_s(beyond_bit, rate_bps), 0.0)
    network_s2 = np.where(sends, problem.network_variance_s2, 0.0)
    excess_s = np.zeros_like(mean_s)
    if problem.margin in OF_OPTIONS:
        excess_s = work.device_excess_s[row] + work.server_excess_s[row]
    drawn_w = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    energy_j = _clocked_j(problem, row, clock) + drawn_w * uplink_s
    return Terms(
        mean_s=mean_s,
        most_s=most_s,
        device_s=device_s,
        uplink_most_s=uplink_most_s,
        excess_s=excess_s,
        variance_s2=variance_s2(problem, row, problem.correlation) + network_s2,
        energy_j=_with_rest(problem, row, energy_j, device_s, mean_s),
    )


def _clocked_j(problem: Problem, row: Integers, clock_hz: Floats) -> Floats:
    """kappa f^alpha (c/f + t0), gathered by powers of the clock."""
    work = problem.workloads
    per_step = work.cycles[row] + clock_hz * work.overhead_s[row]
    if not np.count_nonzero(work.power_exponent != 3.0):
        return np.asarray(work.power_coefficient[row] * clock_hz * clock_hz * per_step)
    raised = np.power(clock_hz, work.power_exponent[row] - 1.0)
    return np.asarray(work.power_coefficient[row] * raised * per_step)


def _with_rest(
    problem: Problem, row: Integers, energy_j: Floats, device_s: Floats, mean_s: Floats
) -> Floats:
    """What the clock and the radio's power take, and all that tables without it may leave out."""
    work = problem.workloads
    if np.count_nonzero(work.static_power_w):
        energy_j = energy_j + work.static_power_w[row] * device_s
    if np.count_nonzero(work.fixed_energy_j):
        energy_j = energy_j + work.fixed_energy_j[row]
    if np.count_nonzero(work.energy_j_per_bit):
        energy_j = energy_j + work.energy_j_per_bit[problem.workload] * work.crossing_bit[row]
    if np.count_nonzero(work.standby_power_w):
        idle_w = work.standby_power_w[problem.workload]
        with np.errstate(invalid="ignore"):
            energy_j = energy_j + np.where(idle_w > 0.0, idle_w * mean_s, 0.0)
    return energy_j


def _rate_bps(problem: Problem, share_hz: Floats) -> Floats:
    """b min(c_max, eta log2(1 + p h/(Gamma N0 b))) [bit/s], 0 without a share."""
    law = problem.rate_law
    with np.errstate(divide="ignore", invalid="ignore"):
        log2_snr = (
            np.log2(problem.tx_power_w)
            + np.log2(problem.gain)
            - np.log2(problem.noise_w_per_hz)
            - np.log2(share_hz)
        )
        if law.snr_gap != 1.0:
            log2_snr = log2_snr - np.log2(law.snr_gap)
        per_hz = np.logaddexp2(0.0, log2_snr)
        if law.efficiency != 1.0 or law.max_bps_per_hz < float("inf"):
            per_hz = np.minimum(law.efficiency * per_hz, law.max_bps_per_hz)
        return np.where(share_hz > 0.0, share_hz * per_hz, 0.0)


def _uplink_s(bits: Floats, rate_bps: Floats) -> Floats:
    """Time to send some bits [s]: 0 where nothing crosses, infinite where bits have no share."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bits > 0.0, bits / rate_bps, 0.0)


def variance_s2(problem: Problem, row: Integers, correlation: Floats) -> Floats:
    """Var(device + server) as a complete square; the worse of both ends of the device's
    variance.
    """
    work, rho = problem.workloads, correlation
    server = np.sqrt(work.server_variance_s2[row])
    apart = (1.0 - rho) * (1.0 + rho) * work.server_variance_s2[row]
    ends = [work.device_variance_s2]
    if np.count_nonzero(work.device_variance_low_s2 != work.device_variance_s2):
        ends.append(work.device_variance_low_s2)
    worse = [np.square(np.sqrt(end[row]) + rho * server) + apart for end in ends]
    return np.asarray(np.maximum(worse[0], worse[-1]))


def margin_s(margin: Margin, variance: Floats, risk: Floats) -> Floats:
    """Seconds to keep free before the deadline, `sqrt(V/eps - V)`, what a law of one mode or a
    normal one asks for, else none.
    """
    match margin:
        case Margin.CANTELLI:
            return np.asarray(np.sqrt(variance / risk - variance))
        case Margin.UNIMODAL:
            # 4/9 V/(V + m²) = eps, and nearer the mean 4/3 V/(V + m²) - 1/3 = eps.
            part = np.where(risk <= 1.0 / 6.0, 9.0 * risk / 4.0, (3.0 * risk + 1.0) / 4.0)
            return np.asarray(np.sqrt(variance / part - variance))
        case Margin.GAUSSIAN:
            return np.asarray(np.sqrt(2.0 * variance) * special.erfcinv(2.0 * risk))
        case _:
            return np.zeros_like(variance)


def chance(mean_s: Floats, variance_s2: Floats, deadline_s: Floats) -> Floats:
    """Largest P(total > deadline) of any law with that mean and variance, `V/(V + (D - T)²)`."""
    room_s = deadline_s - mean_s
    fixed = variance_s2 <= 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # Written with the square of slack over deviation: nothing overflows but to a chance of 0.
        bound = 1.0 / (1.0 + np.square(room_s / np.sqrt(variance_s2)))
    bound = np.where(fixed, 0.0, bound)
    return np.where((room_s < 0.0) | ((room_s == 0.0) & ~fixed), 1.0, bound)


def too_late_s(problem: Problem, found: Terms, tolerance: float) -> Floats:
    """Seconds by which each user misses its risk at its deadline; 0 or less where it keeps it."""
    mean_s = found.most_s + found.excess_s
    return beyond_s(
        problem.margin, mean_s, found.variance_s2, problem.deadline_s, problem.risk, tolerance
    )


def beyond_s(
    margin: Margin,
    mean_s: Floats,
    variance: Floats,
    limit_s: Floats,
    risk: Floats,
    tolerance: float,
) -> Floats:
    """Seconds by which times miss their risk at a limit; 0 or less where they keep it.

    The chance of being late is held against the risk at the limit itself, stretched by the
    tolerance; how many seconds that is, is worked out for those who exceed it only.
    """
    room_s = limit_s * (1.0 + tolerance) - mean_s
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        match margin:
            case Margin.CANTELLI:
                # V/(V + slack²) <= risk without the quotient.
                kept = variance * (1.0 - risk) <= risk * np.square(room_s)
            case Margin.UNIMODAL:
                far = 4.0 * variance <= 9.0 * risk * (variance + np.square(room_s))
                near = 4.0 * variance <= (3.0 * risk + 1.0) * (variance + np.square(room_s))
                kept = np.where(3.0 * np.square(room_s) >= 5.0 * variance, far, near)
            case Margin.GAUSSIAN:
                kept = 0.5 * special.erfc(room_s / np.sqrt(2.0 * variance)) <= risk
            case _:
                kept = np.ones_like(room_s, dtype=np.bool_)
        kept = (kept | (variance == 0.0)) & (room_s >= 0.0)
        late_s = mean_s + margin_s(margin, variance, risk) - limit_s
        return np.where(kept, 0.0, np.maximum(late_s, np.finfo(float).tiny))
