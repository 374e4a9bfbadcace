"""What one user's options cost where a quantity is another one, and where along it another option
becomes the cheapest.

That is searched on a grid, closer where an option comes near without winning, and then between two
values of which one was seen to win and the other not to: both are told, so that nothing rests on
how the costs run in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers

Costs = Callable[[Floats], Floats]
"""Of some values of the quantity the costs of every option, (values, options); infinite where an
option does not work.
"""

_SECTIONS = 16
_ROUNDS = 11  # 17^11 parts: to the last digits
_CLOSER = 3
# Of the least cost: who is dearer by more wherever it is looked at does not win in between.
_WORTH = 0.5
_NEAR = 1e-4  # of a value: how far slopes are looked for


@dataclass(frozen=True, slots=True)
class Flip:
    """The nearest value, on one side of what holds now, at which an option is the cheapest."""

    option: int
    wins_at: float
    loses_at: float  # beside it: there it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a cell would cost more if a user's deadline was another one: proven from both sides;
    infinite where no plan is known, and what the cell's bound is not known to, NaN.
    """

    deadline_s: float
    at_least: float
    at_most: float

    @classmethod
    def each(cls, deadline_s: Floats, at_least: Floats, at_most: Floats) -> list["Change"]:
        """One for each of some deadlines."""
        rows = np.stack((deadline_s, at_least, at_most), axis=1).tolist()
        return [cls(deadline_s=d, at_least=low, at_most=high) for d, low, high in rows]


class ByCut:
    """Options of one user by the cut that they have: `cut_of` each, as a position in `cuts`.

    Parameters
    ----------
    cut : (options,) of each.
    """

    def __init__(self, cut: Integers) -> None:
        self.cuts, self.cut_of = np.unique(cut, return_inverse=True)
        self._options = [np.flatnonzero(self.cut_of == k) for k in range(len(self.cuts))]

    def cheapest_of_cuts(self, cost: Floats) -> Integers:
        """Of (options,) costs the option of each cut with the least, the first of equals."""
        return np.array([some[np.argmin(cost[some])] for some in self._options])

    def least_of_cuts(self, cost: Floats) -> Floats:
        """Of (values, options) costs the least of each cut, (values, cuts)."""
        return np.stack([cost[:, some].min(axis=1) for some in self._options], axis=1)


def around(value: float, reach: float, steps: int) -> Floats:
    """Values from far below one to far above it, even in the logarithm: so many steps to both
    sides, `reach` of the logarithm in all. The one in the middle is the value itself.
    """
    grid = value * np.exp(reach * np.arange(-steps, steps + 1) / steps)
    grid[steps] = value
    return np.asarray(grid)


def slopes(costs: Callable[[Floats], Floats], at: float) -> tuple[float, float]:
    """The derivative of a cost that is convex, from both sides: it lies between them. -inf where a
    smaller value rules the option out, and anything where the value itself does.
    """
    step = _NEAR * at
    smaller, now, larger = costs(np.array([at - step, at, at + step])).tolist()
    if not np.isfinite(now):
        return -np.inf, np.inf
    return (now - smaller) / step, (larger - now) / step


def flips(costs: Costs, grid: Floats, now: int) -> list[Flip]:
    """The nearest values at which each option that is not the cheapest now would be.

    Parameters
    ----------
    costs : evaluated at many values at once.
    grid : rising; values outside of it are not looked at.
    now : which of them holds.

    Returns
    -------
    At most one below and one above for each option, options rising. One that is missing was not
    found: an option may still win on a stretch much narrower than the grid.
    """
    at = costs(grid)
    wins = _cheapest(at)
    pairs: list[tuple[int, float, float]] = []
    near: list[tuple[int, int, int]] = []
    for option in np.flatnonzero(~wins[now]).tolist():
        for step in (-1, 1):
            side = np.arange(now, -1, -1) if step < 0 else np.arange(now, len(grid))
            won = side[wins[side, option]]
            if len(won):
                pairs.append((option, float(grid[won[0] - step]), float(grid[won[0]])))
                continue
            margin = _margin(at, option)
            place = int(side[np.argmin(margin[side])])
            if len(side) > 1 and margin[place] <= _WORTH * abs(at[place].min()):
                near.append((option, place, step))
    pairs += _closer(costs, grid, near)
    return sorted(_settled(costs, pairs), key=lambda flip: (flip.option, flip.wins_at))


def _cheapest(at: Floats) -> Booleans:
    least = at.min(axis=1, keepdims=True)
    return np.asarray((at <= least) & np.isfinite(at))


def _margin(at: Floats, option: int) -> Floats:
    """By how much an option is dearer than the best other one."""
    others = np.delete(at, option, axis=1).min(axis=1) if at.shape[1] > 1 else np.inf
    with np.errstate(invalid="ignore"):
        margin = at[:, option] - others
    return np.where(np.isfinite(at[:, option]), np.nan_to_num(margin, nan=np.inf), np.inf)


def _closer(
    costs: Costs, grid: Floats, near: list[tuple[int, int, int]]
) -> Iterator[tuple[int, float, float]]:
    """Options that win on a stretch between two values of the grid, where they come nearest."""
    left = [
        (option, *(ends if step > 0 else ends[::-1]))
        for option, place, step in near
        for ends in [(grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)])]
    ]
    for _ in range(_CLOSER):
        if not left:
            return
        some = np.stack([np.linspace(first, last, _SECTIONS + 1) for _, first, last in left])
        found = costs(some.ravel()).reshape(*some.shape, -1)
        going, left = left, []
        for (option, *_), values, at in zip(going, some, found, strict=True):
            won = np.flatnonzero(_cheapest(at)[:, option])
            best = int(np.argmin(_margin(at, option)))
            if len(won) and won[0]:
                yield option, float(values[won[0] - 1]), float(values[won[0]])
            elif not len(won):
                left.append((option, values[max(best - 1, 0)], values[min(best + 1, _SECTIONS)]))


def _settled(costs: Costs, pairs: list[tuple[int, float, float]]) -> Iterator[Flip]:
    """The pairs of a losing and a winning value brought together."""
    if not pairs:
        return
    option = np.array([pair[0] for pair in pairs])
    lose, win = (np.array([pair[k] for pair in pairs]) for k in (1, 2))
    part = np.arange(1, _SECTIONS + 1) / (_SECTIONS + 1)
    row = np.arange(len(pairs))
    for _ in range(_ROUNDS):
        between = lose[:, None] + (win - lose)[:, None] * part
        ends = np.concatenate([lose[:, None], between, win[:, None]], axis=1)
        won = _cheapest(costs(between.ravel()))
        mine = won[np.arange(between.size), np.repeat(option, _SECTIONS)].reshape(between.shape)
        first = np.where(mine.any(axis=1), mine.argmax(axis=1), _SECTIONS) + 1
        lose, win = ends[row, first - 1], ends[row, first]
    for n in row.tolist():
        yield Flip(int(option[n]), float(win[n]), float(lose[n]))
