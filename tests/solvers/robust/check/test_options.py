"""The bound's own view of an option, and the bound itself with every term, against plain numbers.

The optimum here is found by zooming into shares and prices, with formulas of this file alone.
"""

import itertools
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from solvers.arrays import Floats
from solvers.margin import Margin
from solvers.rate_law import RateLaw
from solvers.robust.check.bound import lower_bound_j, open_options, within
from solvers.robust.check.curves import efficiency_for, least_j
from solvers.robust.check.options import frugal_clock_hz, options_of
from solvers.robust.problem import Decision, Problem
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.everything import TERMS, random_cell_with_everything

_POINTS = np.linspace(0.0, 1.0, 201)
_PRICES = 25
LN2 = math.log(2.0)


class Plain:
    """One option of a user: least energy [J], or power [W] of a stream, over shares [Hz]."""

    def __init__(self, problem: Problem, n: int, row: int) -> None:
        work, kind = problem.workloads, int(problem.workload[n])
        column = {
            name: float(getattr(work, name)[row])
            for name in work.per_row()
            if name not in ("cut", "server_load_s")
        }
        self.column, self.law = column, problem.rate_law
        sends = column["crossing_bit"] > 0.0
        self.rate = 1.0 if problem.rate_hz is None else float(problem.rate_hz[n])
        self.period = np.inf if problem.rate_hz is None else 1.0 / self.rate
        self.load = self.rate * work.server_load_s[row]
        standby = float(work.standby_power_w[kind])
        self.static = column["static_power_w"] + standby
        drawn = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
        self.radio = float(drawn[n]) + standby
        self.snr_hz = float(problem.tx_power_w[n] * problem.gain[n]) / problem.noise_w_per_hz
        waits = sends * problem.network_mean_s + column["result_bit"] / problem.downlink_bps
        waits += column["server_mean_s"]
        self.whatever = column["fixed_energy_j"] + standby * waits
        self.whatever += float(work.energy_j_per_bit[kind]) * column["crossing_bit"]
        margin, own = self._margins(problem, n, sends)
        self.left = float(problem.deadline_s[n]) - column["overhead_s"] - waits - margin
        self.device_left = self.period - column["overhead_s"] - own
        allowed = 1.0 if problem.max_loss is None else float(problem.max_loss[n])
        self.open = bool(column["fits_memory"]) and column["loss"] <= allowed
        low, high = column["clock_min_hz"], column["clock_max_hz"]
        found = minimize_scalar(
            lambda x: float(self._device_j(math.exp(x))),
            bounds=(math.log(low), math.log(high) + 1e-12),
            method="bounded",
            options={"xatol": 1e-12},
        )
        ends = [low, high, min(max(math.exp(found.x), low), high)]
        self.frugal = min(ends, key=self._device_j)

    def _margins(self, problem: Problem, n: int, sends: bool) -> tuple[float, float]:
        """Before the deadline, and of the device before the next input."""
        c, risk, rho = self.column, float(problem.risk[n]), float(problem.correlation[n])
        if problem.margin in (Margin.WORST_CASE, Margin.MEASURED):
            return c["device_excess_s"] + c["server_excess_s"], c["device_excess_s"]
        factor = {
            Margin.CANTELLI: math.sqrt(1.0 / risk - 1.0),
            Margin.UNIMODAL: math.sqrt(
                4.0 / (9.0 * risk) - 1.0
                if 6.0 * risk <= 1.0
                else 3.0 * (1.0 - risk) / (1.0 + 3.0 * risk)
            ),
            Margin.GAUSSIAN: NormalDist().inv_cdf(1.0 - risk),
        }.get(problem.margin, 0.0)
        server = c["server_variance_s2"]
        total = max(
            device + server + 2.0 * rho * math.sqrt(device * server)
            for device in (c["device_variance_s2"], c["device_variance_low_s2"])
        )
        total += sends * problem.network_variance_s2
        return factor * math.sqrt(total), factor * math.sqrt(c["device_variance_s2"])

    def _device_j(self, clock: Floats | float) -> Floats | float:
        c = self.column
        watts = self.static + c["power_coefficient"] * clock ** c["power_exponent"]
        return watts * (c["cycles"] / clock + c["overhead_s"])

    def energy(self, share: Floats) -> Floats:
        """Infinite where a limit cannot be kept."""
        c, law = self.column, self.law
        per_hz = law.efficiency * np.log1p(self.snr_hz / share / law.snr_gap) / LN2
        bps = share * np.minimum(per_hz, law.max_bps_per_hz)
        most, expected = c["crossing_most_bit"] / bps, c["crossing_bit"] / bps
        room = np.minimum(self.left - most, self.device_left)
        with np.errstate(divide="ignore", invalid="ignore"):
            asked = np.where(room > 0.0, c["cycles"] / room, np.inf if c["cycles"] else 0.0)
        late = (room < 0.0) | (asked > c["clock_max_hz"]) | (most > self.period)
        clock = np.minimum(np.maximum(asked, self.frugal), c["clock_max_hz"])
        energy = self._device_j(clock) + self.radio * expected + self.whatever
        return np.where(late | (not self.open), np.inf, self.rate * energy)


