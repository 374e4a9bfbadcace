"""What every option of a user leaves for clock and uplink, and what both cost there.

Everything is told in the time of the most bits that may have to be sent, since that is what the
limits are about: the radio's power is scaled by the part of them that is expected.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.margin import OF_OPTIONS
from solvers.robust.check.terms import margin_s, variance_s2
from solvers.robust.problem import Problem, Workloads

# A value here is made by some 30 operations, each good to an ulp or two.
ROUNDING = 64.0 * float(np.finfo(float).eps)
# What a plan may go beyond a limit that closes options, and still be held to it exactly.
EXACT = 1e-12
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Options:
    """Options of some users that can keep their limits, (options,) each.

    Columns that no option needs are None. Energies and powers are times `rate_hz` in streams.
    """

    user: Integers
    option: Integers  # counted within the user's workload
    scale_hz: Floats  # a = p h/(N0 gap)
    # d ln2/(efficiency a), the uplink time that endless bandwidth would leave; 0 where silent
    unit_s: Floats
    left_s: Floats  # time for clock and uplink, rounded up
    power_w: Floats  # of the radio and of standby, while sending
    kappa: Floats
    cycles: Floats
    overhead_s: Floats
    clock_min_hz: Floats  # or what saves nothing to go below
    clock_max_hz: Floats
    exponent: Floats | None = None  # None: 3
    static_w: Floats | None = None  # while the cycles run
    fixed_j: Floats | None = None  # whatever clock and share
    uplink_end_s: Floats | None = None  # of a stream
    load: Floats | None = None  # (options, servers) seconds per second
    cap_u: float = float("inf")  # spectral efficiency beyond which the rate stays the same

    def __getitem__(self, some: Integers | Booleans) -> "Options":
        """Some of the options, in any order, perhaps several times."""
        picked: dict[str, Any] = {
            name: None if column is None else column[some]
            for name, column in self.columns().items()
        }
        return Options(**picked, cap_u=self.cap_u)

    def columns(self) -> dict[str, Any]:
        """All columns by name."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @property
    def plain(self) -> bool:
        """Whether a clock's cube and a radio are all that draws, at a rate without a cap, and
        nobody streams.
        """
        general = (self.exponent, self.static_w, self.fixed_j, self.uplink_end_s, self.load)
        return self.cap_u == float("inf") and all(column is None for column in general)

    def uplink_most_s(self) -> Floats:
        """Longest uplink with which the largest clock keeps the deadline."""
        left_s = self.left_s - self.cycles / self.clock_max_hz
        return left_s if self.uplink_end_s is None else np.minimum(left_s, self.uplink_end_s)

    def device_j(self, clock_hz: Floats) -> Floats:
        """Energy of the device at a clock, but for what is fixed."""
        per_step = self.cycles + self.overhead_s * clock_hz
        if self.exponent is None:
            energy = self.kappa * clock_hz * clock_hz * per_step
        else:
            energy = self.kappa * np.power(clock_hz, self.exponent - 1.0) * per_step
        if self.static_w is not None:
            energy = energy + self.static_w * (self.cycles / clock_hz)
        return np.asarray(energy)

    def faster_w(self, clock_hz: Floats) -> Floats:
        """What a second less for the cycles adds to the clocked part of the energy."""
        per_cycle = clock_hz / np.where(self.cycles > 0.0, self.cycles, 1.0)
        if self.exponent is None:
            bend = 2.0 + 3.0 * self.overhead_s * per_cycle
            return np.asarray(self.kappa * clock_hz**3 * bend)
        bend = self.exponent - 1.0 + self.exponent * self.overhead_s * per_cycle
        return np.asarray(self.kappa * np.power(clock_hz, self.exponent) * bend)

    def cheapest_j(self, uplink_s: Floats | None = None) -> Floats:
        """Energy that no share goes below, or none whose uplink takes that long or longer, as far
        as it is in time.
        """
        if uplink_s is None:
            uplink_s = self.unit_s
        else:
            uplink_s = np.minimum(uplink_s, np.maximum(self.uplink_most_s(), self.unit_s))
        with np.errstate(divide="ignore", invalid="ignore"):
            asked = np.where(self.cycles > 0.0, self.cycles / (self.left_s - uplink_s), 0.0)
        # What is left may be rounding alone: then the largest clock is asked for, by construction.
        clock = np.clip(asked * (1.0 - 1e-12), self.clock_min_hz, self.clock_max_hz)
        energy = self.device_j(clock) + self.power_w * uplink_s
        if self.fixed_j is not None:
            energy = energy + self.fixed_j
        return energy * (1.0 - ROUNDING)

    def with_servers_j(self, energy_j: Floats, server_price: Floats) -> Floats:
        """Energy and what is paid for servers [J per second of each]."""
        return energy_j if self.load is None else np.asarray(energy_j + self.load @ server_price)


