"""A problem as the compiled kernel reads it: one record for each row of the workload table, one for
each user.

Formulas without a user in them are numpy's here, whatever the power law; those with one are in
`solvers/compiled/sources/robust_curves.h`.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Booleans, Floats, Integers
from solvers.compiled.library import Library, address, required
from solvers.margin import OF_OPTIONS
from solvers.moments import margin_factor
from solvers.physics import cheapest_clock_hz
from solvers.robust.problem import Problem, Workloads
from solvers.robust.solve.candidates import cap_of

_LN2 = float(np.log(2.0))
_ROW = [
    "cycles",
    "overhead_s",
    "slow_hz",
    "fast_hz",
    "slow_s",
    "fast_s",
    "slow_j",
    "unit_hz",
    "fixed_s",
    "margin_s",
    "variance_s2",
    "cross_s2",
    "variance_low_s2",
    "cross_low_s2",
    "kappa",
    "exponent",
    "static_w",
    "constant_j",
    "standby_w",
    "part",
    "device_std_s",
    "loss",
    "allowed",
]
_ALLOWED = _ROW.index("allowed")
# Larger tables take longer to solve than to read, and much memory to keep.
_KEPT_ROWS = 1_000
_KEPT_CHOICES = 3  # of rows of one table: all of them, and those of two baselines
_USER = [
    "scale_hz",
    "radio_w",
    "deadline_s",
    "factor",
    "correlation",
    "weight",
    "period_s",
    "max_loss",
]


class _Record(ctypes.Structure):
    """`Cell` of robust_curves.h."""

    _fields_ = (
        ("users", ctypes.c_int64),
        ("first", ctypes.c_void_p),
        ("workload", ctypes.c_void_p),
        ("row", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
        ("bandwidth_hz", ctypes.c_double),
        ("cap", ctypes.c_double),
        ("of_options", ctypes.c_int64),
        ("streams", ctypes.c_int64),
    )


class Rows:
    """Records of a workload table, (rows, columns of `Row` in robust_curves.h); never changed."""

    def __init__(self, first: Integers, table: Floats) -> None:
        self.table, self.first = table, np.ascontiguousarray(first, dtype=np.int64)
        self.at = address(table)
        self._needed: dict[bytes | None, Rows] = {}

    def needed(self, library: Library, among: Booleans | None = None) -> "Rows":
        """The same with those rows only allowed that no other takes the place of, whoever the user;
        `among`: with some of the rows only. Large tables are left with what nobody needs.
        """
        small = len(self.table) <= _KEPT_ROWS
        if among is None and not small:
            return self
        key = None if among is None else among.tobytes()
        found = self._needed.get(key)
        if found is None:
            table = self.table.copy()
            if among is not None:
                table[:, _ALLOWED] *= among
            if small:
                table[:, _ALLOWED] = self._stay(library, table)
            table.flags.writeable = False
            found = Rows(self.first, table)
            if small and len(self._needed) < _KEPT_CHOICES:
                self._needed[key] = found
        return found

    def _stay(self, library: Library, table: Floats) -> NDArray[np.uint8]:
        stay = np.empty(len(table), dtype=np.uint8)
        call = library.function("sp_robust_needed", "aaia")
        required(call(address(table), address(self.first), len(self.first) - 1, address(stay)))
        return stay


class Cell:
    """The record of a problem, with the arrays that it points to.

    Servers with budgets are not in it: what has some is not for the kernel (`covers`).
    """

    def __init__(self, problem: Problem, rows: Rows | None = None) -> None:
        self.problem = problem
        self.rows = _rows_for(problem) if rows is None else rows
        self.people = _users_of(problem)
        self.first = self.rows.first
        self.workload = np.ascontiguousarray(problem.workload, dtype=np.int64)
        self.record = _Record(
            problem.users,
            address(self.first),
            address(self.workload),
            self.rows.at,
            address(self.people),
            problem.bandwidth_hz,
            cap_of(problem.rate_law),
            problem.margin in OF_OPTIONS,
            problem.rate_hz is not None,
        )
        self.address = ctypes.addressof(self.record)

    def needed(self, library: Library, rows: Booleans | None = None) -> "Cell":
        """The same cell, perhaps with some rows of the workload table only, without those that
        nobody needs.
        """
        found = self._copied()
        found.rows = self.rows.needed(library, rows)
        found.record.row = found.rows.at
        return found

    def with_margin(self, problem: Problem) -> "Cell":
        """Another problem, that differs in its margin alone: rows know of it only where it is one
        of options.
        """
        if {problem.margin, self.problem.margin} & set(OF_OPTIONS):
            return Cell(problem)
        return self._with(problem, factor=margin_factor(problem.risk, problem.margin))

    def at_tolerance(self) -> "Cell":
        """The cell of the problem at the end of its tolerance."""
        problem = self.problem.at_tolerance()
        changes: dict[str, Any] = {"deadline_s": problem.deadline_s}
        if problem.rate_hz is not None:
            changes["period_s"] = problem.stage_tolerance / problem.rate_hz
        return self._with(problem, **changes)

    def _with(self, problem: Problem, **columns: Any) -> "Cell":
        found = self._copied()
        found.problem, found.people = problem, self.people.copy()
        for name, values in columns.items():
            found.people[:, _USER.index(name)] = values
        found.record.user = address(found.people)
        found.record.bandwidth_hz = problem.bandwidth_hz
        return found

    def _copied(self) -> "Cell":
        found = object.__new__(Cell)
        found.__dict__.update(self.__dict__)
        found.record = _Record.from_buffer_copy(self.record)
        found.address = ctypes.addressof(found.record)
        return found


def covers(problem: Problem) -> bool:
    """Whether the kernel knows every term of a problem: all but the budgets of servers."""
    return not problem.server_capacity


@dataclass(frozen=True, slots=True)
class _Setting:
    """What of a problem is in the record of a row, beside the row itself."""

    network_mean_s: float
    network_variance_s2: float
    downlink_bps: float
    efficiency: float
    of_options: bool


def _rows_for(problem: Problem) -> Rows:
    setting = _Setting(
        problem.network_mean_s,
        problem.network_variance_s2,
        problem.downlink_bps,
        problem.rate_law.efficiency,
        problem.margin in OF_OPTIONS,
    )
    small = len(problem.workloads.cut) <= _KEPT_ROWS
    return (_kept_rows if small else _rows_of)(problem.workloads, setting)


# A problem is asked about several times, and the same workloads come again and again.
@lru_cache(maxsize=32)
def _kept_rows(work: Workloads, setting: _Setting) -> Rows:
    return _rows_of(work, setting)


def _rows_of(work: Workloads, setting: _Setting) -> Rows:
    table = np.zeros((len(_ROW), len(work.cut)))
    column = dict(zip(_ROW, table, strict=True))
    sends = work.crossing_bit > 0.0
    network: Any = setting.network_mean_s * sends
    if np.isfinite(setting.downlink_bps):
        network = network + work.result_bit / setting.downlink_bps
    column["cycles"][:] = work.cycles
    column["overhead_s"][:] = work.overhead_s
    column["slow_hz"][:] = work.clock_min_hz
    column["fast_hz"][:] = work.clock_max_hz
    column["unit_hz"][:] = work.crossing_most_bit * (_LN2 / setting.efficiency)
    column["fixed_s"][:] = work.overhead_s + network + work.server_mean_s
    if setting.of_options:
        column["margin_s"][:] = work.device_excess_s + work.server_excess_s
        column["device_std_s"][:] = work.device_excess_s
    else:
        for name, variance in (
            ("", work.device_variance_s2),
            ("low_", work.device_variance_low_s2),
        ):
            beside = work.server_variance_s2 + setting.network_variance_s2 * sends
            column[f"variance_{name}s2"][:] = variance + beside
            column[f"cross_{name}s2"][:] = 2.0 * np.sqrt(variance * work.server_variance_s2)
        np.sqrt(work.device_variance_s2, out=column["device_std_s"])
    _fill_power(column, work, network + work.server_mean_s)
    column["part"][:] = 1.0
    np.divide(work.crossing_bit, work.crossing_most_bit, out=column["part"], where=sends)
    column["loss"][:] = work.loss
    column["allowed"][:] = work.fits_memory
    _fill_ends(column, work)
    made = np.ascontiguousarray(table.T)
    made.flags.writeable = False
    return Rows(work.first, made)


def _fill_power(column: dict[str, Floats], work: Workloads, waiting_s: Floats) -> None:
    """What is drawn while computing and whatever the clock, and the cheapest clock for it."""
    column["kappa"][:] = work.power_coefficient
    column["exponent"][:] = work.power_exponent
    standby: Any = 0.0
    if work.standby_power_w.any():
        standby = np.repeat(work.standby_power_w, np.diff(work.first))
        column["standby_w"][:] = standby
        column["constant_j"] += standby * waiting_s
    column["static_w"][:] = work.static_power_w + standby
    if column["static_w"].any():
        cheapest = cheapest_clock_hz(
            column["static_w"],
            work.power_coefficient,
            work.power_exponent,
            work.cycles,
            work.overhead_s,
        )
        column["slow_hz"][:] = np.maximum(
            work.clock_min_hz, np.minimum(cheapest, work.clock_max_hz)
        )
    column["constant_j"] += work.fixed_energy_j
    if work.energy_j_per_bit.any():
        per_bit = np.repeat(work.energy_j_per_bit, np.diff(work.first))
        column["constant_j"] += per_bit * work.crossing_bit


def _fill_ends(column: dict[str, Floats], work: Workloads) -> None:
    """The slowest and the fastest clock that is ever worth while."""
    slow, exponent = column["slow_hz"], column["exponent"]
    column["fast_s"][:] = work.cycles / work.clock_max_hz
    column["slow_s"][:] = work.cycles / slow
    # As the kernel has it, to the last digit: power laws other than the cube are few.
    power = slow * slow * slow
    np.power(slow, exponent, out=power, where=exponent != 3.0)
    power = column["static_w"] + column["kappa"] * power
    column["slow_j"][:] = power * (column["slow_s"] + work.overhead_s) + column["constant_j"]


def _users_of(problem: Problem) -> Floats:
    """(users, columns of `User` in robust_curves.h)."""
    table = np.empty((problem.users, len(_USER)))
    noise = problem.noise_w_per_hz * problem.rate_law.snr_gap
    radio = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    rate = problem.rate_hz
    columns: tuple[Any, ...] = (
        problem.tx_power_w * problem.gain / noise,
        radio,
        problem.deadline_s,
        margin_factor(problem.risk, problem.margin),
        problem.correlation,
        1.0 if rate is None else rate,
        np.inf if rate is None else problem.stage_tolerance / rate,
        np.inf if problem.max_loss is None else problem.max_loss,
    )
    for k, values in enumerate(columns):
        table[:, k] = values
    return table


def pairs(problem: Problem) -> int:
    """Options of all users together."""
    first = problem.workloads.first
    return int((first[problem.workload + 1] - first[problem.workload]).sum())


def options(problem: Problem, rows: Integers) -> Integers:
    """Rows of the workload table as numbers within each user's workload."""
    return np.asarray(rows - problem.workloads.first[problem.workload])
