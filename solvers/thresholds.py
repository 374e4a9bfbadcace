"""Where, along one quantity, another option becomes the cheapest.

Searched on a grid, closer where an option comes near without winning, and then between two values
of which one was seen to win and the other not to: both are told, so that nothing rests on how the
costs run in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats

Costs = Callable[[Floats], Floats]
"""Of some values of the quantity the costs of every option, (values, options); infinite where an
option does not work.
"""

_SECTIONS = 16
_ROUNDS = 11  # 17^11 parts: to the last digits
_CLOSER = 3
# Of the least cost: who is dearer by more wherever it is looked at does not win in between.
_WORTH = 0.5


@dataclass(frozen=True, slots=True)
class Flip:
    """The nearest value, on one side of what holds now, at which an option is the cheapest."""

    option: int
    wins_at: float
    loses_at: float  # beside it: there it is not


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
            place = int(side[np.argmin(_margin(at, option)[side])])
            if len(side) > 1 and _margin(at, option)[place] <= _WORTH * abs(at[place].min()):
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