_COLUMNS = tuple(field.name for field in fields(Options) if field.name != "cap_u")


def options_of(problem: Problem, users: Integers, floor_hz: Floats) -> Options:
    """Options of `users` that fit the memory and, with all the spectrum there is, the deadline,
    and that are not closed by loss or stage.

    `floor_hz` has an entry per row, of `frugal_clock_hz`.
    """
    work, law = problem.workloads, problem.rate_law
    count = np.diff(work.first)[problem.workload[users]]
    user = np.repeat(users, count)
    option = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    row = work.first[problem.workload[user]] + option
    sends = work.crossing_bit[row] > 0.0
    scale_hz = problem.tx_power_w[user] * problem.gain[user] / problem.noise_w_per_hz
    if law.snr_gap != 1.0:
        scale_hz = scale_hz / law.snr_gap
    waits_s = np.where(sends, problem.network_mean_s, 0.0) + work.server_mean_s[row]
    if problem.downlink_bps < float("inf"):
        waits_s = waits_s + work.result_bit[row] / problem.downlink_bps
    fixed_s = waits_s + work.overhead_s[row] + _kept_s(problem, user, row, sends)
    deadline_s = problem.deadline_s[user]
    left_s = deadline_s - fixed_s + ROUNDING * (deadline_s + fixed_s)
    unit_s = work.crossing_most_bit[row] * (np.log(2.0) / law.efficiency) / scale_hz
    possible = work.fits_memory[row] & (left_s - (work.cycles / work.clock_max_hz)[row] >= unit_s)
    if problem.max_loss is not None:
        possible &= work.loss[row] <= problem.max_loss[user] * (1.0 + EXACT)
    if not possible.all():
        user, option, row, waits_s, scale_hz, unit_s, left_s = (
            column[possible] for column in (user, option, row, waits_s, scale_hz, unit_s, left_s)
        )
    found = Options(
        user=user,
        option=option,
        scale_hz=scale_hz,
        unit_s=unit_s,
        left_s=left_s,
        power_w=_sending_w(problem, user, row),
        kappa=_per_second(problem, user, work.power_coefficient[row]),
        cycles=work.cycles[row],
        overhead_s=work.overhead_s[row],
        clock_min_hz=floor_hz[row],
        clock_max_hz=work.clock_max_hz[row],
        exponent=work.power_exponent[row] if np.count_nonzero(work.power_exponent != 3.0) else None,
        static_w=_static_w(problem, user, row),
        fixed_j=_fixed_j(problem, user, row, waits_s),
        cap_u=law.max_bps_per_hz * float(np.log(2.0)) / law.efficiency,
    )
    if problem.rate_hz is None:
        return found
    found, in_time = _in_streams(problem, found, row)
    return found[in_time & (found.uplink_most_s() >= found.unit_s)]


def _kept_s(problem: Problem, user: Integers, row: Integers, sends: Booleans) -> Floats:
    """Margin before the deadline: the root of V/(V + margin²) = risk, or of the normal tail."""
    work = problem.workloads
    if problem.margin in OF_OPTIONS:
        return np.asarray(work.device_excess_s[row] + work.server_excess_s[row])
    network = np.where(sends, problem.network_variance_s2, 0.0)
    variance = variance_s2(problem, row, problem.correlation[user]) + network
    return margin_s(problem.margin, variance, problem.risk[user])


