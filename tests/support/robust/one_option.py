"""One option after another: hostile ones to draw, and each in arithmetic of 50 digits with all of
its terms, in plain terms of share and clock.
"""

from dataclasses import replace
from typing import Any

import mpmath
import numpy as np

from solvers.margin import Margin
from solvers.rate_law import RateLaw
from solvers.robust.problem import Problem, Workloads

DIGITS = 50
_HALVINGS = 180


class ExactOption:
    """The only option of one user, every double of the problem taken as exact."""

    def __init__(self, problem: Problem, user: int) -> None:
        def one(values: Any) -> mpmath.mpf:
            return mpmath.mpf(float(np.ravel(values)[0]))

        work, law = problem.workloads, problem.rate_law
        row, kind = work.first[problem.workload[user]], problem.workload[user]
        self.snr_hz = one(problem.tx_power_w[user]) * one(problem.gain[user])
        self.snr_hz /= one(problem.noise_w_per_hz) * one(law.snr_gap)
        self.efficiency, self.most = one(law.efficiency), one(law.max_bps_per_hz)
        self.bits, self.most_bits = one(work.crossing_bit[row]), one(work.crossing_most_bit[row])
        self.cycles, self.overhead = one(work.cycles[row]), one(work.overhead_s[row])
        self.clock_min, self.clock_max = one(work.clock_min_hz[row]), one(work.clock_max_hz[row])
        self.kappa, self.alpha = one(work.power_coefficient[row]), one(work.power_exponent[row])
        self.standby = one(work.standby_power_w[kind])
        self.static = one(work.static_power_w[row]) + self.standby
        drawn = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
        self.radio = one(drawn[user]) + self.standby
        self.weight = mpmath.mpf(1) if problem.rate_hz is None else one(problem.rate_hz[user])
        risk = one(problem.risk[user])
        factor = mpmath.mpf(0)
        if problem.margin is Margin.CANTELLI:
            factor = mpmath.sqrt((1 - risk) / risk)
        device, server = one(work.device_variance_s2[row]), one(work.server_variance_s2[row])
        spread = mpmath.sqrt(device + server)  # neither correlated nor from the network
        away = one(work.result_bit[row]) / one(problem.downlink_bps)
        away += one(work.server_mean_s[row]) + one(problem.network_mean_s)
        self.constant = one(work.fixed_energy_j[row]) + self.standby * away
        self.constant += one(work.energy_j_per_bit[kind]) * self.bits
        self.left = one(problem.deadline_s[user]) - self.overhead - away - factor * spread
        self.period, self.stage = mpmath.inf, mpmath.inf
        if problem.rate_hz is not None:
            self.period = 1 / self.weight
            self.stage = self.period - self.overhead - factor * mpmath.sqrt(device)
        self.cheapest = self._cheapest()

    def _cheapest(self) -> mpmath.mpf:
        """The clock of least energy by halving dE/df, whose sign changes once."""
        low, high = mpmath.log(self.clock_min), mpmath.log(self.clock_max)
        c, t0, k, a = self.cycles, self.overhead, self.kappa, self.alpha

        def rising(log_clock: mpmath.mpf) -> bool:
            f = mpmath.exp(log_clock)
            clocked = (a - 1) * k * c * f ** (a - 2) + a * k * t0 * f ** (a - 1)
            return bool(clocked > self.static * c / f**2)

        if c == 0 or rising(low) or self.static == 0:
            return self.clock_min
        if not rising(high):
            return self.clock_max
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if rising(middle) else (middle, high)
        return mpmath.exp(low)

    def per_hz(self, share: mpmath.mpf) -> mpmath.mpf:
        """Bit/s/Hz over a share."""
        snr = self.snr_hz / share
        return min(self.most, self.efficiency * mpmath.log1p(snr) / mpmath.log(2))

    def clock(self, share: mpmath.mpf) -> mpmath.mpf | None:
        """The cheapest clock that keeps deadline and stage; None where none does."""
        uplink = self.most_bits / (share * self.per_hz(share))
        left = min(self.left - uplink, self.stage)
        if uplink > self.period or left < 0 or self.cycles > left * self.clock_max:
            return None
        return self.cheapest if self.cycles == 0 else max(self.cheapest, self.cycles / left)

    def energy(self, share: mpmath.mpf) -> mpmath.mpf:
        """Least energy over a share; infinite where there is no time."""
        clock = self.clock(share)
        return mpmath.inf if clock is None else self.energy_at(share, clock)

    def energy_at(self, share: mpmath.mpf, clock: mpmath.mpf) -> mpmath.mpf:
        """Energy over a share at a clock, in time or not."""
        device = self.cycles / clock + self.overhead
        spent = (self.static + self.kappa * clock**self.alpha) * device + self.constant
        return self.weight * (spent + self.radio * self.bits / (share * self.per_hz(share)))

    def least_share(self, most_hz: float) -> mpmath.mpf | None:
        """The least share in time, from above, up to `most_hz`; None where that is not enough."""
        high = mpmath.log(mpmath.mpf(most_hz))
        if self.clock(mpmath.exp(high)) is None:
            return None
        low = high - 1
        while self.clock(mpmath.exp(low)) is not None:
            low = 2 * low - high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.clock(mpmath.exp(middle)) else (middle, high)
        return mpmath.exp(high)

    def priced(self, price: float, least: mpmath.mpf, most_hz: float) -> mpmath.mpf:
        """Least of energy and price over the shares between two: a search by thirds of what is
        convex.
        """
        low, high, each = least, mpmath.mpf(most_hz), mpmath.mpf(price)

        def cost(share: mpmath.mpf) -> mpmath.mpf:
            return self.energy(share) + each * share

        low, high = mpmath.log(low), mpmath.log(high)
        best = min(cost(mpmath.exp(low)), cost(mpmath.exp(high)), cost(least))
        # Not convex in the logarithm of the share, but with one minimum there too.
        part = (mpmath.sqrt(5) - 1) / 2
        inner = [high - part * (high - low), low + part * (high - low)]
        costs = [cost(mpmath.exp(x)) for x in inner]
        while high - low > mpmath.mpf(10) ** -20:
            best = min(best, *costs)
            if costs[0] <= costs[1]:
                high, inner[1], costs[1] = inner[1], inner[0], costs[0]
                inner[0] = high - part * (high - low)
                costs[0] = cost(mpmath.exp(inner[0]))
            else:
                low, inner[0], costs[0] = inner[0], inner[1], costs[1]
                inner[1] = low + part * (high - low)
                costs[1] = cost(mpmath.exp(inner[1]))
        return best


