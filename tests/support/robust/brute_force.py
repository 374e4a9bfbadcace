"""The optimum by looking at every combination of options, each with its convex split of the uplink.

Written from the problem statement in plain terms of b and f, sharing nothing with the solver: for
given options the energy is convex in the shares, so the marginal energies -dE/db of all users whose
share is free are equal at the optimum. The price is found by bisection, and so is every share at a
price. Servers with a budget only say which combinations there are.
"""

import itertools

import numpy as np
from scipy.stats import norm

from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.robust.problem import Decision, Problem

_SHARE_HALVINGS = 50
_PRICE_HALVINGS = 48
_CLOCK_HALVINGS = 100
_PRICES = 48  # of the bounds that spare combinations
_AT_ONCE = 16


def _unimodal(risk: float) -> float:
    """Deviations kept free for any law of one mode, by bisection on its bound."""

    def bound(k: float) -> float:
        return 4 / (9 * (1 + k * k)) if k * k >= 5 / 3 else (3 - k * k) / (3 * (1 + k * k))

    low, high = 0.0, 1e9
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if bound(middle) > risk else (low, middle)
    return high


class Option:
    """All options of all users as columns, with the energy and its derivative at a share.

    Energies are those of one inference, or with `rate_hz` of a second [W].
    """

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
        r, n, k = self.row, self.owner, problem.workload[np.array(owner)]
        self.d, self.most = work.crossing_bit[r], work.crossing_most_bit[r]
        self.c, self.t0 = work.cycles[r], work.overhead_s[r]
        self.fmin, self.fmax = work.clock_min_hz[r], work.clock_max_hz[r]
        self.kappa, self.alpha = work.power_coefficient[r], work.power_exponent[r]
        self.h, self.radiated = problem.gain[n], problem.tx_power_w[n]
        self.rate = np.ones(len(r)) if problem.rate_hz is None else problem.rate_hz[n]
        self.load = self.rate[:, None] * work.server_load_s[r]
        standby = work.standby_power_w[k]
        radio = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
        self.static, self.radio = work.static_power_w[r] + standby, radio[n] + standby
        crosses = self.d > 0
        wait = crosses * problem.network_mean_s + work.result_bit[r] / problem.downlink_bps
        wait = wait + work.server_mean_s[r]
        self.whatever_j = work.fixed_energy_j[r] + work.energy_j_per_bit[k] * self.d
        self.whatever_j = self.whatever_j + standby * wait

        sigma = self._factor()
        # The device's variance lies somewhere between two ends: the worst of a fine scan, both
        # ends included.
        high = np.sqrt(work.device_variance_s2[r])
        sd = np.linspace(np.sqrt(work.device_variance_low_s2[r]), high, 33)
        vs, rho = work.server_variance_s2[r], problem.correlation[n]
        v = (sd**2 + vs + crosses * problem.network_variance_s2 + 2 * rho * sd * np.sqrt(vs)).max(0)
        margin, device_margin = sigma * np.sqrt(v), sigma * high
        if problem.margin in (Margin.WORST_CASE, Margin.MEASURED):
            device_margin = work.device_excess_s[r]
            margin = device_margin + work.server_excess_s[r]
        self.time_left = problem.deadline_s[n] - self.t0 - wait - margin
        # No stage of a stream may take longer than the next inference lets it.
        self.period = np.full(len(r), np.inf) if problem.rate_hz is None else 1 / self.rate
        self.device_left = self.period - self.t0 - device_margin
        self.open = work.fits_memory[r] & (self.device_left >= self.c / self.fmax * (1 - 1e-12))
        if problem.max_loss is not None:
            self.open &= work.loss[r] <= problem.max_loss[n]
        self.device_most = np.minimum(self._cheapest_time(), self.device_left)

    def _factor(self) -> Floats:
        """Standard deviations kept free before the deadline, and before the next inference."""
        eps = self.problem.risk[self.owner]
        match self.problem.margin:
            case Margin.CANTELLI:
                return np.asarray(np.sqrt((1 - eps) / eps))
            case Margin.UNIMODAL:
                return np.asarray([_unimodal(one) for one in eps.tolist()])
            case Margin.UNIMODAL:
                # Vysochanskij and Petunin, one-sided: 4/9 1/(1 + k²) from k² = 5/3 on, below it
                # 1 - 4/3 k²/(1 + k²).
                narrow = 3 * (1 - eps) / (1 + 3 * eps)
                return np.sqrt(np.where(eps <= 1 / 6, 4 / (9 * eps) - 1, narrow))
            case Margin.GAUSSIAN:
                return np.asarray(norm.isf(eps))
            case _:
                return np.zeros_like(eps)

    def _cheapest_time(self) -> Floats:
        """Time of the cycles at the clock that costs least, were there no deadline."""
        everything = np.arange(len(self.c))
        low, longest = self.c / self.fmax, self.c / self.fmin
        high = longest
        for _ in range(_CLOCK_HALVINGS):
            middle = 0.5 * (low + high)
            longer = self._power_saved(middle, everything) > 0
            low, high = np.where(longer, middle, low), np.where(longer, high, middle)
        return np.where(self._power_saved(longest, everything) >= 0, longest, low)

    def _power_saved(self, time: Floats, at: Integers) -> Floats:
        """What the device's energy falls by with a second more for its cycles, of
        `(static + kappa (c/t)**alpha) (t + t0)`; 0 without cycles.
        """
        c, alpha = self.c[at], self.alpha[at]
        f = c / np.where(c > 0, time, 1.0)
        clocked = self.kappa[at] * f**alpha
        faster = (alpha - 1) * clocked + alpha * clocked * self.t0[at] * f / np.where(c > 0, c, 1.0)
        return np.where(c > 0, faster - self.static[at], 0.0)

    def bits_per_s(self, b: Floats, at: Integers) -> tuple[Floats, Floats]:
        """Rate over a share, and its derivative."""
        law = self.problem.rate_law
        received = self.radiated[at] * self.h[at] / law.snr_gap
        snr = received / (self.problem.noise_w_per_hz * b)
        per_hz = law.efficiency * np.log1p(snr) / np.log(2)
        slope = per_hz - law.efficiency / ((1 + 1 / snr) * np.log(2))
        capped = per_hz >= law.max_bps_per_hz
        return (
            b * np.where(capped, law.max_bps_per_hz, per_hz),
            np.where(capped, law.max_bps_per_hz, slope),
        )

    def uplink_s(self, b: Floats, at: Integers) -> Floats:
        """Time of the most bits over a share."""
        rate, _ = self.bits_per_s(np.maximum(b, 1e-100), at)
        return np.where(self.d[at] > 0, self.most[at] / rate, 0.0)

    def clock_hz(self, b: Floats, at: Integers) -> Floats:
        """The clock that costs least of those that keep the deadline with share b."""
        c, fmin, fmax = self.c[at], self.fmin[at], self.fmax[at]
        slack = self.time_left[at] - self.uplink_s(b, at)
        time = np.clip(np.minimum(self.device_most[at], slack), c / fmax, c / fmin)
        return np.clip(np.where(c > 0, c / np.where(c > 0, time, 1.0), fmin), fmin, fmax)

    def energy(self, b: Floats, at: Integers) -> Floats:
        """Energy with share b, +inf where the deadline is missed or a stage cannot keep up."""
        tau, f = self.uplink_s(b, at), self.clock_hz(b, at)
        slack = self.time_left[at] - tau
        late = ~self.open[at] | (slack < 0) | (slack * (1 + 1e-12) < self.c[at] / self.fmax[at])
        late |= tau > self.period[at] * (1 + 1e-12)
        device = self.c[at] / f + self.t0[at]
        power = self.static[at] + self.kappa[at] * f ** self.alpha[at]
        expected = tau * np.where(self.d[at] > 0, self.d[at] / np.maximum(self.most[at], 1e-300), 0)
        energy = power * device + self.radio[at] * expected + self.whatever_j[at]
        return np.where(late, np.inf, self.rate[at] * energy)

    def marginal(self, b: Floats, at: Integers) -> Floats:
        """-dE/db by the chain rule, with the clock free wherever the deadline keeps it above the
        cheapest.
        """
        rate, slope = self.bits_per_s(b, at)
        tau = self.most[at] / rate
        slack = np.maximum(self.time_left[at] - tau, 0.5 * self.c[at] / self.fmax[at])
        pressed = (self.c[at] > 0) & (slack < self.device_most[at])
        saved = self._power_saved(np.where(pressed, slack, 1.0), at)
        d_energy_d_tau = self.radio[at] * self.d[at] / np.maximum(self.most[at], 1e-300)
        d_energy_d_tau = d_energy_d_tau + np.where(pressed, np.maximum(saved, 0.0), 0.0)
        return self.rate[at] * d_energy_d_tau * tau / rate * slope

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

    def asked_for(self, price: Floats, at: Integers, least: Floats) -> Floats:
        """Share, from the least to the whole uplink, at which E(b) + price b is least."""
        sends = self.d[at] > 0
        low = np.where(sends, least, 1.0)
        high = np.full(low.shape, self.problem.bandwidth_hz)
        bottom = low
        for _ in range(_SHARE_HALVINGS):
            middle = 0.5 * (low + high)
            more = self.marginal(middle, at) > price
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        # All at the least share may leave rounding on the wrong side of the deadline.
        return np.where(sends, np.maximum(low, bottom * (1 + 1e-12)), 0.0)


