"""The optimum by looking at every combination of options, each with its convex split of the uplink.

Written from the problem statement in plain terms of b and f, sharing nothing with the solver: for
given options the energy is convex in the shares, so the marginal energies -dE/db of all users whose
share is free are equal at the optimum. The price is found by bisection, and so is every share at a
price.
"""

import itertools

import numpy as np
from scipy.stats import norm

from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.robust.problem import Problem

_SHARE_HALVINGS = 50
_PRICE_HALVINGS = 48


class Option:
    """All options of all users as columns, with the energy and its derivative at a share."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        work = problem.workloads
        rows, owner = [], []
        for user in range(problem.users):
            k = problem.workload[user]
            for row in range(work.first[k], work.first[k + 1]):
                rows.append(row)
                owner.append(user)
        self.row, self.owner = np.array(rows), np.array(owner)
        r, n = self.row, self.owner
        self.d, self.c, self.t0 = work.crossing_bit[r], work.cycles[r], work.overhead_s[r]
        self.fmin, self.fmax = work.clock_min_hz[r], work.clock_max_hz[r]
        self.kappa = work.power_coefficient[r]
        self.p, self.h = problem.tx_power_w[n], problem.gain[n]
        self.fits = work.fits_memory[r]
        vs = work.server_variance_s2[r]
        crosses = self.d > 0
        # The device's variance lies somewhere between two ends: the worst of a fine scan, both
        # ends included.
        sd = np.linspace(
            np.sqrt(work.device_variance_low_s2[r]), np.sqrt(work.device_variance_s2[r]), 33
        )
        rho = problem.correlation[n]
        v = (sd**2 + vs + crosses * problem.network_variance_s2 + 2 * rho * sd * np.sqrt(vs)).max(0)
        eps = problem.risk[n]
        if problem.margin is Margin.CANTELLI:
            sigma = np.sqrt((1 - eps) / eps)
        elif problem.margin is Margin.GAUSSIAN:
            sigma = norm.isf(eps)
        else:
            sigma = np.zeros_like(eps)
        self.time_left = (
            problem.deadline_s[n]
            - self.t0
            - crosses * problem.network_mean_s
            - work.server_mean_s[r]
            - sigma * np.sqrt(v)
        )
        if problem.margin is Margin.WORST_CASE:
            self.time_left = self.time_left - work.device_excess_s[r] - work.server_excess_s[r]

    def tau(self, b: Floats, at: Integers) -> Floats:
        with np.errstate(over="ignore"):
            snr = self.p[at] * self.h[at] / (self.problem.noise_w_per_hz * b)
        return self.d[at] / (b * np.log2(1 + snr))

    def energy(self, b: Floats, at: Integers) -> Floats:
        """Energy with share b, +inf where the deadline is missed."""
        tau = np.where(self.d[at] > 0, self.tau(np.maximum(b, 1e-300), at), 0.0)
        slack = self.time_left[at] - tau
        f = np.where(
            (self.c[at] > 0) & (slack > 0), self.c[at] / np.where(slack > 0, slack, 1.0), 0.0
        )
        f = np.maximum(f, self.fmin[at])
        late = ~self.fits[at] | (slack < 0) | (f > self.fmax[at] * (1 + 1e-12))
        f = np.minimum(f, self.fmax[at])
        energy = self.kappa[at] * f**3 * (self.c[at] / f + self.t0[at]) + self.p[at] * tau
        return np.where(late, np.inf, energy)

    def marginal(self, b: Floats, at: Integers) -> Floats:
        """-dE/db by the chain rule, with the clock free wherever it must be above its minimum."""
        tau = self.tau(b, at)
        snr = self.p[at] * self.h[at] / (self.problem.noise_w_per_hz * b)
        rate = b * np.log2(1 + snr)
        rate_slope = np.log2(1 + snr) - snr / ((1 + snr) * np.log(2))
        slack = np.maximum(self.time_left[at] - tau, 1e-3 * self.c[at] / self.fmax[at])
        f = np.where(self.c[at] > 0, self.c[at] / np.where(slack > 0, slack, 1.0), 0.0)
        free = f > self.fmin[at]
        f = np.minimum(f, 2 * self.fmax[at])
        c = np.where(self.c[at] > 0, self.c[at], 1.0)
        d_energy_d_tau = self.p[at] + np.where(
            free & (self.c[at] > 0), self.kappa[at] * (2 * f**3 + 3 * self.t0[at] * f**4 / c), 0.0
        )
        return d_energy_d_tau * tau / rate * rate_slope

    def least_share(self) -> Floats:
        """Least share of each option by bisection; +inf where the whole uplink is not enough."""
        everything = np.arange(len(self.row))
        whole = np.full(len(everything), self.problem.bandwidth_hz)
        works = np.isfinite(self.energy(whole, everything))
        low, high = np.zeros(len(everything)), whole.copy()
        for _ in range(200):
            middle = np.where(low > 0, np.sqrt(low * high), high * 1e-3)
            good = np.isfinite(self.energy(middle, everything))
            low, high = np.where(good, low, middle), np.where(good, middle, high)
        return np.where(works, np.where(self.d > 0, high, 0.0), np.inf)


def brute_force(problem: Problem) -> float:
    """Least energy over all combinations [J]; infinite where there is none."""
    option = Option(problem)
    least = option.least_share()
    per_user = [
        np.nonzero((option.owner == n) & np.isfinite(least))[0] for n in range(problem.users)
    ]
    combos = np.array(list(itertools.product(*per_user)), dtype=np.int64).reshape(-1, problem.users)
    combos = combos[least[combos].sum(axis=1) <= problem.bandwidth_hz]
    # Nobody does better than with all that the others' least shares leave: a bound that spares most
    # combinations.
    most = problem.bandwidth_hz - least[combos].sum(axis=1)[:, None] + least[combos]
    floor = option.energy(most * (1 + 1e-12), combos).sum(axis=1)
    combos = combos[np.argsort(floor, kind="stable")]
    floor = np.sort(floor)
    best = np.inf
    for start in range(0, len(combos), 16):
        if floor[start] > best:
            break
        best = min(best, float(_split(option, combos[start : start + 16], least).min()))
    return best


def _split(option: Option, combos: Integers, least: Floats) -> Floats:
    """Least energy of each combination, (combinations,)."""
    total = option.problem.bandwidth_hz
    sends = option.d[combos] > 0
    bottom = np.where(sends, least[combos], 1.0)

    def shares(price: Floats) -> Floats:
        low, high = bottom.copy(), np.full(combos.shape, total)
        for _ in range(_SHARE_HALVINGS):
            middle = 0.5 * (low + high)
            more = option.marginal(middle, combos) > price[:, None]
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return np.where(sends, low, 0.0)

    low, high = np.full(len(combos), -80.0), np.full(len(combos), 30.0)
    for _ in range(_PRICE_HALVINGS):
        middle = 0.5 * (low + high)
        over = shares(np.exp(middle)).sum(axis=1) > total
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    share = shares(np.exp(high))
    # All at the least share may leave rounding on the wrong side of the deadline.
    share = np.where(sends, np.maximum(share, bottom * (1 + 1e-12)), 1.0)
    return option.energy(share, combos).sum(axis=1)
