"""The optimum of a small cell by brute force, with formulas that share nothing with the solvers:
only the plain fields of a problem are read.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import integrate

_FAR = 60.0  # above it lies exp(-60) of the gains


def optimum(problem: Any) -> float:
    """Least objective of a cell of any family; infinite where no plan keeps the limits."""
    from tests.support.multiuser.brute_force import enumerate_cell
    from tests.support.robust.brute_force import brute_force

    family = type(problem).__module__.split(".")[1]
    by_family = {
        "robust": brute_force,
        "multiuser": lambda cell: enumerate_cell(cell)[0],
        "stopping": stopping_optimum,
    }
    return float(by_family[family](problem))


def stopping_optimum(problem: Any) -> float:
    """Sum over users of the least expected cost of an inference, on a Rayleigh channel.

    Every placement is tried; under each, backward induction on the optimality equation of arXiv
    2105.13618, section III, whose expectations are left to adaptive integration over the gain.
    """
    return sum(_user_optimum(problem, user) for user in range(len(problem.workload)))


def _user_optimum(problem: Any, user: int) -> float:
    work, kind = problem.workloads, problem.workload[user]
    rows = np.arange(work.first[kind], work.first[kind + 1])
    placing = problem.time_per_s + problem.energy_per_j * problem.rx_power_w[user]
    least = np.inf
    for last, row in enumerate(rows):
        if work.parameter_bit[row] / 8.0 > problem.memory_byte[user]:
            break
        seconds = work.parameter_bit[row] * problem.placement_s_per_bit[user]
        placed = placing * seconds / problem.inferences
        least = min(
            least, placed + _running_cost(problem, user, rows[: last + 1], last == len(rows) - 1)
        )
    return float(least)


def _running_cost(problem: Any, user: int, rows: Any, whole: bool) -> float:
    """Least expected cost once the layers up to the last of the rows are placed."""
    work, energy = problem.workloads, problem.energy_per_j
    idle = problem.time_per_s + energy * problem.idle_power_w[user]
    send = problem.time_per_s + energy * problem.tx_power_w[user]
    outage_gain = problem.min_snr / problem.mean_snr[user]
    usable = float(np.exp(-outage_gain))  # P(gain > g) = exp(-g)
    waiting = idle * problem.coherence_time_s * (1.0 - usable) / usable  # until the channel is up
    row = rows[-1]
    value = 0.0
    if not (whole and work.crossing_bit[row] == 0.0):
        mean = _mean_seconds_per_bit(problem, user, outage_gain) / usable
        value = idle * work.server_s[row] + send * work.crossing_bit[row] * mean + waiting
    for row in rows[-2::-1]:
        step_s = work.device_s[row + 1] - work.device_s[row]
        step_j = work.device_j[row + 1] - work.device_j[row]
        onward = problem.time_per_s * step_s + energy * step_j + value
        served, sent = idle * work.server_s[row], send * work.crossing_bit[row]
        # Stopping costs less than going on where the gain is above a threshold.
        least_gain = np.inf
        if onward > served:
            exponent = sent / (onward - served) * np.log(2.0) / problem.bandwidth_hz
            least_gain = np.expm1(min(exponent, 300.0)) / problem.mean_snr[user]
        least_gain = max(least_gain, outage_gain)
        stops = float(np.exp(-least_gain))
        cost = (usable - stops) * onward + served * stops
        cost += sent * _mean_seconds_per_bit(problem, user, least_gain)
        # In outage the device goes on, or waits until the channel is up again.
        value = min(cost + (1.0 - usable) * onward, cost / usable + waiting)
    return float(value)


def _mean_seconds_per_bit(problem: Any, user: int, least_gain: float) -> float:
    """E[1 / rate; gain > least_gain] for a gain of density exp(-gain)."""

    def weighted(gain: float) -> float:
        rate = problem.bandwidth_hz * np.log2(1.0 + problem.mean_snr[user] * gain)
        return float(np.exp(-gain) / rate)

    if least_gain >= _FAR:
        return 0.0
    inner = (edge for edge in (0.1, 0.5, 1.0, 3.0, 8.0, 20.0) if edge > least_gain)
    pieces = pairwise((least_gain, *inner, _FAR))
    return float(
        sum(integrate.quad(weighted, a, b, epsabs=0.0, epsrel=1e-11)[0] for a, b in pieces)
    )
