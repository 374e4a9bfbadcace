"""What a decision means for every user: delays, energies, slack and the channel it still works
on.
"""

from dataclasses import dataclass

import numpy as np

from solvers import physics
from solvers.arrays import Floats, Integers
from solvers.compiled.library import address, library
from solvers.moments import miss_bound
from solvers.robust.budget import TimeBudget, budget_of
from solvers.robust.problem import TOLERANCE, Decision, Problem
from solvers.robust.solve.kernel.cell import Cell, covers


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """All (users,), SI units.

    NaN in a gain means no limit on that side, -1 in `fallback_cut` that none exists.
    """

    cut: Integers
    rate_bps: Floats
    compute_energy_j: Floats  # what follows the clock, or was measured, or is a start-up
    static_energy_j: Floats  # while computing, whatever the clock
    radio_energy_j: Floats
    waiting_energy_j: Floats  # standby power while network and server are at work
    standby_energy_j: Floats  # standby power while the device computes and sends
    device_s: Floats
    uplink_s: Floats  # expected
    uplink_most_s: Floats  # of the most that may have to be sent: what the deadline is kept with
    network_s: Floats  # with the way back of the result
    server_s: Floats
    mean_s: Floats
    std_s: Floats
    bound_s: Floats  # mean, with `uplink_most_s`, plus margin: what is held against the deadline
    slack_s: Floats
    violation_bound: Floats  # Cantelli's, at this decision, whatever the margin asked for
    least_gain: (
        Floats  # cut, clock and share keep the deadline from here up; NaN where nothing is sent
    )
    fallback_cut: Integers  # cheapest cut that sends nothing and keeps the deadline

    @property
    def energy_j(self) -> Floats:
        """Expected energy of one inference."""
        spent = self.compute_energy_j + self.radio_energy_j
        return spent + self.static_energy_j + self.waiting_energy_j + self.standby_energy_j


def lateness(problem: Problem, decision: Decision) -> Floats:
    """The bounds on being late of `Details.violation_bound` alone."""
    work, users = problem.workloads, np.arange(problem.users)
    row = work.first[problem.workload] + decision.option
    budget = budget_of(problem, np.arange(problem.users + 1), users, row)
    rate = physics.rate_bps(
        decision.bandwidth_hz,
        problem.tx_power_w,
        problem.gain,
        problem.noise_w_per_hz,
        problem.rate_law,
    )
    uplink = physics.transfer_s(work.crossing_most_bit[row], rate)
    device = physics.device_s(work.cycles[row], decision.frequency_hz, work.overhead_s[row])
    mean = device + uplink + budget.network_s + work.server_mean_s[row]
    return miss_bound(mean, budget.variance_s2, _counted_s(problem, mean + budget.margin_s))


def _counted_s(problem: Problem, bound_s: Floats) -> Floats:
    """The deadline as it counts: one met exactly carries rounding of either sign, and one missed
    within the tolerance counts as met.
    """
    return np.clip(bound_s, problem.deadline_s, problem.deadline_s * (1.0 + TOLERANCE))


def describe(problem: Problem, decision: Decision) -> Details:
    """Delays, energies and validity of a decision that `check` accepts."""
    work, users = problem.workloads, np.arange(problem.users)
    row = work.first[problem.workload] + decision.option
    budget = budget_of(problem, np.arange(problem.users + 1), users, row)
    clock, share = decision.frequency_hz, decision.bandwidth_hz
    sends = work.crossing_bit[row] > 0.0

    rate = physics.rate_bps(
        share, problem.tx_power_w, problem.gain, problem.noise_w_per_hz, problem.rate_law
    )
    uplink = physics.transfer_s(work.crossing_bit[row], rate)
    uplink_most = physics.transfer_s(work.crossing_most_bit[row], rate)
    device = physics.device_s(work.cycles[row], clock, work.overhead_s[row])
    network, server = budget.network_s, work.server_mean_s[row]
    standby = work.standby_power_w[problem.workload]
    mean = device + uplink + network + server
    mean_most = device + uplink_most + network + server
    bound = mean_most + budget.margin_s
    deadline = _counted_s(problem, bound)
    slack = deadline - bound
    slack = np.where(np.abs(slack) <= 1e-12 * problem.deadline_s, 0.0, slack)
    return Details(
        cut=work.cut[row],
        rate_bps=np.where(sends, rate, 0.0),
        compute_energy_j=physics.compute_energy_j(
            work.power_coefficient[row], clock, device, work.power_exponent[row]
        )
        + work.fixed_energy_j[row],
        static_energy_j=work.static_power_w[row] * device,
        radio_energy_j=_radio_energy_j(problem, row, uplink),
        waiting_energy_j=standby * (network + server),
        standby_energy_j=standby * (device + uplink),
        device_s=device,
        uplink_s=uplink,
        uplink_most_s=uplink_most,
        network_s=network,
        server_s=server,
        mean_s=mean,
        std_s=np.sqrt(budget.variance_s2),
        bound_s=bound,
        slack_s=slack,
        violation_bound=miss_bound(mean_most, budget.variance_s2, deadline),
        least_gain=_least_gain(problem, row, decision, uplink_most, slack),
        fallback_cut=_fallback(problem),
    )


