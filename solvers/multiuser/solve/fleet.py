"""Users and their options as the solver sees them: dense tables of undominated options, priced in
closed form.

With A = d/(B eta) and C the server seconds, both at full share, D - t0 the room a deadline leaves,
k² = weight alpha and w = p sqrt(A) + q sqrt(C), an option costs at prices (p², q²) of the two
budgets

    k² t0 + weight gamma l + 2 k w + max(0, w - k (D - t0))²/(D - t0)

and asks for x = z sqrt(A)/p and y = z sqrt(C)/q, z = max(k, w/(D - t0)). Shares above 1 are left in
here: the bound stays valid, and for cells in which one user can fill a budget `capped_cost`
tightens it.
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

# Sums of N terms carry rounding of about this relative size: bounds are lowered by it.
ROUNDING = 1e-14
_BLOCK = 32_768  # priced options at a time: a few arrays of this size stay in a core's cache
_TINY_S = 1e-300

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

    def __init__(self, problem: Problem, only: Booleans | None = None) -> None:
        """`only` leaves just some rows of the workloads to choose from."""
        self.problem = problem
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
        self._tabulate(
            np.ones(len(problem.workloads.cut), dtype=np.bool_) if only is None else only
        )
        self.allowed: Booleans | None = self._keeping_limits()
        self._settle()

    def _tabulate(self, only: Booleans) -> None:
        work = self.problem.workloads
        kinds, size = len(work.first) - 1, int(np.diff(work.first).max())
        place = np.arange(size)
        row = np.minimum(work.first[:-1, None] + place, len(work.cut) - 1)
        real = (place < np.diff(work.first)[:, None]) & only[row]
        crossing = work.crossing_bit[row]
        fixed = work.device_s[row] + np.where(crossing > 0.0, self.problem.network_s, 0.0)
        keep = real & ~_dominated([fixed, crossing, work.server_s[row], work.loss[row]], real)
        steady = self.problem.steadiness
        if steady is not None:  # a dominated option may still be the one to stay with
            had = steady.previous >= 0
            keep[self.problem.workload[had], steady.previous[had]] = True
        columns = np.argsort(~keep, axis=1, kind="stable")[:, : max(1, int(keep.sum(axis=1).max()))]
        self.original: Integers = columns  # (kinds, options) the option's number in its workload
        self.real: Booleans = np.take_along_axis(keep, columns, axis=1)
        row, crossing, fixed = (
            np.take_along_axis(values, columns, axis=1) for values in (row, crossing, fixed)
        )
        self.loss: Floats = np.where(self.real, work.loss[row], 0.0)
        self.fixed_s: Floats = np.where(self.real, fixed, 0.0)
        self.root_bit: Floats = np.where(self.real, np.sqrt(crossing), 0.0)
        self.root_server: Floats = np.where(self.real, np.sqrt(work.server_s[row]), 0.0)
        base = self.problem.latency_weight_per_s * fixed + self.problem.loss_weight * work.loss[row]
        self.base: Floats = np.where(self.real, base, np.inf)
        self.options = columns.shape[1]
        self.step = max(1, _BLOCK // self.options)
        self.kinds = kinds

    def _keeping_limits(
        self, *, uplink_grows: bool = False, server_grows: bool = False
    ) -> Booleans | None:
        """Which options keep the user's deadline and loss limit when alone; None where no user has
        either.

        A budget that may grow without end takes no time.
        """
        if (
            not self.timed
            and np.all(self.max_loss >= self.loss.max())
            and np.all(self.real.any(axis=1))
        ):
            return None
        allowed = np.empty((self.users, self.options), dtype=np.bool_)
        for block in self.blocks():
            rows = self.rows(block)
            sent = (self.root_share[block, None] * self.root_bit[rows]) ** 2
            served = self.root_server[rows] ** 2
            room = self.deadline_s[block, None] - self.fixed_s[rows]
            in_time = (0.0 if uplink_grows else sent) + (0.0 if server_grows else served) <= room
            if uplink_grows or server_grows:  # however little, it takes some time
                in_time &= (room > 0.0) | (sent + served == 0.0)
            allowed[block] = (
                in_time & (self.loss[rows] <= self.max_loss[block, None]) & self.real[rows]
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
        if self.home is None or self.allowed is None:
            return 0
        settled = np.flatnonzero(self.home >= 0)
        return int((~self.allowed[settled, self.home[settled]]).sum())

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

    @property
    def twin(self) -> Integers:
        """A number for each user (users,), equal for those who are interchangeable."""
        home = np.full(self.users, -1) if self.home is None else self.home
        same = np.stack(
            [self.kind, self.root_share, self.weight, self.deadline_s, self.max_loss, home], axis=1
        )
        return np.asarray(np.unique(same, axis=0, return_inverse=True)[1]).ravel()

    def _settle(self) -> None:
        """Where each user stays if it does not switch, -1 for the free."""
        steady = self.problem.steadiness
        self.switching_cost = 0.0 if steady is None else steady.switching_cost
        self.max_switches = None if steady is None else steady.max_switches
        self.home: Integers | None = None
        if steady is not None:
            previous = steady.previous[self.order]
            self.home = np.where(previous >= 0, self.seat(np.maximum(previous, 0)), -1)

    def seat(self, option: Integers) -> Integers:
        """Column of the options (numbered as in the workload) of all users; -1 where it was left
        out as dominated.
        """
        column = np.full((self.kinds, int(self.original.max()) + 1), -1, dtype=np.int64)
        kind, place = np.nonzero(self.real)
        column[kind, self.original[kind, place]] = place
        return np.asarray(column[self.kind, option])

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

    def cost(self, block: slice, p: float, q: float) -> Floats:
        """Cost of every option of a block of users at prices (p², q²), (users, options); infinite
        where not allowed.
        """
        rows = self.rows(block)
        w = (p * self.root_share[block])[:, None] * self.root_bit[rows] + q * self.root_server[rows]
        cost = (2.0 * self.root_weight[block])[:, None] * w
        cost += self.weight[block, None] * self.base[rows]
        if self.timed:
            room = np.maximum(self.deadline_s[block, None] - self.fixed_s[rows], _TINY_S)
            w -= self.root_weight[block, None] * room
            np.maximum(w, 0.0, out=w)
            np.square(w, out=w)
            with np.errstate(
                over="ignore"
            ):  # an option without room is not allowed, whatever it would cost
                w /= room
                cost += w
        if self.allowed is not None:
            cost[~self.allowed[block]] = np.inf
        if self.home is not None and self.switching_cost:
            home = self.home[block, None]
            cost += self.switching_cost * ((home >= 0) & (home != np.arange(self.options)))
        return np.asarray(cost)

    def need(self, block: slice, p: float, q: float) -> Floats:
        """What each option's deadline asks of both budgets at prices (p², q²): w²/(D - t0), for a
        block of users.
        """
        rows = self.rows(block)
        w = (p * self.root_share[block])[:, None] * self.root_bit[rows] + q * self.root_server[rows]
        room = np.maximum(self.deadline_s[block, None] - self.fixed_s[rows], _TINY_S)
        with np.errstate(over="ignore"):
            need = np.where(self.real[rows], w * w / room, np.inf)
        if self.allowed is not None:
            need[~self.allowed[block]] = np.inf
        return need

    def cost_at(self, block: slice, x: Floats, y: Floats) -> Floats:
        """Cost of every option of a block of users at given shares (all users); infinite where late
        or not allowed.
        """
        rows = self.rows(block)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            up, on = self.root_bit[rows] ** 2, self.root_server[rows] ** 2
            sent = np.where(up > 0.0, self.root_share[block, None] ** 2 * up / x[block, None], 0.0)
            served = np.where(on > 0.0, on / y[block, None], 0.0)
        cost = (
            self.root_weight[block, None] ** 2 * (sent + served)
            + self.weight[block, None] * self.base[rows]
        )
        if self.allowed is not None:
            in_time = self.fixed_s[rows] + sent + served <= self.deadline_s[block, None]
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
            if self.max_switches is not None and self.home is not None:
                home = self.home[block]
                stay[block] = np.where(home >= 0, values[row, np.maximum(home, 0)], best[block])
        total = math.fsum(totals)
        if self.max_switches is not None and self.home is not None:
            kept = self._kept(stay - best)
            total += float((stay[kept] - best[kept]).sum())
            choice[kept] = self.home[kept]
        return total, choice

    def price(self, p: float, q: float) -> Priced:
        """Every user's best option at prices (p², q²), and the lower bound that follows."""
        total, choice = self.best(lambda block: self.cost(block, p, q))
        paid = p * p + q * q
        bound = total * (1.0 - ROUNDING) - paid * (1.0 + ROUNDING)
        return Priced(root=(p, q), bound=bound, choice=choice, sums=self.sums(choice, p, q))

    def _kept(self, gain: Floats) -> Integers:
        """Users who would switch but may not: all but the `max_switches` with the largest gain."""
        leaving = np.flatnonzero(gain > 0.0)
        surplus = len(leaving) - self.most_switches
        if surplus <= 0:
            return leaving[:0]
        return np.asarray(leaving[np.argpartition(gain[leaving], surplus - 1)[:surplus]])

    def chosen(self, choice: Integers, users: slice | Integers = slice(None)) -> "Chosen":
        """The chosen options' numbers, user by user."""
        at = self.kind[users], choice
        fixed = self.weight[users] * self.base[at]
        if self.home is not None and self.switching_cost:
            home = self.home[users]
            fixed = fixed + self.switching_cost * ((home >= 0) & (home != choice))
        return Chosen(
            fixed_cost=fixed,
            root_uplink=self.root_share[users] * self.root_bit[at],
            root_server=self.root_server[at],
            room_s=self.deadline_s[users] - self.fixed_s[at],
            root_weight=np.broadcast_to(self.root_weight[users], np.shape(fixed)),
        )

    def sums(self, choice: Integers, p: float, q: float) -> Floats:
        """Terms of all users added up."""
        total = np.zeros(6)
        for start in range(0, self.users, _BLOCK):
            block = slice(start, start + _BLOCK)
            total += self.chosen(choice[block], block).terms(p, q).sum(axis=-1)
        return total


