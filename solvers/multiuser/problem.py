"""What a cell of many users is asked and what is decided for it (JM-MPRA).

The question is that of Li et al., IEEE Transactions on Mobile Computing 23(12), 2024; the
formulation in detail is Splitplan's own. Tables for one user alone (RAP) are in `table.py`.
"""

from dataclasses import dataclass, fields, replace
from enum import StrEnum

import numpy as np

from solvers import outcome
from solvers.arrays import Floats, Integers
from solvers.records import all_finite, freeze, require, require_workloads


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
    `first[k]:first[k+1]` are the options of workload k: one per cut and way to send what
    crosses it: as it is, quantised or coded.
    """

    first: Integers  # (workloads + 1,)
    cut: Integers  # (rows,)
    bits: Integers  # (rows,) per feature element
    device_s: Floats  # (rows,)
    crossing_bit: Floats  # (rows,) 0 where nothing crosses
    server_s: Floats  # (rows,) on the whole server
    loss: Floats  # (rows,) accuracy lost to what is sent, in [0, 1]
    result_s: Floats | None = None  # (rows,) the result's way back; None: it takes no time

    def __post_init__(self) -> None:
        freeze(self)
        rows = len(self.cut)
        require_workloads(self.first, rows, "option")
        for name in self.per_row():
            values = getattr(self, name)
            require(values is None or len(values) == rows, f"{name}: one entry per row")
        for name in ("device_s", "crossing_bit", "server_s", "loss", "result_s"):
            values = getattr(self, name)
            require(values is None or all_finite(values), f"{name} >= 0 and finite")
        require(bool(np.all(self.loss <= 1.0)), "loss <= 1")

    @classmethod
    def per_row(cls) -> tuple[str, ...]:
        """Names of the columns with one entry per row."""
        return tuple(field.name for field in fields(cls)[1:])


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
    # capacity: says what a share is worth; times on the server are in `workloads`
    server_flop_per_s: float
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

    def only(self, users: Integers) -> "Problem":
        """The same question of some of the users (at least one), who have both budgets to
        themselves.
        """
        names = ("workload", "spectral_efficiency", "weight", "deadline_s", "max_loss")
        steady = self.steadiness
        if steady is not None:
            steady = replace(steady, previous=steady.previous[users])
        columns = {name: getattr(self, name)[users] for name in names}
        return replace(self, **columns, steadiness=steady)


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
class Infeasibility(outcome.Infeasibility):
    """Why there is no plan.

    `users` are those that find no option even with the whole uplink and server. Each remedy is
    for the whole cell, everything else as it is: a pair (proven lower bound, amount that was seen
    to suffice), None where not asked. An infinite amount was not found, an infinite bound proves
    that there is none. `proven` is false where a plan was neither found nor excluded.
    """

    # (len(users),) with the whole uplink and server; infinite where the loss limit forbids all
    least_deadline_s: Floats
    bandwidth_hz: tuple[float, float] | None = None  # uplink at this server
    # server at this uplink, its times shrinking with it
    server_flop_per_s: tuple[float, float] | None = None
    factor: tuple[float, float] | None = None  # common factor on both
    switches: tuple[float, float] | None = None  # users that leave their previous option

    def __post_init__(self) -> None:
        freeze(self)
