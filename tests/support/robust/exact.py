"""A small cell planned in arithmetic of 50 digits: every combination of cuts, each with its exact
split.
"""

from dataclasses import replace
from itertools import product

import mpmath  # type: ignore[import-untyped]
import numpy as np

from solvers.moments import Margin
from solvers.outcome import Status
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.candidates import options_of
from tests.support.robust.cells import random_cell

_DIGITS = 50
_HALVINGS = 190  # of an interval of 280, to 50 digits


class _Option:
    """One user's option in many digits, with every double of the problem taken as exact."""

    def __init__(self, problem: Problem, user: int, row: int) -> None:
        real, work = mpmath.mpf, problem.workloads
        self.power = real(float(problem.tx_power_w[user]))
        self.scale = self.power * real(float(problem.gain[user])) / real(problem.noise_w_per_hz)
        self.unit_s = real(float(work.crossing_bit[row])) * mpmath.log(2) / self.scale
        self.cycles, self.overhead = (
            real(float(work.cycles[row])),
            real(float(work.overhead_s[row])),
        )
        self.kappa = real(float(work.power_coefficient[row]))
        self.slowest, self.fastest = (
            real(float(work.clock_min_hz[row])),
            real(float(work.clock_max_hz[row])),
        )
        self.sends = bool(work.crossing_bit[row] > 0.0)
        self.left_s = self._left(problem, user, row)
        over = self.left_s - self.cycles / self.fastest
        self.possible = over > self.unit_s if self.sends else over >= 0
        self.least_hz = real(0)
        if self.sends and self.possible:
            self.least_hz = self.scale / mpmath.exp(self._log_snr(over / self.unit_s))

    def _left(self, problem: Problem, user: int, row: int) -> mpmath.mpf:
        real, work = mpmath.mpf, problem.workloads
        device, server = (
            real(float(work.device_variance_s2[row])),
            real(float(work.server_variance_s2[row])),
        )
        low, rho = (
            real(float(work.device_variance_low_s2[row])),
            real(float(problem.correlation[user])),
        )
        network = real(problem.network_variance_s2 if self.sends else 0.0)
        variance = max(
            v + server + network + 2 * rho * mpmath.sqrt(v * server) for v in (device, low)
        )
        risk = real(float(problem.risk[user]))
        match problem.margin:
            case Margin.CANTELLI:
                sigma = mpmath.sqrt((1 - risk) / risk)
            case Margin.UNIMODAL:
                near = 3 * (1 - risk) / (1 + 3 * risk)
                sigma = mpmath.sqrt(4 / (9 * risk) - 1 if 6 * risk <= 1 else near)
            case Margin.GAUSSIAN:
                sigma = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * risk)
            case _:
                sigma = real(0)
        fixed = self.overhead + real(float(work.server_mean_s[row]))
        fixed += real(problem.network_mean_s if self.sends else 0.0)
        return (
            real(float(problem.deadline_s[user]))
            - fixed
            - sigma * mpmath.sqrt(max(variance, real(0)))
        )

    def _log_snr(self, stretch: mpmath.mpf) -> mpmath.mpf:
        low, high = mpmath.mpf(-80), mpmath.mpf(200)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            s = mpmath.exp(middle)
            low, high = (low, middle) if s / mpmath.log1p(s) > stretch else (middle, high)
        return low

    def energy_j(self, share: mpmath.mpf) -> mpmath.mpf:
        """Least energy at a share."""
        clock, uplink = self._clock(share)
        return self.kappa * clock**2 * (self.cycles + self.overhead * clock) + self.power * uplink

    def _clock(self, share: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
        uplink = mpmath.mpf(0)
        if self.sends:
            snr = self.scale / share
            uplink = self.unit_s * snr / mpmath.log1p(snr)
        if self.cycles == 0:
            return self.slowest, uplink
        left = self.left_s - uplink
        clock = self.cycles / left if left > 0 else self.fastest
        return min(max(clock, self.slowest), self.fastest), uplink

    def marginal(self, share: mpmath.mpf) -> mpmath.mpf:
        """-dE/db at a share, to the right."""
        snr = self.scale / share
        log = mpmath.log1p(snr)
        slope = self.unit_s * snr / share * (1 / log - snr / ((1 + snr) * log**2))
        clock, _ = self._clock(share)
        watts = self.power
        if clock > self.slowest:
            watts += self.kappa * clock**3 * (2 + 3 * self.overhead * clock / self.cycles)
        return watts * slope


def split_j(options: list[_Option], bandwidth_hz: float) -> mpmath.mpf:
    """Least energy of some options, one per user, on an uplink; infinite where they do not fit."""
    senders = [one for one in options if one.sends]
    silent = sum((one.energy_j(mpmath.mpf(0)) for one in options if not one.sends), mpmath.mpf(0))
    left = mpmath.mpf(bandwidth_hz) - sum(one.least_hz for one in senders)
    if left < 0:
        return mpmath.inf
    if not senders:
        return silent

    def beyond(one: _Option, price: mpmath.mpf) -> mpmath.mpf:
        low, high = mpmath.mpf(0), left
        if one.marginal(one.least_hz) <= price:
            return low
        if one.marginal(one.least_hz + high) >= price:
            return high
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if one.marginal(one.least_hz + middle) > price else (low, middle)
            )
        return low

    if len(senders) == 1:
        return silent + senders[0].energy_j(senders[0].least_hz + left)
    low = min(one.marginal(one.least_hz + left) for one in senders)
    high = max(one.marginal(one.least_hz) for one in senders)
    for _ in range(60):
        price = mpmath.sqrt(low * high)
        total = sum(beyond(one, price) for one in senders)
        low, high = (price, high) if total > left else (low, price)
    shares = [beyond(one, high) for one in senders]
    # At a kink of the demand the last of it goes to whom it is worth most.
    rest = left - sum(shares)
    more = [beyond(one, low) for one in senders]
    span = sum(more) - sum(shares)
    part = rest / span if span > 0 else mpmath.mpf(0)
    shares = [a + (b - a) * min(part, mpmath.mpf(1)) for a, b in zip(shares, more, strict=True)]
    return silent + sum(
        one.energy_j(one.least_hz + b) for one, b in zip(senders, shares, strict=True)
    )


