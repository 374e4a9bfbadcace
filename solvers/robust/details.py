"""What a decision means for every user: delays, energies, slack and the channel it still works
on.
"""

from dataclasses import dataclass

import numpy as np

from solvers import physics
from solvers.arrays import Floats, Integers
from solvers.moments import miss_bound
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.problem import TOLERANCE, Decision, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """All (users,), SI units.

    NaN in a gain means no limit on that side, -1 in `fallback_cut` that none exists.
    """

    cut: Integers
    rate_bps: Floats
    compute_energy_j: Floats
    radio_energy_j: Floats
    device_s: Floats
    uplink_s: Floats
    network_s: Floats
    server_s: Floats
    mean_s: Floats
    std_s: Floats
    bound_s: Floats  # mean plus margin: what is held against the deadline
    slack_s: Floats
    violation_bound: Floats  # Cantelli's, at this decision, whatever the margin asked for
    least_gain: (
        Floats  # cut, clock and share keep the deadline from here up; NaN where nothing is sent
    )
    fallback_cut: Integers  # cheapest cut that sends nothing and keeps the deadline

    @property
    def energy_j(self) -> Floats:
        """Expected energy of one inference."""
        return self.compute_energy_j + self.radio_energy_j


def describe(problem: Problem, decision: Decision) -> Details:
    """Delays, energies and validity of a decision that `check` accepts."""
    budget = time_budget(problem)
    work = problem.workloads
    pair = budget.first[:-1] + decision.option
    row = budget.row[pair]
    clock, share = decision.frequency_hz, decision.bandwidth_hz
    kappa = work.power_coefficient[row]
    sends = work.crossing_bit[row] > 0.0

    rate = physics.rate_bps(share, problem.tx_power_w, problem.gain, problem.noise_w_per_hz)
    uplink = physics.transfer_s(work.crossing_bit[row], rate)
    device = physics.device_s(work.cycles[row], clock, work.overhead_s[row])
    network = np.where(sends, problem.network_mean_s, 0.0)
    mean = device + uplink + network + work.server_mean_s[row]
    bound = mean + budget.margin_s[pair]
    # A deadline met exactly carries rounding of either sign, and one missed within the tolerance
    # counts as met.
    deadline = np.clip(bound, problem.deadline_s, problem.deadline_s * (1.0 + TOLERANCE))
    slack = deadline - bound
    slack = np.where(np.abs(slack) <= 1e-12 * problem.deadline_s, 0.0, slack)

    with np.errstate(divide="ignore", invalid="ignore"):
        needed_rate = np.where(sends, work.crossing_bit[row] / (uplink + slack), 0.0)
        needed_rate = np.where(slack == 0.0, rate, needed_rate)
    least_gain = physics.required_gain(
        needed_rate, share, problem.tx_power_w, problem.noise_w_per_hz
    )
    return Details(
        cut=work.cut[row],
        rate_bps=np.where(sends, rate, 0.0),
        compute_energy_j=physics.compute_energy_j(kappa, clock, device),
        radio_energy_j=physics.radio_energy_j(problem.tx_power_w, uplink),
        device_s=device,
        uplink_s=uplink,
        network_s=network,
        server_s=work.server_mean_s[row],
        mean_s=mean,
        std_s=np.sqrt(budget.variance_s2[pair]),
        bound_s=bound,
        slack_s=slack,
        violation_bound=miss_bound(mean, budget.variance_s2[pair], deadline),
        least_gain=np.where(sends, least_gain, np.nan),
        fallback_cut=_fallback(problem, budget),
    )


def _fallback(problem: Problem, budget: TimeBudget) -> Integers:
    """Cheapest cut of each user that sends nothing and keeps the deadline; -1 where there is
    none.
    """
    work, row = problem.workloads, budget.row
    cycles, overhead = work.cycles[row], work.overhead_s[row]
    silent = (work.crossing_bit[row] == 0.0) & work.fits_memory[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        clock = np.where(
            cycles > 0.0, cycles / np.maximum(budget.left_s, cycles / work.clock_max_hz[row]), 0.0
        )
    late = cycles / work.clock_max_hz[row] - budget.left_s
    works = silent & (late <= TOLERANCE * problem.deadline_s[budget.user])
    clock = np.clip(np.where(works, clock, 0.0), work.clock_min_hz[row], work.clock_max_hz[row])
    kappa = work.power_coefficient[row]
    time = physics.device_s(cycles, clock, overhead)
    energy = np.where(works, physics.compute_energy_j(kappa, clock, time), np.inf)
    least = np.minimum.reduceat(energy, budget.first[:-1])
    chosen = np.where(
        works & (energy <= np.repeat(least, np.diff(budget.first))),
        work.cut[row],
        np.iinfo(np.int64).max,
    )
    cut = np.minimum.reduceat(chosen, budget.first[:-1])
    return np.where(np.isfinite(least), cut, -1)
