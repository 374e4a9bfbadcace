"""Users and their options as the solver sees them: everyone priced at once, in blocks.

The formulas, and what their letters mean, are in `chosen.py`.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.chosen import TINY_S, Chosen
from solvers.multiuser.solve.kernel import kernel_of
from solvers.multiuser.solve.undominated import undominated
from solvers.progress import Progress

# Sums of N terms carry rounding of about this relative size: bounds are lowered by it.
ROUNDING = 1e-14
_BLOCK = 32_768  # priced options at a time: a few arrays of this size stay in a core's cache

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Priced:
    """All users at one pair of prices."""

    root: tuple[float, float]  # square roots of the prices
    bound: float  # L(prices), never overstated
    choice: Integers  # (users,) best option of each
    sums: Floats  # (6,) what the choices add up to, see `Fleet.terms`


class Fleet:
    """Users sorted by workload; options of a workload that another beats in everything are left
    out.
    """

    def __init__(
        self, problem: Problem, only: Booleans | None = None, progress: Progress | None = None
    ) -> None:
        """`only` leaves just some rows of the workloads to choose from; `progress` is looked up to
        while users are priced.
        """
        self.problem, self.progress = problem, progress or Progress()
        self.order = np.argsort(problem.workload, kind="stable")
        self.kind = problem.workload[self.order]
        self.users = problem.users
        self.weight = problem.weight[self.order]
        self.root_weight = np.sqrt(self.weight * problem.latency_weight_per_s)
        self.root_share = 1.0 / np.sqrt(
            problem.bandwidth_hz * problem.spectral_efficiency[self.order]
        )
        self.deadline_s = problem.deadline_s[self.order]
        self.max_loss = problem.max_loss[self.order]
        self.timed = bool(np.any(np.isfinite(self.deadline_s)))
        every = np.ones(len(problem.workloads.cut), dtype=np.bool_)
        self.table = undominated(problem, every if only is None else only)
        self.options = self.table.options
        self.step = max(1, _BLOCK // self.options)
        self.allowed: Booleans | None = None
        self._hold_previous()
        self.allowed = self._keeping_limits()

    def _keeping_limits(
        self, *, uplink_grows: bool = False, server_grows: bool = False
    ) -> Booleans | None:
        """Which options keep the user's deadline and loss limit when alone; None where no user has
        either.

        A budget that may grow without end takes no time.
        """
        if (
            not self.timed
            and np.all(self.max_loss >= self.table.loss.max())
            and np.all(self.table.real.any(axis=1))
        ):
            return None
        kernel = kernel_of(self)
        if kernel is not None:
            return kernel.allowed(uplink_grows=uplink_grows, server_grows=server_grows)
        allowed = np.empty((self.users, self.options), dtype=np.bool_)
        for block in self.blocks():
            rows = self.rows(block)
            sent = (self.root_share[block, None] * self.table.root_bit[rows]) ** 2
            served = self.table.root_server[rows] ** 2
            slack = self.deadline_s[block, None] - self.table.fixed_s[rows]
            in_time = (0.0 if uplink_grows else sent) + (0.0 if server_grows else served) <= slack
            if uplink_grows or server_grows:  # however little, it takes some time
                in_time &= (slack > 0.0) | (sent + served == 0.0)
            allowed[block] = (
                in_time
                & (self.table.loss[rows] <= self.max_loss[block, None])
                & self.table.real[rows]
            )
        return allowed

    def growing(self, *, uplink: bool, server: bool) -> "Fleet":
        """The same fleet with every option that some size of the budgets that may grow would
        allow.
        """
        grown = copy.copy(self)
        grown.allowed = self._keeping_limits(uplink_grows=uplink, server_grows=server)
        return grown

    def switching(self, at_most: int) -> "Fleet":
        """The same fleet with another limit on the users who leave their previous option."""
        moved = copy.copy(self)
        moved.max_switches = at_most
        return moved

    @property
    def forced(self) -> int:
        """Users who must switch: their previous option is not allowed."""
        if self.previous is None or self.allowed is None:
            return 0
        held = np.flatnonzero(self.previous >= 0)
        return int((~self.allowed[held, self.previous[held]]).sum())

    @property
    def most_switches(self) -> int:
        """How many users may leave their previous option."""
        return self.users if self.max_switches is None else min(self.max_switches, self.users)

    @property
    def served(self) -> bool:
        """Whether everyone has an option when alone, and no more must switch than may."""
        if self.allowed is None:
            return True
        return bool(self.allowed.any(axis=1).all()) and self.forced <= self.most_switches

    def _hold_previous(self) -> None:
        """The column where each user stays if it does not switch, -1 for those who are free."""
        steady = self.problem.steadiness
        self.switching_cost = 0.0 if steady is None else steady.switching_cost
        self.max_switches = None if steady is None else steady.max_switches
        self.previous: Integers | None = None
        if steady is not None:
            previous = steady.previous[self.order]
            column = self.table.column(self.kind, np.maximum(previous, 0))
            self.previous = np.where(previous >= 0, column, -1)

    def unsorted(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Values of the sorted users in the problem's order."""
        result = np.empty_like(values)
        result[self.order] = values
        return result

    def blocks(self) -> Iterator[slice]:
        """Slices of users whose options fit in the cache."""
        for start in range(0, self.users, self.step):
            yield slice(start, min(start + self.step, self.users))

    def rows(self, block: slice) -> Integers | slice:
        """Table rows of a block: a single one, broadcast, where all its users run the same
        workload.
        """
        kind = self.kind[block]
        return slice(int(kind[0]), int(kind[0]) + 1) if kind[0] == kind[-1] else kind

    def _priced_roots(self, block: slice, p: float, q: float) -> Floats:
        """The w = p sqrt(A) + q sqrt(C) of every option of a block of users, (users, options)."""
        rows = self.rows(block)
        uplink = (p * self.root_share[block])[:, None] * self.table.root_bit[rows]
        return np.asarray(uplink + q * self.table.root_server[rows])

    def cost(self, block: slice, p: float, q: float) -> Floats:
        """Cost of every option of a block of users at prices (p², q²), (users, options); infinite
        where not allowed.
        """
        rows = self.rows(block)
        w = self._priced_roots(block, p, q)
        cost = (2.0 * self.root_weight[block])[:, None] * w
        cost += self.weight[block, None] * self.table.base[rows]
        if self.timed:
            slack = np.maximum(self.deadline_s[block, None] - self.table.fixed_s[rows], TINY_S)
            w -= self.root_weight[block, None] * slack
            np.maximum(w, 0.0, out=w)
            np.square(w, out=w)
            # An option without slack is not allowed, whatever it would cost.
            with np.errstate(over="ignore"):
                w /= slack
                cost += w
        if self.allowed is not None:
            cost[~self.allowed[block]] = np.inf
        if self.previous is not None and self.switching_cost:
            previous = self.previous[block, None]
            cost += self.switching_cost * ((previous >= 0) & (previous != np.arange(self.options)))
        return np.asarray(cost)

    def need(self, block: slice, p: float, q: float) -> Floats:
        """What each option's deadline asks of both budgets at prices (p², q²): w²/(D - t0), for a
        block of users.
        """
        rows = self.rows(block)
        w = self._priced_roots(block, p, q)
        slack = np.maximum(self.deadline_s[block, None] - self.table.fixed_s[rows], TINY_S)
        with np.errstate(over="ignore"):
            need = np.where(self.table.real[rows], w * w / slack, np.inf)
        if self.allowed is not None:
            need[~self.allowed[block]] = np.inf
        return need

    def cost_at(self, block: slice, x: Floats, y: Floats) -> Floats:
        """Cost of every option of a block of users at given shares (all users); infinite where late
        or not allowed.
        """
        rows = self.rows(block)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            up, on = self.table.root_bit[rows] ** 2, self.table.root_server[rows] ** 2
            sent = np.where(up > 0.0, self.root_share[block, None] ** 2 * up / x[block, None], 0.0)
            served = np.where(on > 0.0, on / y[block, None], 0.0)
        cost = (
            self.root_weight[block, None] ** 2 * (sent + served)
            + self.weight[block, None] * self.table.base[rows]
        )
        if self.allowed is not None:
            in_time = self.table.fixed_s[rows] + sent + served <= self.deadline_s[block, None]
            cost[~(self.allowed[block] & in_time)] = np.inf
        return np.asarray(cost)

    def best(self, cost: Callable[[slice], Floats]) -> tuple[float, Integers]:
        """Least total of a cost given block by block, and the choices (users,); no more switches
        than allowed.
        """
        choice = np.empty(self.users, dtype=np.int64)
        totals = []
        best, stay = np.empty(self.users), np.empty(self.users)
        for block in self.blocks():
            values = cost(block)
            choice[block] = values.argmin(axis=1)
            row = np.arange(len(values))
            best[block] = values[row, choice[block]]
            totals.append(float(best[block].sum()))
            self.progress.tick()
            if self.max_switches is not None and self.previous is not None:
                previous = self.previous[block]
                stay[block] = np.where(
                    previous >= 0, values[row, np.maximum(previous, 0)], best[block]
                )
        total = math.fsum(totals)
        if self.max_switches is not None and self.previous is not None:
            kept = self._kept(stay - best)
            total += float((stay[kept] - best[kept]).sum())
            choice[kept] = self.previous[kept]
        return total, choice

    def price(self, p: float, q: float) -> Priced:
        """Every user's best option at prices (p², q²), and the lower bound that follows."""
        kernel = kernel_of(self)
        if kernel is None:
            total, choice = self.best(lambda block: self.cost(block, p, q))
            sums = self.sums(choice, p, q)
        else:
            found = kernel.price(p, q)
            total, choice, sums = found.total, found.choice, found.sums
        paid = p * p + q * q
        bound = total * (1.0 - ROUNDING) - paid * (1.0 + ROUNDING)
        return Priced(root=(p, q), bound=bound, choice=choice, sums=sums)

    def least_need(self, p: float, q: float) -> tuple[float, Integers]:
        """What all deadlines together ask least of both budgets at prices (p², q²), with whose
        choices (users,).
        """
        kernel = kernel_of(self)
        if kernel is None:
            return self.best(lambda block: self.need(block, p, q))
        found = kernel.need(p, q)
        return found.total, found.choice

    def _kept(self, gain: Floats) -> Integers:
        """Users who would switch but may not: all but the `max_switches` with the largest gain."""
        leaving = np.flatnonzero(gain > 0.0)
        surplus = len(leaving) - self.most_switches
        if surplus <= 0:
            return leaving[:0]
        return np.asarray(leaving[np.argpartition(gain[leaving], surplus - 1)[:surplus]])

    def chosen(self, choice: Integers, users: slice | Integers = slice(None)) -> Chosen:
        """The chosen options' numbers, user by user."""
        at = self.kind[users], choice
        fixed = self.weight[users] * self.table.base[at]
        if self.previous is not None and self.switching_cost:
            previous = self.previous[users]
            fixed = fixed + self.switching_cost * ((previous >= 0) & (previous != choice))
        return Chosen(
            fixed_cost=fixed,
            root_uplink=self.root_share[users] * self.table.root_bit[at],
            root_server=self.table.root_server[at],
            slack_s=self.deadline_s[users] - self.table.fixed_s[at],
            root_weight=np.broadcast_to(self.root_weight[users], np.shape(fixed)),
        )

    def sums(self, choice: Integers, p: float, q: float) -> Floats:
        """Terms of all users added up."""
        kernel = kernel_of(self)
        if kernel is not None:
            return kernel.terms(choice, p, q)
        total = np.zeros(6)
        for start in range(0, self.users, _BLOCK):
            block = slice(start, start + _BLOCK)
            self.progress.tick()
            total += self.chosen(choice[block], block).terms(p, q).sum(axis=-1)
        return total
