"""What distinguishes the users of two plans, counted and one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.comparisons.inputs import REASONS
from app.comparisons.sides import BLOCK, Side
from solvers.arrays import Booleans, Integers

Json = dict[str, Any]

JOINED, LEFT, GAINED, LOST, DECISION, AMOUNTS = CHANGES = (
    "joined",
    "left",
    "gained",
    "lost",
    "decision",
    "amounts",
)
PRICE, SOLVER = "price", "solver"
_MEASURES = ("energy_j", "latency_s", "cost")


@dataclass(frozen=True, slots=True)
class Some:
    """Some users of one of two plans, beside what they were in the other."""

    position: Integers
    other: Integers  # where they are in the other plan; -1: nowhere
    change: NDArray[np.int64]  # of CHANGES; -1: none
    inputs: Booleans  # (users, reasons) whether what is asked differs
    priced: Booleans  # whether the price does

    def because(self, n: int) -> list[str]:
        """Why one of them changed: what it is asked differently, else the price."""
        found = [REASONS[k] for k in np.flatnonzero(self.inputs[n]).tolist()]
        if found or CHANGES[self.change[n]] not in (DECISION, AMOUNTS):
            return found
        return [PRICE if self.priced[n] else SOLVER]


def after_users(before: Side, after: Side, start: int, stop: int) -> Some:
    """Users of the later plan, from one position up to another."""
    mine = after.users(start, stop)
    other = before.positions(mine["id"], start)
    known = other >= 0
    theirs = np.zeros(len(mine), mine.dtype)
    theirs[known] = before.at(other[known])
    change = np.full(len(mine), -1)
    if before.result is not None and after.result is not None:
        change[mine["amounts"] != theirs["amounts"]] = CHANGES.index(AMOUNTS)
        change[mine["decision"] != theirs["decision"]] = CHANGES.index(DECISION)
    elif before.result is not None or after.result is not None:
        change[:] = CHANGES.index(LOST if after.result is None else GAINED)
    change[~known] = CHANGES.index(JOINED)
    inputs = (mine["inputs"] != theirs["inputs"]) & known[:, None]
    priced = (mine["price"] != theirs["price"]) & known
    return Some(np.arange(start, stop), other, change, inputs, priced)


def left_users(before: Side, after: Side, start: int, stop: int) -> Some:
    """Users of the earlier plan, from one position up to another, who are not in the later one."""
    mine = before.users(start, stop)
    gone = after.positions(mine["id"], start) < 0
    position = np.arange(start, stop)[gone]
    none = np.zeros((len(position), len(REASONS)), bool)
    change = np.full(len(position), CHANGES.index(LEFT))
    return Some(position, np.full(len(position), -1), change, none, none[:, 0])


def scanned(before: Side, after: Side, start: int = 0) -> Iterator[tuple[int, Some]]:
    """All users block by block, and where the next block begins: those of the later plan in its
    order, then those who left in that of the earlier one, their positions beyond the others.
    """
    for first in range(start, after.count, BLOCK):
        stop = min(first + BLOCK, after.count)
        yield stop, after_users(before, after, first, stop)
    for first in range(max(start - after.count, 0), before.count, BLOCK):
        stop = min(first + BLOCK, before.count)
        yield after.count + stop, left_users(before, after, first, stop)


@dataclass(slots=True)
class Totals:
    """What all users add up to."""

    changes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(CHANGES), np.int64))
    because: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    sums: dict[str, NDArray[np.float64]] = field(
        default_factory=lambda: {name: np.zeros(4) for name in _MEASURES}
    )
    """Of each measure: all users before and after, those in both plans before and after."""

    def add(self, before: Side, after: Side, some: Some) -> None:
        """Count some users."""
        self.changes += np.bincount(some.change[some.change >= 0], minlength=len(CHANGES))
        self.unchanged += int(np.sum(some.change < 0))
        told = np.isin(some.change, (CHANGES.index(DECISION), CHANGES.index(AMOUNTS)))
        for k, reason in enumerate(REASONS):
            self._count(reason, some.inputs[told, k])
        alone = told & ~some.inputs.any(axis=1)
        self._count(PRICE, some.priced[alone])
        self._count(SOLVER, ~some.priced[alone])
        if len(some.change) and some.change[0] == CHANGES.index(LEFT):
            for name in _MEASURES:
                self.sums[name][0] += before.at(some.position)[name].sum()
            return
        known = some.other >= 0
        mine, theirs = after.at(some.position), before.at(some.other[known])
        for name in _MEASURES:
            both = theirs[name].sum()
            self.sums[name] += (both, mine[name].sum(), both, mine[name][known].sum())

    def _count(self, reason: str, whom: Booleans) -> None:
        if count := int(np.sum(whom)):
            self.because[reason] = self.because.get(reason, 0) + count


def totals(before: Side, after: Side) -> Totals:
    """What all users of two plans add up to."""
    found = Totals()
    for _, some in scanned(before, after):
        if len(some.position):
            found.add(before, after, some)
    return found
