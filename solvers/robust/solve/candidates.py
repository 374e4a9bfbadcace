"""The options of every user that can keep the deadline at all, with their curves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.margin import OF_OPTIONS
from solvers.moments import margin_factor
from solvers.rate_law import RateLaw
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.problem import Problem
from solvers.robust.solve.curves import PAD, Curves
from solvers.robust.solve.rates import log_snr_for
from solvers.robust.solve.spending import CANCELLED, TIME_ERROR, spending_of

_LN2 = float(np.log(2.0))
# No signal-to-noise ratio comes near a cap beyond this [nat/s/Hz]: e^300.
_LARGEST_CAP = 300.0
# Ln s of a share so large that no uplink has it: where the clock is above its minimum for every
# share.
_NEVER = -60.0


# Options laid out at once in a large cell: their curves stay in the cache.
BLOCK = 65_536


def in_blocks(problem: Problem) -> Iterator[Integers]:
    """The numbers of all users, as many at a time as have a block of options together."""
    first = problem.workloads.first
    ends = np.cumsum(first[problem.workload + 1] - first[problem.workload])
    start = 0
    while start < problem.users:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BLOCK, side="right")))
        yield np.arange(start, stop)
        start = stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Options user by user: `first[n]:first[n + 1]` are those of user n."""

    first: Integers  # (users + 1,)
    option: Integers  # (options,) counted within the user's workload
    curves: Curves
    # (options, servers) how busy each keeps the servers that have a budget: seconds per second
    load: Floats

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.first) - 1

    def user(self) -> Integers:
        """User of each option."""
        return np.repeat(np.arange(self.users), np.diff(self.first))

    @classmethod
    def joined(cls, parts: "list[Candidates]") -> "Candidates":
        """The users of all parts, one after the other."""
        return cls(
            first=np.concatenate(
                ([0], np.cumsum(np.concatenate([np.diff(part.first) for part in parts])))
            ),
            option=np.concatenate([part.option for part in parts]),
            curves=Curves.joined([part.curves for part in parts]),
            load=np.concatenate([part.load for part in parts]),
        )

    def keep(self, mask: NDArray[np.bool_]) -> "Candidates":
        """Only the options of `mask`."""
        counts = np.add.reduceat(mask.astype(np.int64), self.first[:-1])
        return Candidates(
            first=np.concatenate(([0], np.cumsum(counts))),
            option=self.option[mask],
            curves=self.curves[mask],
            load=self.load[mask],
        )

    def least(self, values: Floats) -> Floats:
        """Smallest of each user's values; values (..., options) -> (..., users)."""
        return np.minimum.reduceat(values, self.first[:-1], axis=-1)

    def best(self, values: Floats) -> Integers:
        """Index of each user's smallest value, the first of equals; (..., options) -> (...,
        users).
        """
        smallest = np.repeat(self.least(values), np.diff(self.first), axis=-1)
        index = np.where(values <= smallest, np.arange(values.shape[-1]), values.shape[-1])
        return np.asarray(np.minimum.reduceat(index, self.first[:-1], axis=-1))


def options_of(
    problem: Problem, users: Integers | None = None
) -> tuple[Candidates, NDArray[np.bool_]]:
    """All options of `users` (default: all), and which keep the deadline with the whole uplink to
    themselves.

    Least shares are finite exactly where some bandwidth, however large, would do.
    """
    return laid_out(problem, time_budget(problem, users))


def laid_out(problem: Problem, budget: TimeBudget) -> tuple[Candidates, NDArray[np.bool_]]:
    """As `options_of`, of the pairs of a time budget."""
    work = problem.workloads
    row, user = budget.row, budget.user
    known = _without_ends(problem, budget)
    scale, tau_unit = known["scale_hz"], known["tau_unit_s"]
    sends = tau_unit > 0.0
    clock_min, cap = known["clock_min_hz"], known["cap"]
    possible, x_most, x_kink = _ends(problem, budget, tau_unit, clock_min, cap)
    sending = possible & sends
    least = np.where(sends, np.inf, 0.0)
    with np.errstate(over="ignore"):
        least[sending] = scale[sending] * np.exp(-x_most[sending]) * (1.0 + PAD)

    log_weight = np.zeros(len(row))
    radio_w = known["radio_w"]
    log_weight[sends] = np.log(radio_w[sends] * tau_unit[sends] / scale[sends])
    curves = Curves.of(**known, x_kink=x_kink, x_most=x_most, least_hz=least, log_weight=log_weight)
    option = row - work.first[problem.workload[user]]
    load = work.server_load_s[row]
    if problem.rate_hz is not None:
        load = problem.rate_hz[user][:, None] * load
    options = Candidates(first=budget.first, option=option, curves=curves, load=load)
    return options, possible & (least <= problem.bandwidth_hz)


