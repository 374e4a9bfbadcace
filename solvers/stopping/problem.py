"""What the stopping family is asked and what it decides (Yan, Bi, Zhang, arXiv 2105.13618).

Every model update places the first N layers on the device. For every inference the device runs
layer after layer, sees the channel after each, and decides when to stop and let the edge do the
rest.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.rate_law import SHANNON, RateLaw
from solvers.records import all_finite, freeze, require, require_workloads
from solvers.stopping.channel import Law, Markov, RateTrace

FREE = -1  # the solver chooses the placement

EACH_USER = (
    "tx_power_w",
    "radio_power_w",
    "idle_power_w",
    "rx_power_w",
    "memory_byte",
    "placement_s_per_bit",
)


class Waiting(StrEnum):
    """When a device may wait one coherence time and look at the channel again."""

    IN_OUTAGE = "in_outage"
    ALWAYS = "always"


class Rule(StrEnum):
    """How the thresholds are found."""

    BACKWARD_INDUCTION = "backward_induction"
    ONE_STAGE_LOOK_AHEAD = "one_stage_look_ahead"


class UnboundedCost(ValueError):
    """The channel has E[1/R] infinite and no minimum SNR, so a forced offload costs infinitely much
    on average.
    """


class AbsorbingOutage(ValueError):
    """The Markov channel can fall into an outage that it never leaves."""


class FreeWaiting(ValueError):
    """Waiting is allowed at any time and costs nothing, so no best moment to stop exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """The cuts of each distinct way to run a network: device, network and server together make a
    workload.

    Rows `first[w]:first[w+1]` are cuts 0..L of workload w. Device figures and parameters are
    cumulative: what the layers up to the cut need, 0 at cut 0. `crossing_bit` and `server_s` are of
    the cut itself; the last cut leaves nothing to the server, and crosses 0 bit when the result
    stays on the device. What is None counts for nothing.
    """

    first: Integers  # (workloads + 1,)
    device_s: Floats  # (rows,) cumulative mean time
    device_j: Floats  # (rows,) cumulative mean energy
    crossing_bit: Floats  # (rows,)
    server_s: Floats  # (rows,) mean time of the layers after the cut
    parameter_bit: Floats  # (rows,) cumulative
    # (rows,) the part of `device_j` that is drawn whatever the clock, for the answer's split
    static_j: Floats | None = None
    standby_power_w: Floats | None = None  # (workloads,) drawn as well while computing and sending
    energy_j_per_bit: Floats | None = None  # (workloads,) of each bit that is sent

    def __post_init__(self) -> None:
        freeze(self)
        first, rows = self.first, len(self.device_s)
        require_workloads(first, rows, "cut")
        for field in fields(self)[1:]:
            values = getattr(self, field.name)
            if values is None:
                continue
            of_workload = field.name in ("standby_power_w", "energy_j_per_bit")
            count, one = (len(first) - 1, "workload") if of_workload else (rows, "row")
            require(len(values) == count, f"{field.name}: one entry per {one}")
            require(all_finite(values), f"{field.name} >= 0 and finite")
        step = np.ones(rows, dtype=bool)
        step[first[:-1]] = False
        for name in ("device_s", "device_j", "parameter_bit"):
            values = getattr(self, name)
            require(bool(np.all(values[first[:-1]] == 0.0)), f"{name}: 0 at cut 0")
            require(
                bool(np.all(np.diff(values, prepend=0.0)[step] >= 0.0)),
                f"{name} is cumulative, so it never falls",
            )
        require(bool(np.all(self.server_s[first[1:] - 1] == 0.0)), "server_s: 0 at the last cut")
        require(
            self.static_j is None or bool(np.all(self.static_j <= self.device_j)),
            "static_j is a part of device_j",
        )

    def cuts(self, workload: int) -> slice:
        """Rows of one workload."""
        return slice(int(self.first[workload]), int(self.first[workload + 1]))

    @property
    def layers(self) -> Integers:
        """(workloads,) L of each."""
        return np.asarray(np.diff(self.first) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Placement and stopping rule for each device at least expected energy-and-time cost per
    inference.

    Raises
    ------
    UnboundedCost, AbsorbingOutage, FreeWaiting : the problem has no finite answer; the text says
        why.
    ValueError : a field breaks its own contract; the text names the field.
    """

    time_per_s: float  # beta_t
    energy_per_j: float  # beta_e
    inferences: float  # served per placement
    law: Law
    bandwidth_hz: float
    noise_w_per_hz: float
    rate_law: RateLaw = SHANNON  # what an SNR carries; a law given in rates is what it is
    min_snr: float = 0.0  # below it nobody transmits; 0 for none
    least_rate_bps: float | None = None  # the same of a law in rates, in place of min_snr's
    coherence_time_s: float = 0.0
    waiting: Waiting = Waiting.IN_OUTAGE
    rule: Rule = Rule.BACKWARD_INDUCTION
    nodes: int = 256  # of the quadrature over ln SNR, per device; very deep fades take more
    clairvoyant: bool = (
        True  # whether to compute the clairvoyant bound, the dearest of the baselines
    )
    workloads: Workloads
    workload: Integers  # (users,) which workload each runs
    mean_snr: Floats | None = None  # (users,) multiplies the law's gain; None with a law in rates
    tx_power_w: Floats  # (users,) radiated: what a gain's signal-to-noise ratio is made of
    radio_power_w: Floats | None = None  # (users,) drawn while sending; None: what is radiated
    idle_power_w: Floats  # (users,) while waiting for the channel or the edge
    rx_power_w: Floats  # (users,)
    memory_byte: Floats  # (users,) memory for parameters, infinite where unknown
    placement_s_per_bit: Floats  # (users,) mean downlink seconds per bit of parameters
    placement: Integers | None = None  # (users,) fixed placement, `FREE` where the solver chooses

    def __post_init__(self) -> None:
        freeze(self)
        users = len(self.workload)
        require(users >= 1, "workload: at least one user")
        require(
            bool(np.all((self.workload >= 0) & (self.workload < len(self.workloads.first) - 1))),
            "workload: an index of workloads",
        )
        for name in ("time_per_s", "energy_per_j", "min_snr", "coherence_time_s"):
            require(all_finite(np.asarray(getattr(self, name))), f"{name} >= 0 and finite")
        require(self.time_per_s > 0.0 or self.energy_per_j > 0.0, "time_per_s or energy_per_j > 0")
        for name in ("inferences", "bandwidth_hz", "noise_w_per_hz"):
            value = getattr(self, name)
            require(0.0 < value < np.inf, f"{name} > 0 and finite")
        if self.least_rate_bps is not None:
            require(0.0 < self.least_rate_bps < np.inf, "least_rate_bps > 0 and finite")
            require(
                isinstance(self.law, (RateTrace, Markov)) and self.min_snr == 0.0,
                "least_rate_bps is the outage of a law in rates, where min_snr is not given",
            )
        require(self.nodes >= 16, "nodes >= 16")
        if self.mean_snr is None:
            require(
                isinstance(self.law, (RateTrace, Markov)),
                "mean_snr is needed unless the law is one of rates",
            )
        else:
            require(len(self.mean_snr) == users, "mean_snr: one entry per user")
            require(
                all_finite(self.mean_snr) and bool(np.all(self.mean_snr > 0.0)),
                "mean_snr > 0 and finite",
            )
        for name in EACH_USER:
            values = getattr(self, name)
            require(values is None or len(values) == users, f"{name}: one entry per user")
            finite = values is None or name == "memory_byte" or all_finite(values)
            require(finite, f"{name} >= 0 and finite")
        require(bool(np.all(self.memory_byte >= 0.0)), "memory_byte >= 0")
        if self.placement is not None:
            require(len(self.placement) == users, "placement: one entry per user")
            layers = self.workloads.layers[self.workload]
            require(
                bool(np.all((self.placement >= FREE) & (self.placement <= layers))),
                "placement: from 0 to the last cut",
            )
        self._refuse_the_unanswerable()

    def _refuse_the_unanswerable(self) -> None:
        if self.min_rate_bps == 0.0 and not self.law.mean_inverse_rate_finite:
            raise UnboundedCost(
                "the mean of 1/rate is infinite on this channel, so a forced offload has infinite"
                " expected cost: give the channel a minimum SNR"
            )
        if isinstance(self.law, Markov) and self.law.outage_is_absorbing(self.min_rate_bps):
            raise AbsorbingOutage("the Markov channel has an outage that it never leaves")
        if self.waiting is Waiting.ALWAYS and not np.all(self.waiting_cost > 0.0):
            raise FreeWaiting(
                "waiting at any time needs a coherence time and a cost of waiting above zero"
            )

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.workload)

    @property
    def min_rate_bps(self) -> float:
        """Least rate at which anybody transmits: as given, or that at the minimum SNR."""
        if self.least_rate_bps is not None:
            return self.least_rate_bps
        law = self.rate_law
        shannon = float(
            self.bandwidth_hz * law.efficiency * np.log1p(self.min_snr / law.snr_gap) / np.log(2.0)
        )
        return min(shannon, self.bandwidth_hz * law.max_bps_per_hz)

    @property
    def max_rate_bps(self) -> float:
        """Rate that no SNR exceeds; infinite without a limit, and where the law is one of rates."""
        if isinstance(self.law, (RateTrace, Markov)):
            return np.inf
        return self.bandwidth_hz * self.rate_law.max_bps_per_hz

    @property
    def drawn_power_w(self) -> Floats:
        """(users,) power while sending, without what is drawn all the time."""
        return self.tx_power_w if self.radio_power_w is None else self.radio_power_w

    @property
    def waiting_cost(self) -> Floats:
        """(users,) cost of one coherence time of waiting."""
        return (self.time_per_s + self.energy_per_j * self.idle_power_w) * self.coherence_time_s

    def placement_cost(self, users: Integers | slice, workload: int) -> Floats:
        """Cost per inference of placing up to each cut, (users, cuts); the users run `workload`."""
        per_bit = (
            self.time_per_s + self.energy_per_j * self.rx_power_w[users]
        ) * self.placement_s_per_bit[users]
        return (
            per_bit[:, None]
            * self.workloads.parameter_bit[self.workloads.cuts(workload)]
            / self.inferences
        )

    def fits_memory(self, users: Integers | slice, workload: int) -> Booleans:
        """Whether the parameters up to each cut fit the device, (users, cuts); the users run
        `workload`.
        """
        needed_byte = self.workloads.parameter_bit[self.workloads.cuts(workload)] / 8.0
        return np.asarray(needed_byte <= self.memory_byte[users, None])

    def snr(self, rate_bps: Floats) -> Floats:
        """Least SNR that carries a rate; infinite where none does, or where it overflows."""
        law = self.rate_law
        with np.errstate(over="ignore"):
            snr = np.expm1(np.log(2.0) * rate_bps / (self.bandwidth_hz * law.efficiency))
            return np.where(
                rate_bps <= self.bandwidth_hz * law.max_bps_per_hz, law.snr_gap * snr, np.inf
            )

    def gain(self, rate_bps: Floats, user: int) -> Floats:
        """Channel power gain at which a user's transmit power carries a rate; NaN where it
        transmits with no power.
        """
        noise_w = self.noise_w_per_hz * self.bandwidth_hz
        power_w = float(self.tx_power_w[user])
        return (
            self.snr(rate_bps) * noise_w / power_w
            if power_w > 0.0
            else np.full_like(rate_bps, np.nan)
        )

    def part(self, start: int, stop: int) -> "Problem":
        """The same problem for users start..stop only: users are independent, so a fleet may be
        planned in parts.
        """
        shared = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("workload", "mean_snr", *EACH_USER, "placement"):
            if shared[name] is not None:
                shared[name] = shared[name][start:stop]
        return Problem(**shared)