def least_of(option: Plain, price: float, most_hz: float) -> float:
    """Least of energy and price times share, by zooming in on a convex function."""
    if option.column["crossing_bit"] == 0.0:
        return float(option.energy(np.array([1.0]))[0])
    low, high = math.log(most_hz) - 20.0, math.log(most_hz)
    best = np.inf
    for _ in range(5):
        share = np.exp(low + (high - low) * _POINTS)
        value = option.energy(share) + price * share
        at = int(value.argmin())
        if not np.isfinite(value[at]):
            at = len(value) - 1  # what is in time at all is in time with more
        best = min(best, float(value[at]))
        step = (high - low) / (len(_POINTS) - 1)
        centre = low + at * step
        low, high = centre - step, min(centre + step, math.log(most_hz))
    return best


def optimum(problem: Problem) -> float:
    """Least energy of all combinations of options: with these fixed, that of the best price."""
    first, total = problem.workloads.first, problem.bandwidth_hz
    users = [
        [
            Plain(problem, n, row)
            for row in range(first[problem.workload[n]], first[problem.workload[n] + 1])
        ]
        for n in range(problem.users)
    ]
    scale = min(
        sum(option.energy(np.array([total]))[0] for option in combination)
        for combination in itertools.product(*users)
    )
    if not np.isfinite(scale):
        return np.inf
    prices = np.concatenate(([0.0], scale / total * np.exp(np.linspace(-12.0, 8.0, _PRICES))))
    values = [
        [np.array([least_of(option, price, total) for price in prices]) for option in options]
        for options in users
    ]
    within = np.asarray(problem.server_capacity)
    found = []
    for picked in itertools.product(*(range(len(options)) for options in users)):
        combination = [options[m] for options, m in zip(users, picked, strict=True)]
        if np.all(sum(option.load for option in combination) <= within):
            each = sum(values[n][m] for n, m in enumerate(picked)) - prices * total
            found.append((float(each.max()), int(each.argmax()), combination))
    best = np.inf
    for rough, at, combination in sorted(found, key=lambda entry: entry[0]):
        if rough >= best:
            break
        best = min(best, max(rough, _at_best_price(combination, prices, at, total)))
    return best


def _at_best_price(combination: list[Plain], prices: Floats, at: int, total: float) -> float:
    if at == 0:
        return -np.inf
    if at == len(prices) - 1:
        return np.inf  # the least shares do not fit

    def lost(log_price: float) -> float:
        price = math.exp(log_price)
        return price * total - sum(least_of(option, price, total) for option in combination)

    around = (math.log(max(prices[at - 1], 1e-6 * prices[at])), math.log(prices[at + 1]))
    return -float(
        minimize_scalar(lost, bounds=around, method="bounded", options={"xatol": 1e-7}).fun
    )


def some_plan(problem: Problem) -> Decision:
    """One that only has the right shape: in a small cell the bound does not depend on it."""
    first = problem.workloads.first[problem.workload]
    return Decision(
        option=np.zeros(problem.users, dtype=np.int64),
        frequency_hz=problem.workloads.clock_max_hz[first],
        bandwidth_hz=np.full(problem.users, problem.bandwidth_hz / problem.users),
    )


