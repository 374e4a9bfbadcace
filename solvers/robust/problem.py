"""What the robust family is asked (arXiv 2503.21476, problem P1) and what it decides."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.margin import OF_OPTIONS, Margin
from solvers.rate_law import SHANNON, RateLaw
from solvers.records import all_finite, freeze, require, require_workloads

# What a limit may be exceeded by, relative to it: rounding, of plans and of requests. The check
# allows it, and a cell that lacks no more than this of a deadline or of the uplink is planned.
TOLERANCE = 1e-9
# So much of the tolerance is left to the rounding of a plan that is made at its end.
AT_TOLERANCE = 1.0 + TOLERANCE * (1.0 - 1e-3)

_POSITIVE = ("tx_power_w", "gain", "deadline_s", "risk")  # of each user
_FEW = 1_000


class Method(StrEnum):
    """How a plan is found; the certificate is the same for all."""

    EXACT = "exact"
    PCCP = "pccp"  # the alternation of arXiv 2503.21476, for free clocks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workloads:
    """The options of each distinct way to run a network: device, network and servers together make
    a workload.

    Users share workloads, so a fleet of a million cameras of one kind holds one table. Rows
    `first[k]:first[k+1]` are the options of workload k: a cut, with each codec it may be sent in,
    each server it may go on at, and each level where the clock is not free. A row's device time is
    `cycles/f + overhead_s` for f in [clock_min_hz, clock_max_hz]; a measured level has clock_min =
    clock_max, no cycles, and its measured mean as overhead.

    The energy of one inference is `(static_power_w + power_coefficient f**power_exponent)` times
    the device time, `fixed_energy_j`, the user's radio power times the uplink time of
    `crossing_bit`, `energy_j_per_bit` times these bits, and `standby_power_w` times the whole
    response time.
    """

    first: Integers  # (workloads + 1,)
    # (workloads,) idle power that the response time is charged with; 0 for a device that is on
    # anyway
    standby_power_w: Floats
    energy_j_per_bit: Floats  # (workloads,) for each bit sent, beside the radio's power
    cut: Integers  # (rows,)
    clock_min_hz: Floats  # (rows,)
    clock_max_hz: Floats  # (rows,)
    cycles: Floats  # (rows,)
    overhead_s: Floats  # (rows,)
    static_power_w: Floats  # (rows,) while computing, whatever the clock
    power_coefficient: Floats  # (rows,) [W/Hz^alpha]; 0 where power or energy was measured
    power_exponent: Floats  # (rows,) alpha >= 1
    fixed_energy_j: Floats  # (rows,) whatever clock and share: a start-up, a measured energy
    device_variance_s2: Floats  # (rows,) largest over the clocks of the row
    device_variance_low_s2: Floats  # (rows,) smallest over the clocks of the row
    device_excess_s: Floats  # (rows,) largest observed time beyond the mean; NaN where unknown
    crossing_bit: Floats  # (rows,) expected: what energy is made of
    crossing_most_bit: Floats  # (rows,) what has to be sent before the deadline at the most
    result_bit: Floats  # (rows,) what comes back; 0 where the result is made on the device
    server_mean_s: Floats  # (rows,)
    server_variance_s2: Floats  # (rows,)
    server_excess_s: Floats  # (rows,) as device_excess_s
    server_load_s: Floats  # (rows, servers) seconds of each server that has a budget
    loss: Floats  # (rows,) accuracy lost to what is sent, in [0, 1]
    # (rows,) whether the device can hold the parameters up to the cut.
    fits_memory: NDArray[np.bool_]

    def __post_init__(self) -> None:
        freeze(self)
        rows = len(self.cut)
        require_workloads(self.first, rows, "option")
        for name in self.per_workload():
            values = getattr(self, name)
            require(len(values) == len(self.first) - 1, f"{name}: one each")
            require(all_finite(values), f"{name} >= 0 and finite")
        for name in self.per_row():
            values = getattr(self, name)
            require(len(values) == rows, f"{name}: one entry per row")
            if name not in ("cut", "fits_memory", "device_excess_s", "server_excess_s"):
                require(all_finite(values), f"{name} >= 0 and finite")
        require(all_finite(self.clock_min_hz, above=0.0), "clock_min_hz > 0")
        require(
            bool(np.all(self.clock_max_hz >= self.clock_min_hz)), "clock_max_hz >= clock_min_hz"
        )
        require(bool(np.all(self.power_exponent >= 1.0)), "power_exponent >= 1")
        require(
            bool(np.all(self.device_variance_low_s2 <= self.device_variance_s2)),
            "device_variance_low_s2 <= high",
        )
        require(
            bool(np.all(self.crossing_bit <= self.crossing_most_bit)),
            "crossing_bit <= crossing_most_bit",
        )
        require(
            bool(np.all((self.crossing_bit > 0.0) == (self.crossing_most_bit > 0.0))),
            "crossing_bit > 0 where crossing_most_bit is",
        )
        require(self.server_load_s.ndim == 2, "server_load_s: rows by servers")
        require(bool(np.all(self.loss <= 1.0)), "loss <= 1")

    @classmethod
    def per_workload(cls) -> tuple[str, ...]:
        """Names of the columns with one entry per workload."""
        return ("standby_power_w", "energy_j_per_bit")

    @classmethod
    def per_row(cls) -> tuple[str, ...]:
        """Names of the columns with one entry per row."""
        return tuple(
            field.name for field in fields(cls) if field.name not in ("first", *cls.per_workload())
        )

    def keep(self, rows: NDArray[np.bool_]) -> "Workloads":
        """The same workloads with some rows only, at least one each."""
        counts = np.add.reduceat(rows.astype(np.int64), self.first[:-1])
        return replace(
            self,
            first=np.concatenate(([0], np.cumsum(counts))),
            **{name: getattr(self, name)[rows] for name in self.per_row()},
        )

    @property
    def free_clocks(self) -> bool:
        """Whether every workload may run all its cuts in one range of clocks."""
        lead = np.repeat(self.first[:-1], np.diff(self.first))
        low, high = self.clock_min_hz, self.clock_max_hz
        return bool(np.all(low == low[lead]) and np.all(high == high[lead]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Cut, clock and spectrum for a cell of users at least energy, each late with probability at
    most its risk.
    """

    bandwidth_hz: float
    noise_w_per_hz: float
    margin: Margin = Margin.CANTELLI
    method: Method = Method.EXACT
    network_mean_s: float = 0.0
    network_variance_s2: float = 0.0
    rate_law: RateLaw = SHANNON
    downlink_bps: float = float("inf")  # of results; they add to the network's mean time
    # Seconds of each server per second that may be used, of those that are not endless.
    server_capacity: tuple[float, ...] = ()
    # Part of 1/rate that a stage may take: 1, or the end of the tolerance.
    stage_tolerance: float = 1.0
    workloads: Workloads
    workload: Integers  # (users,) which workload each runs
    tx_power_w: Floats  # (users,) radiated: what the signal-to-noise ratio is made of
    radio_power_w: Floats | None = None  # (users,) drawn while sending; None: what is radiated
    rate_hz: Floats | None = None  # (users,) inferences per second; None: energy of one each
    max_loss: Floats | None = None  # (users,) accuracy each may lose; None: any
    gain: Floats  # (users,) channel power gain, pure number
    deadline_s: Floats  # (users,)
    risk: Floats  # (users,) in (0, 1)
    correlation: Floats  # (users,) of device and server time, in [-1, 1]

    def __post_init__(self) -> None:
        freeze(self)
        users = len(self.workload)
        require(users >= 1, "workload: at least one user")
        for name in (*_POSITIVE, "correlation"):
            require(len(getattr(self, name)) == users, f"{name}: one entry per user")
        for name in ("radio_power_w", "rate_hz", "max_loss"):
            values = getattr(self, name)
            require(values is None or len(values) == users, f"{name}: one entry per user")
        self._require_positive()
        require(self.downlink_bps > 0.0, "downlink_bps > 0")
        require(self.stage_tolerance >= 1.0, "stage_tolerance >= 1")
        require(bool(np.all(self.risk < 1.0)), "risk < 1")
        require(bool(np.all(np.abs(self.correlation) <= 1.0)), "correlation in [-1, 1]")
        require(
            self.network_mean_s >= 0.0 and self.network_variance_s2 >= 0.0, "network moments >= 0"
        )
        kinds = len(self.workloads.first) - 1
        require(
            bool(np.all((self.workload >= 0) & (self.workload < kinds))),
            "workload: an index of workloads",
        )
        self._require_servers()
        self._require_what_margin_and_method_need()

    def _require_positive(self) -> None:
        said = {
            name: None if (value := getattr(self, name)) is None else np.atleast_1d(value)
            for name in ("bandwidth_hz", "noise_w_per_hz", *_POSITIVE, "radio_power_w", "rate_hz")
        }
        columns = [column for column in said.values() if column is not None]
        # Of few users all at once, which is sooner; by name where something is wrong.
        if self.users > _FEW or not all_finite(np.concatenate(columns), above=0.0):
            for name, column in said.items():
                fine = column is None or all_finite(column, above=0.0)
                require(fine, f"{name} > 0 and finite")
        fine = self.max_loss is None or all_finite(self.max_loss)
        require(fine, "max_loss > 0 and finite")

    def _require_servers(self) -> None:
        servers = len(self.server_capacity)
        require(
            all_finite(np.array(self.server_capacity), above=0.0), "server_capacity > 0 and finite"
        )
        require(
            self.workloads.server_load_s.shape[1] == servers,
            "server_load_s: one column per entry of server_capacity",
        )
        require(servers == 0 or self.rate_hz is not None, "rate_hz where servers have a budget")

    def _require_what_margin_and_method_need(self) -> None:
        if self.margin is Margin.GAUSSIAN:
            require(bool(np.all(self.risk <= 0.5)), "risk <= 0.5 for the gaussian margin")
        if self.method is Method.PCCP:
            require(
                self.workloads.free_clocks,
                "one range of clocks per workload, not levels, for the pccp method",
            )
        if self.margin in OF_OPTIONS:
            require(
                self.network_variance_s2 == 0.0,
                f"network_variance_s2 = 0 for the {self.margin} margin",
            )
            excess = self.workloads.device_excess_s + self.workloads.server_excess_s
            require(
                all_finite(excess),
                f"device_excess_s and server_excess_s known for the {self.margin} margin",
            )

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.workload)

    def only(self, users: Integers) -> "Problem":
        """The same question of some of the users (at least one), who have all budgets to
        themselves.
        """
        names = ("workload", "tx_power_w", "radio_power_w", "rate_hz", "max_loss", "gain")
        columns: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[users]
            for name in (*names, "deadline_s", "risk", "correlation")
        }
        return replace(self, **columns)

    def with_margin(self, margin: Margin) -> "Problem":
        """The same question with another margin."""
        made = self._like(margin=margin)
        made._require_what_margin_and_method_need()
        return made

    def with_bandwidth(self, bandwidth_hz: float) -> "Problem":
        """The same question with another uplink [Hz], above 0 and finite."""
        return self._like(bandwidth_hz=bandwidth_hz)

    def _like(self, **changes: Any) -> "Problem":
        """The same but for what is fit by construction: nothing is looked at again."""
        made = object.__new__(Problem)
        for name in self.__slots__:
            object.__setattr__(made, name, changes.get(name, getattr(self, name)))
        return made

    def at_tolerance(self) -> "Problem":
        """The same question with deadlines, stages, uplink and servers at the end of the tolerance:
        what no plan exceeds.
        """
        deadline_s = self.deadline_s * AT_TOLERANCE
        deadline_s.flags.writeable = False
        return self._like(
            bandwidth_hz=self.bandwidth_hz * AT_TOLERANCE,
            deadline_s=deadline_s,
            stage_tolerance=self.stage_tolerance * AT_TOLERANCE,
            server_capacity=tuple(capacity * AT_TOLERANCE for capacity in self.server_capacity),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row per user: the option (counted within the user's workload), the clock and the share of
    the uplink.
    """

    option: Integers  # (users,)
    frequency_hz: Floats  # (users,)
    bandwidth_hz: Floats  # (users,)

    def __post_init__(self) -> None:
        freeze(self)

    def cut(self, problem: Problem) -> Integers:
        """Index of each user's cut, 0 for all at the edge."""
        work = problem.workloads
        return np.asarray(work.cut[work.first[problem.workload] + self.option])