def _radio_energy_j(problem: Problem, row: Integers, uplink_s: Floats) -> Floats:
    """What the radio draws while it sends, and for each bit."""
    work = problem.workloads
    radio = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    per_bit = work.energy_j_per_bit[problem.workload] * work.crossing_bit[row]
    return physics.radio_energy_j(radio, uplink_s) + per_bit


def _least_gain(
    problem: Problem, row: Integers, decision: Decision, uplink_s: Floats, slack_s: Floats
) -> Floats:
    """The channel on which the most bits still arrive before the deadline, and within the period of
    a stream; NaN where nothing is sent.
    """
    bits, share = problem.workloads.crossing_most_bit[row], decision.bandwidth_hz
    law, power = problem.rate_law, problem.tx_power_w
    if problem.rate_hz is not None:
        # As with the deadline, a period missed within the tolerance counts as met.
        slack_s = np.minimum(slack_s, np.maximum(1.0 / problem.rate_hz - uplink_s, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(bits > 0.0, bits / (uplink_s + slack_s), 0.0)
    rate = physics.rate_bps(share, power, problem.gain, problem.noise_w_per_hz, law)
    needed = np.where(slack_s == 0.0, rate, needed)
    gain = physics.required_gain(needed, share, power, problem.noise_w_per_hz, law)
    return np.where(bits > 0.0, gain, np.nan)


def _silent(problem: Problem) -> TimeBudget:
    """The options that send nothing, of the users who have any."""
    work = problem.workloads
    silent = np.flatnonzero(work.crossing_bit == 0.0)
    of_workload = np.searchsorted(silent, work.first)
    count = np.diff(of_workload)[problem.workload]
    user = np.flatnonzero(count)
    count = count[user]
    first = np.concatenate(([0], np.cumsum(count)))
    place = np.repeat(of_workload[problem.workload[user]] - first[:-1], count)
    return budget_of(problem, first, np.repeat(user, count), silent[place + np.arange(len(place))])


def _fallback(problem: Problem) -> Integers:
    """Cheapest cut of each user that sends nothing and keeps deadline and stage; -1 where there is
    none.
    """
    fallback = np.full(problem.users, -1)
    if (compiled := library()) is not None and covers(problem):
        cell, cut = Cell(problem), np.ascontiguousarray(problem.workloads.cut, dtype=np.int64)
        call = compiled.function("sp_robust_fallback", "aana", "")
        call(cell.address, address(cut), TOLERANCE, address(fallback))
        return fallback
    budget = _silent(problem)
    if len(budget.row) == 0:
        return fallback
    work, row = problem.workloads, budget.row
    cycles, overhead = work.cycles[row], work.overhead_s[row]
    fastest = cycles / work.clock_max_hz[row]
    left, late = budget.left_s, fastest - budget.left_s
    works = budget.allowed(problem) & (late <= TOLERANCE * problem.deadline_s[budget.user])
    if budget.stages is not None:
        left = np.minimum(left, budget.stages.cycles_s)
        behind = fastest - budget.stages.cycles_s
        works &= behind <= TOLERANCE * budget.stages.period_s
    static = work.static_power_w[row] + work.standby_power_w[problem.workload[budget.user]]
    kappa, alpha = work.power_coefficient[row], work.power_exponent[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        clock = np.where(cycles > 0.0, cycles / np.maximum(left, fastest), 0.0)
    cheapest = physics.cheapest_clock_hz(static, kappa, alpha, cycles, overhead)
    clock = np.clip(
        np.where(works, np.maximum(clock, cheapest), 0.0),
        work.clock_min_hz[row],
        work.clock_max_hz[row],
    )
    time = physics.device_s(cycles, clock, overhead)
    spent = physics.compute_energy_j(kappa, clock, time, alpha)
    spent = spent + static * time + work.fixed_energy_j[row]  # and nobody is waited for
    energy = np.where(works, spent, np.inf)
    least = np.minimum.reduceat(energy, budget.first[:-1])
    chosen = np.where(
        works & (energy <= np.repeat(least, np.diff(budget.first))),
        work.cut[row],
        np.iinfo(np.int64).max,
    )
    cut = np.minimum.reduceat(chosen, budget.first[:-1])
    fallback[budget.user[budget.first[:-1]]] = np.where(np.isfinite(least), cut, -1)
    return fallback
