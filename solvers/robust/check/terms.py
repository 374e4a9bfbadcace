"""Times, variances, chances and energies of a decision, written for the check alone.

Nothing here is shared with the solver: where a formula has another form, this is the other one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc, erfcinv

from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.robust.problem import Decision, Problem


@dataclass(frozen=True, slots=True)
class Terms:
    """What one inference of each user takes under a decision, (users,) each."""

    mean_s: Floats  # expected total time
    excess_s: Floats  # largest observed time beyond the mean; only for the worst-case margin
    variance_s2: Floats
    energy_j: Floats


def terms(problem: Problem, decision: Decision) -> Terms:
    """Recompute times and energy, with `T = c/f + t0 + d/R(b) + r + ts` (arXiv 2503.21476, eq.
    2-7).
    """
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    bits, clock = work.crossing_bit[row], decision.frequency_hz
    sends = bits > 0.0
    uplink_s = _uplink_s(problem, bits, decision.bandwidth_hz)
    # kappa f³ (c/f + t0), gathered by powers of the clock.
    kappa = work.power_coefficient[row]
    compute_j = kappa * clock * clock * (work.cycles[row] + clock * work.overhead_s[row])
    mean_s = work.server_mean_s[row] + (work.cycles[row] / clock + work.overhead_s[row])
    mean_s = mean_s + np.where(sends, problem.network_mean_s + uplink_s, 0.0)
    network_s2 = np.where(sends, problem.network_variance_s2, 0.0)
    excess_s = np.zeros_like(mean_s)
    if problem.margin is Margin.WORST_CASE:
        excess_s = work.device_excess_s[row] + work.server_excess_s[row]
    return Terms(
        mean_s=mean_s,
        excess_s=excess_s,
        variance_s2=variance_s2(problem, row, problem.correlation) + network_s2,
        energy_j=compute_j + problem.tx_power_w * uplink_s,
    )


def _uplink_s(problem: Problem, bits: Floats, share_hz: Floats) -> Floats:
    """d/(b log2(1 + p h/(N0 b))) [s]: 0 where nothing crosses, infinite where bits have no
    share.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log2_snr = (
            np.log2(problem.tx_power_w)
            + np.log2(problem.gain)
            - np.log2(problem.noise_w_per_hz)
            - np.log2(share_hz)
        )
        rate_bps = np.where(share_hz > 0.0, share_hz * np.logaddexp2(0.0, log2_snr), 0.0)
        return np.where(bits > 0.0, bits / rate_bps, 0.0)


def variance_s2(problem: Problem, row: Integers, correlation: Floats) -> Floats:
    """Var(device + server) as a complete square; the worse of both ends of the device's
    variance.
    """
    work, rho = problem.workloads, correlation
    server = np.sqrt(work.server_variance_s2[row])
    apart = (1.0 - rho) * (1.0 + rho) * work.server_variance_s2[row]
    ends = (work.device_variance_s2[row], work.device_variance_low_s2[row])
    worse = [np.square(np.sqrt(end) + rho * server) + apart for end in ends]
    return np.asarray(np.maximum(*worse))


def margin_s(margin: Margin, variance: Floats, risk: Floats) -> Floats:
    """Seconds to keep free before the deadline, `sqrt(V/eps - V)` or a normal quantile, else
    none.
    """
    match margin:
        case Margin.CANTELLI:
            return np.asarray(np.sqrt(variance / risk - variance))
        case Margin.GAUSSIAN:
            return np.asarray(np.sqrt(2.0 * variance) * erfcinv(2.0 * risk))
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
    """Seconds by which each user misses its risk at its deadline; 0 or less where it keeps it.

    The chance of being late is held against the risk at the deadline itself, stretched by the
    tolerance; how many seconds that is, is worked out for those who exceed it only.
    """
    mean_s, variance = found.mean_s + found.excess_s, found.variance_s2
    room_s = problem.deadline_s * (1.0 + tolerance) - mean_s
    risk = problem.risk
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        match problem.margin:
            case Margin.CANTELLI:
                # V/(V + slack²) <= risk without the quotient.
                kept = variance * (1.0 - risk) <= risk * np.square(room_s)
            case Margin.GAUSSIAN:
                kept = 0.5 * erfc(room_s / np.sqrt(2.0 * variance)) <= risk
            case _:
                kept = np.ones_like(room_s, dtype=np.bool_)
        kept = (kept | (variance == 0.0)) & (room_s >= 0.0)
        late_s = mean_s + margin_s(problem.margin, variance, risk) - problem.deadline_s
        return np.where(kept, 0.0, np.maximum(late_s, np.finfo(float).tiny))