def hostile_options(rng: np.random.Generator, users: int, terms: bool = True) -> Problem:
    """Users of one option each that is as bad as can be: hardly in time or with hours to spare,
    power laws from lines to fourth powers, with clocks, caps and periods near each other.
    """

    def ten_to(low: float, high: float, count: int = users) -> Any:
        return 10.0 ** rng.uniform(low, high, count)

    def some(values: Any, often: float = 0.5) -> Any:
        return np.where(rng.random(users) < often, values, 0.0)

    top = ten_to(8.0, 9.6)
    low = top * rng.choice([1.0, 0.9, 0.3, 0.01, 1e-4], users)
    cycles = some(ten_to(5.0, 9.5), 0.85)
    overhead = some(ten_to(-5.0, -1.0))
    exponent = rng.choice([1.0, 1.0 + 1e-6, 2.0, 3.0, 4.0, 2.6], users)
    streams, standby = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    law = RateLaw(
        efficiency=float(rng.choice([1.0, 0.4, 0.75])),
        max_bps_per_hz=float(rng.choice([np.inf, 0.01, 2.0, 4.4, 9.0])),
        snr_gap=float(rng.choice([1.0, 2.0, 30.0])),
    )
    tx, gain, noise = ten_to(-2.0, 0.5), ten_to(-13.0, -6.0), 10 ** (-17.4) / 1000.0
    most = ten_to(3.0, 7.0)
    unit = most * np.log(2) / (tx * gain / noise / law.snr_gap * law.efficiency)
    deviation = some(ten_to(-5.0, -2.0))
    server, server_deviation = some(ten_to(-4.0, -1.0)), some(ten_to(-5.0, -2.0))
    device = cycles / top + overhead
    spare = unit * (1.0 + ten_to(-6.0, 6.0))
    risk = rng.uniform(0.01, 0.5, users)
    margin = np.sqrt((1 - risk) / risk * (deviation**2 + server_deviation**2))
    deadline = device + spare + margin + server + some(cycles / low - cycles / top, 0.3)
    rate = None
    if streams:
        slower = np.maximum(device + np.sqrt((1 - risk) / risk) * deviation, 1.01 * unit)
        rate = 1.0 / (slower * (1.0 + ten_to(-9.0, 2.0)))
    zeros = np.zeros(users)
    table = Workloads(
        first=np.arange(users + 1),
        standby_power_w=some(ten_to(-2.0, 1.0)) if standby else zeros,
        energy_j_per_bit=some(ten_to(-10.0, -7.0)),
        cut=np.zeros(users, dtype=np.int64),
        clock_min_hz=low,
        clock_max_hz=top,
        cycles=cycles,
        overhead_s=overhead,
        static_power_w=some(ten_to(-4.0, 2.0)),
        power_coefficient=some(ten_to(-3.0, 1.0), 0.9) / top**exponent,
        power_exponent=exponent,
        fixed_energy_j=some(ten_to(-3.0, 0.0), 0.3),
        device_variance_s2=deviation**2,
        device_variance_low_s2=deviation**2,
        device_excess_s=zeros,
        crossing_bit=most * rng.choice([1.0, 0.7, 1e-3], users),
        crossing_most_bit=most,
        result_bit=zeros,
        server_mean_s=server,
        server_variance_s2=server_deviation**2,
        server_excess_s=zeros,
        server_load_s=np.zeros((users, 0)),
        loss=zeros,
        fits_memory=np.ones(users, dtype=bool),
    )
    problem = Problem(
        bandwidth_hz=1e10,
        noise_w_per_hz=noise,
        rate_law=law,
        workloads=table,
        workload=np.arange(users),
        tx_power_w=tx,
        radio_power_w=ten_to(-3.0, 0.5),
        rate_hz=rate,
        gain=gain,
        deadline_s=deadline,
        risk=risk,
        correlation=zeros,
    )
    return problem if terms else _without_terms(problem)


def _without_terms(problem: Problem) -> Problem:
    work = problem.workloads
    zeros = np.zeros(problem.users)
    plain = replace(
        work,
        standby_power_w=zeros,
        energy_j_per_bit=zeros,
        static_power_w=zeros,
        fixed_energy_j=zeros,
        power_exponent=np.full(problem.users, 3.0),
        crossing_bit=work.crossing_most_bit,
    )
    return replace(problem, workloads=plain, rate_law=RateLaw(), rate_hz=None, radio_power_w=None)