def curves_of(problem: Problem, budget: TimeBudget) -> Curves:
    """The curves of the pairs of a time budget as far as what is spent at known shares: without
    their ends.
    """
    return Curves.of(**_without_ends(problem, budget))


def _without_ends(problem: Problem, budget: TimeBudget) -> dict[str, Any]:
    """What the curves of some pairs are made of, but for their ends."""
    work, law, row, user = problem.workloads, problem.rate_law, budget.row, budget.user
    noise = problem.noise_w_per_hz * law.snr_gap
    scale = problem.tx_power_w[user] * problem.gain[user] / noise
    counted_s = problem.deadline_s[user] + budget.fixed_s + np.abs(budget.margin_s)
    return {
        "cap": cap_of(law),
        "scale_hz": scale,
        "tau_unit_s": work.crossing_most_bit[row] * (_LN2 / law.efficiency) / scale,
        "left_s": budget.left_s,
        "cycles": work.cycles[row],
        "overhead_s": work.overhead_s[row],
        "clock_max_hz": work.clock_max_hz[row],
        "time_error_s": TIME_ERROR * counted_s + _cancelled_s(problem, budget),
        **spending_of(problem, budget),
    }


def _cancelled_s(problem: Problem, budget: TimeBudget) -> Floats | float:
    """What margins may be off by where times of device and server that vary against each other
    cancel: the variance is good to a part of what it is the difference of, its root to less.
    """
    if problem.margin in OF_OPTIONS or not np.any(problem.correlation < 0.0):
        return 0.0
    work, row, against = problem.workloads, budget.row, problem.correlation[budget.user]
    device, server = work.device_variance_s2[row], work.server_variance_s2[row]
    summed = device + server + problem.network_variance_s2 + 2.0 * np.sqrt(device * server)
    error = CANCELLED * summed * (against < 0.0)
    factor = margin_factor(problem.risk, problem.margin)[budget.user]
    roots = np.sqrt(budget.variance_s2) + np.sqrt(error)
    return np.asarray(2.0 * factor * error / np.where(roots > 0.0, roots, 1.0))


def cap_of(law: RateLaw) -> float:
    """Where a rate law stops [nat/s/Hz of the law without efficiency]; infinite if nowhere near."""
    cap = law.max_bps_per_hz * _LN2 / law.efficiency
    return cap if cap <= _LARGEST_CAP else float("inf")


def _ends(
    problem: Problem, budget: TimeBudget, tau_unit_s: Floats, clock_min_hz: Floats, cap: float
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Which options keep the deadline with all the uplink there could be; and ln s at their least
    share, and where the clock may leave its least.
    """
    work, row = problem.workloads, budget.row
    sends = tau_unit_s > 0.0
    # Time for the uplink with the clock at its largest, and where the clock may leave its least.
    fastest = work.cycles[row] / work.clock_max_hz[row]
    tau_most = budget.left_s - fastest
    tau_kink = budget.left_s - work.cycles[row] / clock_min_hz
    allowed = budget.allowed(problem)
    if budget.stages is not None:
        allowed &= budget.stages.cycles_s >= fastest
        tau_most = np.where(sends, np.minimum(tau_most, budget.stages.period_s), tau_most)
    possible = allowed & np.where(sends, tau_most > tau_unit_s, tau_most >= 0.0)
    sending = possible & sends
    slow = sending & (tau_kink > tau_unit_s)
    x_most, x_kink = np.zeros(len(row)), np.where(sends, _NEVER, 0.0)
    stretch = np.concatenate((tau_most[sending], tau_kink[slow])) / np.concatenate(
        (tau_unit_s[sending], tau_unit_s[slow])
    )
    x_most[sending], x_kink[slow] = np.split(log_snr_for(stretch, cap), [np.count_nonzero(sending)])
    x_kink = np.where(work.cycles[row] > 0.0, np.minimum(x_kink, x_most), x_most)
    return possible, x_most, x_kink
