"""What the multi-user family is asked and what it decides.

The questions are those of Li et al., IEEE Transactions on Mobile Computing 23(12), 2024 (RAP and
JM-MPRA); the formulation in detail is Splitplan's own.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.records import all_finite, freeze, require


class Method(StrEnum):
    """How cuts and shares are found; only `exact` proves a bound."""

    EXACT = "exact"
    ALTERNATING = "alternating"
    EQUAL_SHARE = "equal_share"
    DEVICE_ONLY = "device_only"
    EDGE_ONLY = "edge_only"
    LATENCY_ONLY = "latency_only"
    GREEDY = "greedy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """The options of each distinct way to run a network: device and network together make a
    workload.

    Users share workloads, so a million users of a few kinds hold a few tables. Rows
    `first[k]:first[k+1]` are the options of workload k: one per cut and per number of bits a
    feature is quantised to.
    """

    first: Integers  # (workloads + 1,)
    cut: Integers  # (rows,)
    bits: Integers  # (rows,) per feature element
    device_s: Floats  # (rows,)
    crossing_bit: Floats  # (rows,) 0 where nothing crosses
    server_s: Floats  # (rows,) on the whole server
    loss: Floats  # (rows,) accuracy lost to quantisation, in [0, 1]

    def __post_init__(self) -> None:
        freeze(self)
        rows = len(self.cut)
        if (
            len(self.first) < 2
            or self.first[0] != 0
            or self.first[-1] != rows
            or np.any(np.diff(self.first) < 1)
        ):
            raise ValueError(
                "first must rise from 0 to the number of rows, with at least one option per"
                " workload"
            )
        for field in fields(self)[2:]:
            require(len(getattr(self, field.name)) == rows, f"{field.name}: one entry per row")
        for name in ("device_s", "crossing_bit", "server_s", "loss"):
            require(all_finite(getattr(self, name)), f"{name} >= 0 and finite")
        require(bool(np.all(self.loss <= 1.0)), "loss <= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """What a new plan owes the previous one."""

    # (users,) option of each user in the previous plan, counted in its workload; -1 for none
    previous: Integers
    max_switches: int | None = None  # users with a previous option that may leave it
    switching_cost: float = 0.0  # added to the objective for each that does

    def __post_init__(self) -> None:
        freeze(self)
        require(self.max_switches is None or self.max_switches >= 0, "max_switches >= 0")
        require(
            self.switching_cost >= 0.0 and np.isfinite(self.switching_cost),
            "switching_cost >= 0 and finite",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Cuts, bits and shares of one uplink and one server for users at least weighted latency and
    loss (JM-MPRA).
    """

    bandwidth_hz: float
    server_flop_per_s: (
        float  # capacity: says what a share is worth; times on the server are in `workloads`
    )
    latency_weight_per_s: float
    loss_weight: float
    network_s: float = 0.0  # round trip, paid where something crosses
    method: Method = Method.EXACT
    workloads: Workloads
    workload: Integers  # (users,) which workload each runs
    spectral_efficiency: Floats  # (users,) [bit/s/Hz]
    weight: Floats  # (users,)
    deadline_s: Floats  # (users,) infinite for none
    max_loss: Floats  # (users,) 1 for no limit
    steadiness: Steadiness | None = None

    def __post_init__(self) -> None:
        freeze(self)
        users = len(self.workload)
        require(users >= 1, "workload: at least one user")
        for name in ("spectral_efficiency", "weight", "deadline_s", "max_loss"):
            require(len(getattr(self, name)) == users, f"{name}: one entry per user")
        for name in (
            "bandwidth_hz",
            "server_flop_per_s",
            "latency_weight_per_s",
            "spectral_efficiency",
            "weight",
        ):
            require(
                all_finite(np.asarray(getattr(self, name)), above=0.0), f"{name} > 0 and finite"
            )
        require(
            all_finite(np.asarray([self.loss_weight, self.network_s])),
            "loss_weight, network_s >= 0 and finite",
        )
        require(bool(np.all(self.deadline_s > 0.0)), "deadline_s > 0")
        require(bool(np.all(self.max_loss >= 0.0)), "max_loss >= 0")
        kinds = np.diff(self.workloads.first)
        require(
            bool(np.all((self.workload >= 0) & (self.workload < len(kinds)))),
            "workload: an index of workloads",
        )
        if self.steadiness is not None:
            previous = self.steadiness.previous
            require(len(previous) == users, "previous: one entry per user")
            require(
                bool(np.all((previous >= -1) & (previous < kinds[self.workload]))),
                "previous: an option or -1",
            )

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row per user: the option (counted within the user's workload) and the shares of uplink
    and server.
    """

    option: Integers  # (users,)
    bandwidth_share: Floats  # (users,)
    server_share: Floats  # (users,)

    def __post_init__(self) -> None:
        freeze(self)

    def row(self, problem: Problem) -> Integers:
        """Row of `problem.workloads` that each user runs."""
        return np.asarray(problem.workloads.first[problem.workload] + self.option)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasibility:
    """Why there is no plan.

    `alone` are the users that find no option even with the whole uplink and server. Each remedy is
    for the whole cell, everything else as it is: a pair (proven lower bound, amount that was seen
    to suffice), None where not asked. An infinite amount was not found, an infinite bound proves
    that there is none. `proven` is false where a plan was neither found nor excluded.
    """

    proven: bool
    alone: Integers  # indices of users
    # (len(alone),) with the whole uplink and server; infinite where the loss limit forbids all
    least_deadline_s: Floats
    bandwidth_hz: tuple[float, float] | None = None  # uplink at this server
    server_flop_per_s: tuple[float, float] | None = (
        None  # server at this uplink, its times shrinking with it
    )
    factor: tuple[float, float] | None = None  # common factor on both
    switches: tuple[float, float] | None = None  # users that leave their previous option

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProblem:
    """The options of one network on one device, for every rate of the uplink at once (RAP)."""

    latency_weight_per_s: float
    loss_weight: float
    network_s: float = 0.0  # round trip, paid where something crosses
    deadline_s: float = np.inf
    max_loss: float = 1.0
    cut: Integers  # (options,)
    bits: Integers  # (options,)
    device_s: Floats  # (options,)
    crossing_bit: Floats  # (options,)
    server_s: Floats  # (options,) at the share the user has; infinite where it has none
    loss: Floats  # (options,)

    def __post_init__(self) -> None:
        freeze(self)
        for name in ("bits", "device_s", "crossing_bit", "server_s", "loss"):
            require(
                len(getattr(self, name)) == len(self.cut) >= 1,
                f"{name}: one entry per option, at least one",
            )
        for name in ("device_s", "crossing_bit", "loss"):
            require(all_finite(getattr(self, name)), f"{name} >= 0 and finite")
        require(
            bool(np.all((self.server_s >= 0.0) & (self.loss <= 1.0))), "server_s >= 0, loss <= 1"
        )
        require(
            all_finite(np.asarray([self.loss_weight, self.network_s])),
            "loss_weight, network_s >= 0 and finite",
        )
        require(
            all_finite(np.asarray(self.latency_weight_per_s), above=0.0),
            "latency_weight_per_s > 0 and finite",
        )
        require(self.deadline_s > 0.0 and self.max_loss >= 0.0, "deadline_s > 0, max_loss >= 0")

    @property
    def fixed_s(self) -> Floats:
        """Latency of each option at an infinite rate [s]."""
        return np.asarray(
            self.device_s + self.server_s + np.where(self.crossing_bit > 0.0, self.network_s, 0.0)
        )

    @property
    def fixed_cost(self) -> Floats:
        """Cost of each option at an infinite rate."""
        return np.asarray(self.latency_weight_per_s * self.fixed_s + self.loss_weight * self.loss)

    @property
    def cost_per_inverse_rate(self) -> Floats:
        """What each option pays for 1/R [bit/s times cost]."""
        return np.asarray(self.latency_weight_per_s * self.crossing_bit)

    def latency_s(self, option: Integers, rate_bps: Floats) -> Floats:
        """Latency of options at rates, broadcast against each other [s]; infinite where one sends
        at rate 0.
        """
        bits = self.crossing_bit[option]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.fixed_s[option] + np.where(bits > 0.0, bits / rate_bps, 0.0))

    def cost(self, option: Integers, rate_bps: Floats) -> Floats:
        """Cost of options at rates, broadcast against each other, whatever the limits."""
        return np.asarray(
            self.latency_weight_per_s * self.latency_s(option, rate_bps)
            + self.loss_weight * self.loss[option]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTable:
    """The best option at every rate: row r holds on [rate_from_bps[r], rate_from_bps[r + 1]), the
    last without end.
    """

    rate_from_bps: Floats  # (rows,) rising from 0
    option: Integers  # (rows,) -1 where nothing fits
    late_below_bps: Floats  # (rows,) least rate at which the row's option keeps the deadline
    pinned: int | None = None  # row that names the option of a plan, though not the best

    def __post_init__(self) -> None:
        freeze(self)

    def look_up(self, rate_bps: Floats) -> Integers:
        """Best option at each rate [bit/s], -1 where nothing fits."""
        return np.asarray(
            self.option[np.searchsorted(self.rate_from_bps, rate_bps, side="right") - 1]
        )

    def rows(self, problem: TableProblem) -> list[dict[str, float | int | None]]:
        """Rows as a device stores them; costs are null where nothing fits or an option would send
        at rate 0.
        """
        rate_to = np.append(self.rate_from_bps[1:], np.inf)
        rows = [
            _row(problem, int(option), *map(float, limits))
            for option, *limits in zip(
                self.option, self.rate_from_bps, rate_to, self.late_below_bps, strict=True
            )
        ]
        if self.pinned is not None:
            rows[self.pinned]["pinned"] = True
        return rows


def _row(
    problem: TableProblem, option: int, rate_from: float, rate_to: float, late_below: float
) -> dict[str, float | int | None]:
    limits: dict[str, float | int | None] = {
        "rate_from_bps": rate_from,
        "rate_to_bps": rate_to if np.isfinite(rate_to) else None,
    }
    if option < 0:
        names = (
            "cut",
            "bits",
            "cost_from",
            "cost_to",
            "fixed_cost",
            "cost_per_inverse_rate",
            "late_below_bps",
        )
        return limits | dict.fromkeys(names)
    at_from, at_to = problem.cost(np.int64(option), np.array([rate_from, rate_to]))  # type: ignore[arg-type]
    return limits | {
        "cut": int(problem.cut[option]),
        "bits": int(problem.bits[option]),
        "cost_from": float(at_from) if np.isfinite(at_from) else None,
        "cost_to": float(at_to),
        "fixed_cost": float(problem.fixed_cost[option]),
        "cost_per_inverse_rate": float(problem.cost_per_inverse_rate[option]),
        "late_below_bps": late_below,
    }
