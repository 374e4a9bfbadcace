"""Decision tables for one user whose network moves (RAP): what is asked and the table that answers.

The question is that of Li et al., IEEE Transactions on Mobile Computing 23(12), 2024; how a table
is built is in `solve/envelope.py`.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.records import all_finite, freeze, require


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
    result_s: Floats | None = None  # (options,) the result's way back; None: it takes no time

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
            self.result_s is None
            or (len(self.result_s) == len(self.cut) and all_finite(self.result_s)),
            "result_s >= 0 and finite, one entry per option",
        )
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
        fixed_s = (
            self.device_s + self.server_s + np.where(self.crossing_bit > 0.0, self.network_s, 0.0)
        )
        return np.asarray(fixed_s if self.result_s is None else fixed_s + self.result_s)

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