@pytest.mark.slow
@pytest.mark.parametrize("block", [0, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("users", [1, 2, 3])
def test_no_prices_lift_the_bound_above_the_optimum_with_any_term(users: int, block: int) -> None:
    tight = []
    for seed in range(6 * block, 6 * block + 6):
        rng = np.random.default_rng(100 * users + seed)
        drawn = TERMS if seed % 2 else tuple(rng.choice(TERMS, 3, replace=False).tolist())
        problem = random_cell_with_everything(rng, users, drawn, 5)
        best, servers = optimum(problem), len(problem.server_capacity)
        if best == np.inf:
            continue
        plan, gaps = some_plan(problem), []
        for price in best / problem.bandwidth_hz * np.exp(np.linspace(-9.0, 3.0, 17)):
            for of_servers in (np.zeros(servers), best * np.exp(rng.uniform(-5.0, 1.0, servers))):
                for goal in (np.inf, best * (1.0 - 1e-6)):
                    bound = lower_bound_j(problem, plan, [float(price)], goal, [of_servers])
                    assert bound.energy_j <= best * (1.0 + 1e-8), seed
                gaps.append(1.0 - bound.energy_j / best)
        widest = lower_bound_j(problem, plan, [0.0], np.inf, [np.zeros(servers)])
        assert widest.energy_j <= best * (1.0 + 1e-8), seed
        tight.append(min(*gaps, 1.0 - widest.energy_j / best))
    assert len(tight) >= 4
    assert np.mean(np.array(tight) < 1e-4) > 0.7  # else the test would say little


def test_below_the_frugal_clock_nothing_is_saved() -> None:
    moved = 0
    for seed in range(80):
        problem = random_cell_with_everything(
            np.random.default_rng(seed), 2, ("static", "exponent", "standby")
        )
        work, clock = problem.workloads, frugal_clock_hz(problem)
        kind = np.repeat(np.arange(len(work.first) - 1), np.diff(work.first))
        for row in range(len(clock)):
            n = int(np.argmax(problem.workload == kind[row]))
            if problem.workload[n] != kind[row]:
                continue
            option = Plain(problem, n, row)
            at = option._device_j(float(clock[row]))
            assert at <= option._device_j(option.frugal) * (1.0 + 1e-13)
            assert work.clock_min_hz[row] <= clock[row] <= work.clock_max_hz[row]
            moved += clock[row] > work.clock_min_hz[row]
    assert moved > 60


def test_clocks_without_static_power_are_left_alone() -> None:
    problem = random_cell(np.random.default_rng(0), 3, 5)
    assert frugal_clock_hz(problem) is problem.workloads.clock_min_hz


@pytest.mark.parametrize("cap", [0.01, 0.7, 3.0, 40.0, np.inf])
def test_the_largest_efficiency_is_the_inverse_of_the_stretch(cap: float) -> None:
    u = np.exp(np.linspace(np.log(1e-6), np.log(200.0), 400))
    found = efficiency_for(np.expm1(u) / np.minimum(u, cap), cap)
    assert np.all(found >= u * (1.0 - 1e-15))
    assert np.all(found <= u * (1.0 + 1e-9) + 1e-13)


def test_tangents_meet_below_the_kink_of_a_capped_rate() -> None:
    """Over a range of prices the best share is where the cap begins, and the bound is exact."""
    law = RateLaw(efficiency=0.5, max_bps_per_hz=2.0, snr_gap=2.0)
    problem = replace(a_cell(4), bandwidth_hz=1e9, rate_law=law)
    users = np.arange(4)
    nobody = np.full(4, -1)
    options, cap_hz = open_options(problem, users, frugal_clock_hz(problem), nobody)
    options, reach = within(options, cap_hz, users, nobody)
    some = np.flatnonzero(reach.least_u < 0.999 * reach.most_u)
    options, reach = options[some], reach[some]
    plain = [
        Plain(problem, int(n), int(m)) for n, m in zip(options.user, options.option, strict=True)
    ]
    # What a Hz more saves just below the cap, with the clock at its least.
    kink_hz = options.scale_hz / np.expm1(options.cap_u)
    saved = options.power_w * options.unit_s * options.scale_hz / kink_hz**2 / options.cap_u
    at_kink = 0
    for factor in np.exp(np.linspace(-3.0, 2.0, 41)):
        value, share = least_j(options, factor * saved, reach)
        for k, option in enumerate(plain):
            low = options.scale_hz[k] / np.expm1(reach.most_u[k])
            high = options.scale_hz[k] / np.expm1(reach.least_u[k])
            shares = np.exp(np.linspace(np.log(low), np.log(high), 4001))
            shares = np.clip(np.append(shares, [low * (1.0 + 1e-12), kink_hz[k]]), low, high)
            least = float((option.energy(shares) + factor * saved[k] * shares).min())
            assert value[k] <= least * (1.0 + 1e-13)
            assert value[k] >= least * (1.0 - 1e-5)
        at_kink += int((np.abs(share / kink_hz - 1.0) < 1e-5).sum())
    assert at_kink > 100


def test_options_are_closed_by_loss_and_by_stages() -> None:
    problem = a_cell(1)
    work = replace(problem.workloads, loss=np.linspace(0.0, 0.1, 11))
    problem = replace(problem, workloads=work, bandwidth_hz=1e8)
    alone, floor = np.arange(1), frugal_clock_hz(problem)
    everything = options_of(problem, alone, floor).option.tolist()
    lossless = options_of(replace(problem, max_loss=np.array([0.05])), alone, floor)
    assert lossless.option.tolist() == [m for m in everything if m <= 5]
    # The whole network takes 0.115 s at the largest clock; its deviation is a twentieth of that.
    fast = replace(problem, rate_hz=np.array([10.0]))
    assert 10 in everything
    assert 10 not in options_of(fast, alone, floor).option


def test_a_large_cell_of_streams_loses_nothing_by_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Options that cannot matter at the prices are not priced, servers included."""
    import solvers.robust.check.bound as module

    base = a_cell(60)
    work = replace(
        base.workloads,
        server_load_s=base.workloads.server_mean_s[:, None],
        static_power_w=np.ones(11),
    )
    problem = replace(
        base, workloads=work, rate_hz=np.linspace(0.5, 3.0, 60), server_capacity=(0.05,)
    )
    everything_local = Decision(
        option=np.full(60, 10), frequency_hz=np.full(60, 1.9e9), bandwidth_hz=np.zeros(60)
    )
    for price in (1e-8, 1e-6):
        for server in (0.0, 1.0, 50.0):
            arguments = (problem, everything_local, [price], -np.inf, [np.array([server])])
            few = lower_bound_j(*arguments).energy_j
            with monkeypatch.context() as patch:
                patch.setattr(module, "_SEARCHED_USERS", 100)
                assert lower_bound_j(*arguments).energy_j == pytest.approx(few, rel=1e-13)