@dataclass(frozen=True, slots=True)
class Chosen:
    """One option for each user (last axis); any leading axes are alternatives."""

    fixed_cost: Floats  # weight (alpha t0 + gamma l)
    root_uplink: Floats  # sqrt(A)
    root_server: Floats  # sqrt(C)
    room_s: Floats  # D - t0
    root_weight: Floats  # k

    def terms(self, p: float | Floats, q: float | Floats) -> Floats:
        """(6, ..., users): a, S, T, U, V, W with priced cost a + 2pS + 2qT + p²U + q²V + 2pqW
        around (p², q²).

        A user whose deadline does not bind is linear in (p, q), one whose deadline binds quadratic.
        """
        w = p * self.root_uplink + q * self.root_server
        binds = w > self.root_weight * self.room_s
        free = np.where(binds, 0.0, self.root_weight)
        room = np.where(binds, np.maximum(self.room_s, _TINY_S), np.inf)
        held = self.root_weight**2 * np.where(binds, self.room_s, 0.0)
        return np.stack(
            [
                self.fixed_cost + held,
                free * self.root_uplink,
                free * self.root_server,
                self.root_uplink**2 / room,
                self.root_server**2 / room,
                self.root_uplink * self.root_server / room,
            ]
        )


def peak(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Largest priced cost less budgets over all prices, and its (p, q), for sums of terms (6, ...):
    a 2 × 2 system.

    This is the cost of the choices with their best shares, as long as the same deadlines bind;
    infinite where the binding deadlines alone exceed a budget.
    """
    a, s, t, u, v, w = sums
    left, right = 1.0 - u, 1.0 - v
    det = left * right - w * w
    fits = (det > 0.0) & (left > 0.0)
    safe = np.where(fits, det, 1.0)
    p, q = (right * s + w * t) / safe, (left * t + w * s) / safe
    return np.where(fits, a + p * s + q * t, np.inf), p, q


def capped_cost(chosen: Chosen, p: Floats, q: Floats) -> Floats:
    """Least priced cost of options over shares in (0, 1], the deadline kept: exact, in closed form.

    Where the free optimum asks for more than a whole budget, the constrained one takes exactly the
    whole of it (the cost is convex in the shares), so the better of x = 1 and y = 1, each with its
    best partner, is the optimum.
    """
    a, c = chosen.root_uplink**2, chosen.root_server**2
    k, room = chosen.root_weight, chosen.room_s
    w = p * chosen.root_uplink + q * chosen.root_server
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = 2.0 * k * w + np.maximum(0.0, w - k * room) ** 2 / np.maximum(room, _TINY_S)
        z = np.maximum(k, w / np.maximum(room, _TINY_S))
        too_much = (z * chosen.root_uplink > p) | (z * chosen.root_server > q)

        def whole(a: Floats, c: Floats, p: Floats, q: Floats) -> Floats:
            y = np.where(
                c > 0.0,
                np.minimum(1.0, np.maximum(k * np.sqrt(c) / q, c / np.maximum(room - a, _TINY_S))),
                0.0,
            )
            return np.asarray(k * k * (a + np.where(c > 0.0, c / y, 0.0)) + p * p + q * q * y)

        full = np.where(a > 0.0, whole(a, c, p, q), np.inf)
        capped = np.minimum(full, np.where(c > 0.0, whole(c, a, q, p), np.inf))
    return np.asarray(chosen.fixed_cost + np.where(too_much, capped, free))


def with_switches_priced(fleet: Fleet, cost: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Costs (prices, users, options) and offsets of a bound that also heeds how many users may
    switch.

    At each pair of prices a switch costs what makes just as many worth it as are allowed.
    """
    if fleet.max_switches is None or fleet.home is None:
        return cost, offset
    settled = np.flatnonzero(fleet.home >= 0)
    stay = cost[:, settled, fleet.home[settled]]
    gain = np.sort(np.maximum(stay - cost[:, settled].min(axis=2), 0.0), axis=1)[:, ::-1]
    switch = (
        gain[:, fleet.most_switches] if fleet.most_switches < len(settled) else np.zeros(len(cost))
    )
    switch = np.where(np.isfinite(switch), switch, 0.0)
    away = (fleet.home[:, None] >= 0) & (fleet.home[:, None] != np.arange(fleet.options))
    return cost + switch[:, None, None] * away, offset + switch * fleet.most_switches


def _dominated(criteria: list[Floats], real: Booleans) -> Booleans:
    """Options that another of the same workload beats or equals in everything (of equals the first
    stays).
    """
    size = real.shape[1]
    result = np.zeros_like(real)
    earlier = np.tri(size, k=-1, dtype=np.bool_)
    step = max(1, 4_000_000 // (size * size))
    for start in range(0, len(real), step):
        part = slice(start, start + step)
        no_worse = np.broadcast_to(real[part, None, :], (len(real[part]), size, size)).copy()
        better = np.zeros_like(no_worse)
        for values in criteria:
            mine, others = values[part, :, None], values[part, None, :]
            no_worse &= others <= mine
            better |= others < mine
        result[part] = np.any(no_worse & (better | earlier), axis=2)
    return result