def _in_streams(problem: Problem, options: Options, row: Integers) -> tuple[Options, Booleans]:
    """The same options between two inputs of a stream, and which of them the device keeps up with.

    The device's stage is a bound on the clock from below, the uplink's one on its time.
    """
    work, user = problem.workloads, options.user
    assert problem.rate_hz is not None
    period_s = problem.stage_tolerance / problem.rate_hz[user]
    if problem.margin in OF_OPTIONS:
        kept_s = work.device_excess_s[row]
    else:
        kept_s = margin_s(problem.margin, work.device_variance_s2[row], problem.risk[user])
    taken_s = options.overhead_s + kept_s
    left_s = period_s - taken_s + EXACT * (period_s + taken_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        asked = np.where(left_s > 0.0, options.cycles / left_s, 0.0)
    clock = np.minimum(np.maximum(options.clock_min_hz, asked), options.clock_max_hz)
    load = work.server_load_s[row] * problem.rate_hz[user, None]
    columns = options.columns() | {
        "clock_min_hz": clock,
        "uplink_end_s": period_s * (1.0 + EXACT),
        "load": load if problem.server_capacity else None,
    }
    return Options(**columns, cap_u=options.cap_u), left_s >= options.cycles / options.clock_max_hz


def _per_second(problem: Problem, user: Integers, values: Floats) -> Floats:
    return values if problem.rate_hz is None else problem.rate_hz[user] * values


def _standby_w(work: Workloads) -> Floats:
    """Idle power that the response time is charged with, one entry per row."""
    return np.repeat(work.standby_power_w, np.diff(work.first))


def _sending_w(problem: Problem, user: Integers, row: Integers) -> Floats:
    work, drawn_w = problem.workloads, problem.radio_power_w
    power_w = (problem.tx_power_w if drawn_w is None else drawn_w)[user]
    if np.count_nonzero(work.standby_power_w):
        power_w = power_w + _standby_w(work)[row]
    if np.count_nonzero(work.crossing_most_bit != work.crossing_bit):
        most = work.crossing_most_bit
        with np.errstate(invalid="ignore"):
            expected = np.where(most > 0.0, work.crossing_bit / most, 1.0)
        power_w = power_w * expected[row]
    return _per_second(problem, user, power_w)


def _static_w(problem: Problem, user: Integers, row: Integers) -> Floats | None:
    work = problem.workloads
    if not (np.count_nonzero(work.static_power_w) or np.count_nonzero(work.standby_power_w)):
        return None
    return _per_second(problem, user, (work.static_power_w + _standby_w(work))[row])


def _fixed_j(problem: Problem, user: Integers, row: Integers, waits_s: Floats) -> Floats | None:
    """Start-up or measured energy, bits, and what is drawn whatever clock and share."""
    work, kind = problem.workloads, problem.workload[user]
    parts: list[Floats] = []
    if np.count_nonzero(work.fixed_energy_j):
        parts.append(work.fixed_energy_j[row])
    if np.count_nonzero(work.energy_j_per_bit):
        parts.append(work.energy_j_per_bit[kind] * work.crossing_bit[row])
    if np.count_nonzero(work.static_power_w):
        parts.append(work.static_power_w[row] * work.overhead_s[row])
    if np.count_nonzero(work.standby_power_w):
        parts.append(work.standby_power_w[kind] * (waits_s + work.overhead_s[row]))
    return _per_second(problem, user, np.asarray(sum(parts))) if parts else None


def frugal_clock_hz(problem: Problem) -> Floats:
    """Clock of each row below which nothing is saved, within its range, (rows,).

    In v = c/f the device's energy `P v + kappa c^alpha (v^(1 - alpha) + t0 v^-alpha)`, with P the
    power that does not depend on the clock, is convex, so halving finds where its slope vanishes. A
    v off by a part e, as far as the last interval is wide, overstates the least energy by less than
    alpha (alpha + 1) e² of it: nothing beside its rounding. With this clock as the least one energy
    never grows with the time, so the option's curve stays convex and falls with its share.
    """
    work = problem.workloads
    if not (np.count_nonzero(work.static_power_w) or np.count_nonzero(work.standby_power_w)):
        return work.clock_min_hz
    power_w = work.static_power_w + _standby_w(work)
    some = np.flatnonzero((power_w > 0.0) & (work.clock_min_hz < work.clock_max_hz))
    cycles, alpha = work.cycles[some], work.power_exponent[some]
    kappa, overhead_s = work.power_coefficient[some], work.overhead_s[some]
    low, high = np.log(work.clock_min_hz[some]), np.log(work.clock_max_hz[some])
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        clock = np.exp(middle)
        saved = (
            kappa * np.power(clock, alpha) * ((alpha - 1.0) * cycles + alpha * overhead_s * clock)
        )
        slower = saved >= power_w[some] * cycles
        low, high = np.where(slower, low, middle), np.where(slower, middle, high)
    found = work.clock_min_hz.copy()
    found[some] = np.clip(np.exp(low), work.clock_min_hz[some], work.clock_max_hz[some])
    return found