def brute_force(problem: Problem) -> float:
    """Least energy over all combinations [J], or with streams [W]; infinite where there is none."""
    return best_plan(problem)[0]


def best_plan(problem: Problem) -> tuple[float, Decision | None]:
    """Least energy over all combinations, as `brute_force`, and the plan that has it."""
    option = Option(problem)
    least = option.least_share()
    combos = combinations(option, least)
    combos = combos[least[combos].sum(axis=1) <= problem.bandwidth_hz]
    floor = _floors(option, combos, least)
    order = np.argsort(floor, kind="stable")
    best, decision = np.inf, None
    for start in range(0, len(combos), _AT_ONCE):
        if floor[order[start]] > best * (1 + 1e-9):
            break
        some = combos[order[start : start + _AT_ONCE]]
        share = _split(option, some, least)
        energy = option.energy(share, some).sum(axis=1)
        k = int(energy.argmin())
        if energy[k] < best:
            best = float(energy[k])
            decision = Decision(
                option=option.row[some[k]] - problem.workloads.first[problem.workload],
                frequency_hz=option.clock_hz(share[k], some[k]),
                bandwidth_hz=share[k],
            )
    return best, decision


def least_bandwidth_hz(problem: Problem) -> float:
    """The least uplink for any combination within the servers' budgets, of options that work with
    that of the problem to themselves; infinite where there is none.
    """
    option = Option(problem)
    least = option.least_share()
    combos = combinations(option, least)
    return float(least[combos].sum(axis=1).min(initial=np.inf))


