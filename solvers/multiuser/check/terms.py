"""Latencies and costs written for the check alone: nothing here is shared with the solver."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.problem import Decision, Problem
from solvers.multiuser.table import TableProblem


@dataclass(frozen=True, slots=True)
class Terms:
    """What a decision means for each user, (users,) each."""

    latency_s: Floats
    loss: Floats
    leaves: Booleans  # whether it leaves the option it had
    cost: Floats


def terms(problem: Problem, decision: Decision) -> Terms:
    """Latency `td + rtt + r + d/(x B eta) + s/y` and cost `omega (alpha latency + gamma l)`.

    Times are gathered per resource: what the device and the network take whatever the shares,
    then the Hz seconds over the Hz, then the server seconds over the share.
    """
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    hertz_seconds = work.crossing_bit[row] / problem.spectral_efficiency
    waits_s = waits(problem, row)
    uplink_s = over(hertz_seconds, decision.bandwidth_share * problem.bandwidth_hz)
    server_s = over(work.server_s[row], decision.server_share)
    leaves = np.zeros(len(problem.workload), dtype=np.bool_)
    each = 0.0
    if problem.steadiness is not None:
        before = problem.steadiness.previous
        leaves = ~((before < 0) | (before == decision.option))
        each = problem.steadiness.switching_cost
    alpha, gamma = problem.latency_weight_per_s, problem.loss_weight
    per_second = problem.weight * alpha
    cost = problem.weight * gamma * work.loss[row] + np.where(leaves, each, 0.0)
    cost = cost + per_second * waits_s + per_second * uplink_s + per_second * server_s
    return Terms(
        latency_s=waits_s + uplink_s + server_s, loss=work.loss[row], leaves=leaves, cost=cost
    )


def waits(problem: Problem, row: Integers) -> Floats:
    """Seconds of rows whatever the shares: on the device, round trip, and the result's way back."""
    work = problem.workloads
    there_s = np.where(work.crossing_bit[row] > 0.0, problem.network_s, 0.0)
    back_s = 0.0 if work.result_s is None else work.result_s[row]
    return np.asarray(work.device_s[row] + (there_s + back_s))


def over(need: Floats, given: Floats) -> Floats:
    """Time that a need takes with what is given: 0 where none, infinite where nothing is given."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(need > 0.0, need / np.maximum(given, 0.0), 0.0)


def fixed_s(problem: TableProblem) -> Floats:
    """Latency of each option of a table at an endless rate."""
    there_s = np.where(problem.crossing_bit > 0.0, problem.network_s, 0.0)
    back_s = 0.0 if problem.result_s is None else problem.result_s
    return np.asarray((there_s + back_s) + (problem.server_s + problem.device_s))


def option_latency_s(problem: TableProblem, option: Integers, rate_bps: Floats) -> Floats:
    """Latency of options of a table at rates; infinite where one sends at rate 0."""
    return np.asarray(over(problem.crossing_bit[option], rate_bps) + fixed_s(problem)[option])


def option_cost(problem: TableProblem, option: Integers, rate_bps: Floats) -> Floats:
    """Cost of options of a table at rates, whatever the limits."""
    lost = problem.loss_weight * problem.loss[option]
    return np.asarray(
        lost + problem.latency_weight_per_s * option_latency_s(problem, option, rate_bps)
    )
