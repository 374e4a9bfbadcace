"""Limits of users that may be loosened, as levels: points of a grid with cost and least share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.robust.solve.changes import Change

_FIRST_STEP = 1e-4

Laid: TypeAlias = tuple[Floats, Floats, Floats]  # limits, cost, least share


@dataclass(frozen=True, slots=True)
class Loosened:
    """A limit of every user that may be loosened."""

    change: Change
    price: float
    start: Floats  # (users,) as asked for
    low: Floats  # (users,) the least that helps at all; NaN where none does
    most: Floats  # (users,)
    shares: Callable[[Floats], Floats]  # least share of each user with these limits

    def grid(self, steps: int) -> Floats:
        """Limits, (users, steps), from the least on."""
        parts = np.concatenate(([0.0], np.geomspace(_FIRST_STEP, 1.0, steps - 1)))
        return np.asarray(self.low[:, None] + (self.most - self.low)[:, None] * parts)

    def laid(self, values: Floats) -> Laid:
        """Some limits with their cost and least share, (users, steps) each."""
        cost = self.price * np.maximum(values - self.start[:, None], 0.0)
        taken = np.stack([self.shares(column) for column in values.T], axis=1)
        return values, np.where(np.isfinite(values), cost, np.inf), taken


def joined(
    keep: tuple[Floats, Floats],
    out: tuple[Floats, Floats] | None,
    laid: list[tuple[Floats, Floats]],
) -> tuple[Floats, Floats]:
    """All levels of each user: as it is, left out, then those of each limit."""
    parts = [keep] if out is None else [keep, out]
    columns = [*((a[:, None], b[:, None]) for a, b in parts), *laid]
    cost, taken = (np.hstack(some) for some in zip(*columns, strict=True))
    return cost, taken


def finer(grid: Floats, values: Floats, steps: int) -> Floats:
    """Limits around those that were chosen, between the neighbours of these; the same grid where
    none was.
    """
    chosen = np.isfinite(values)
    at = np.argmin(np.abs(grid - np.where(chosen, values, grid[:, 0])[:, None]), axis=1)
    row = np.arange(len(grid))
    low = grid[row, np.maximum(at - 1, 0)]
    high = grid[row, np.minimum(at + 1, grid.shape[1] - 1)]
    part = np.linspace(0.0, 1.0, steps)
    return np.asarray(low[:, None] + (high - low)[:, None] * part)


def meant(choice: Integers, grids: list[Floats], *, drop: bool) -> tuple[list[Floats], Booleans]:
    """The limits that levels stand for, NaN where one stays; and who is left out."""
    dropped, at = (choice == 1) & drop, choice - 1 - drop
    values = []
    for grid in grids:
        mine = (at >= 0) & (at < grid.shape[1])
        column = np.where(mine, at, 0)
        limit = np.take_along_axis(grid, column[:, None], axis=1)[:, 0]
        values.append(np.where(mine, limit, np.nan))
        at = at - grid.shape[1]
    return values, dropped