def least_capacity(problem: Problem, server: int) -> float:
    """The least budget of one server for any combination that fits the uplink and the other
    servers; infinite where there is none.
    """
    option = Option(problem)
    least = option.least_share()
    others = list(problem.server_capacity)
    others[server] = np.inf
    combos = combinations(option, least, tuple(others))
    combos = combos[least[combos].sum(axis=1) <= problem.bandwidth_hz]
    return float(option.load[combos, server].sum(axis=1).min(initial=np.inf))


def combinations(
    option: Option, least_hz: Floats, capacity: tuple[float, ...] | None = None
) -> Integers:
    """All (combinations, users) of options that work alone and stay within the servers' budgets."""
    problem = option.problem
    per_user = [
        np.nonzero((option.owner == n) & np.isfinite(least_hz))[0] for n in range(problem.users)
    ]
    combos = np.array(list(itertools.product(*per_user)), dtype=np.int64).reshape(-1, problem.users)
    load = option.load[combos].sum(axis=1)
    budget = np.array(problem.server_capacity if capacity is None else capacity)
    return combos[np.all(load <= budget * (1 + 1e-12), axis=1)]


def _floors(option: Option, combos: Integers, least: Floats) -> Floats:
    """What no split of a combination costs less than, by its Lagrangian at some prices."""
    everything = np.nonzero(np.isfinite(least))[0]
    total = option.problem.bandwidth_hz
    if not len(combos):
        return np.empty(0)
    ends = [
        option.marginal(np.where(option.d > 0, b, 1.0), np.arange(len(least)))[everything]
        for b in (np.where(np.isfinite(least), least, 1.0), np.full(len(least), total))
    ]
    some = np.concatenate(ends)[np.concatenate(ends) > 0]
    prices = np.geomspace(some.min(), some.max(), _PRICES) if len(some) else np.ones(1)
    priced = np.full((len(prices), len(least)), np.inf)
    at = np.broadcast_to(everything, (len(prices), len(everything)))
    share = option.asked_for(prices[:, None], at, least[at])
    priced[:, everything] = option.energy(share, at) + prices[:, None] * share
    bound = np.full(len(combos), -np.inf)
    for k, price in enumerate(prices):
        bound = np.maximum(bound, priced[k, combos].sum(axis=1) - price * total)
    return bound


def _split(option: Option, combos: Integers, least: Floats) -> Floats:
    """Shares of each combination at its least energy, (combinations, users)."""
    low, high = np.full(len(combos), -80.0), np.full(len(combos), 30.0)
    for _ in range(_PRICE_HALVINGS):
        middle = 0.5 * (low + high)
        share = option.asked_for(np.exp(middle)[:, None], combos, least[combos])
        over = share.sum(axis=1) > option.problem.bandwidth_hz
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return option.asked_for(np.exp(high)[:, None], combos, least[combos])