def exact_j(problem: Problem) -> mpmath.mpf:
    """Least energy of a small cell, over all combinations of cuts and levels."""
    with mpmath.workdps(_DIGITS):
        first, users = problem.workloads.first, []
        for user, kind in enumerate(problem.workload):
            options = [_Option(problem, user, row) for row in range(first[kind], first[kind + 1])]
            users.append([one for one in options if one.possible])
        return min(
            (split_j(list(some), problem.bandwidth_hz) for some in product(*users)),
            default=mpmath.inf,
        )


def tight_cell(seed: int) -> Problem | None:
    """A small cell whose uplink is 1e-12 to 1e-2 above its least shares; every fourth has absurd
    clocks.
    """
    rng = np.random.default_rng(seed)
    problem = random_cell(rng, int(rng.integers(1, 4)), 3, ("generic", "levels")[seed % 5 == 4])
    if seed % 4 == 3:
        work = problem.workloads
        tiny = 10.0 ** rng.uniform(-9, -4)
        problem = replace(problem, workloads=replace(work, cycles=work.cycles * tiny))
    options, possible = options_of(problem)
    least = float(options.least(np.where(possible, options.curves.least_hz, np.inf)).sum())
    if not 0.0 < least < np.inf:
        return None
    return replace(problem, bandwidth_hz=least * (1.0 + 10.0 ** rng.uniform(-12, -2)))


def faults_of(problem: Problem, gap: float = 1e-6) -> tuple[Status, list[str]]:
    """What an answer claims beyond what holds."""
    solution, exact = solve(problem), exact_j(problem)
    if solution.objective is None or solution.lower_bound is None:
        return solution.status, []
    faults = []
    if mpmath.mpf(solution.lower_bound) > exact:
        faults.append(f"bound {solution.lower_bound!r} above {mpmath.nstr(exact, 20)}")
    if (
        solution.status is Status.OPTIMAL
        and mpmath.mpf(solution.objective) * (1 - gap * (1 + 1e-6)) > exact
    ):
        faults.append(f"{solution.objective!r} called optimal, not {mpmath.nstr(exact, 20)}")
    return solution.status, faults
