"""Non-negative least squares with one exponent inside, and how far each number could be moved."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.later import optimize, special

_CONFIDENCE = 0.95
_REFUTED = 0.01
_GRID = 81  # exponents that a profile looks at
_FINER, _FINE = 8, 20  # times that it is made finer, and how many of it are to be within the limit
_LEAST_ERROR = 1e-3  # a handful of equal samples is no proof of a meter that never errs
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Design:
    """Columns that are linear in their numbers, one of which is scaled by `ratio**exponent`.

    All (rows, columns) and (rows,), divided by the value that is expected of each row, so that
    errors are relative. `powered` is the index of the scaled column, -1: there is none.
    """

    columns: Floats
    target: Floats
    ratio: Floats  # clock over the largest clock
    powered: int

    def at(self, exponent: float) -> Floats:
        """The columns for an exponent."""
        columns = self.columns.copy()
        if self.powered >= 0:
            columns[:, self.powered] *= self.ratio**exponent
        return columns

    def over(self, expected: Floats) -> "Design":
        """The same rows divided by these."""
        return Design(
            self.columns / expected[:, None], self.target / expected, self.ratio, self.powered
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """The least squares: the numbers, the exponent, and the residuals of the rows."""

    values: Floats
    exponent: float
    residual: Floats

    @property
    def squares(self) -> float:
        return float(self.residual @ self.residual)


def estimated(design: Design, low: float, high: float) -> Estimate:
    """Non-negative least squares with the best exponent in [low, high]: the least of a grid, then
    refined about it, for the squares may have several dents.
    """

    def squares(exponent: float) -> float:
        return float(optimize.nnls(design.at(exponent), design.target)[1])

    best = low
    if design.powered >= 0 and high > low:
        grid = np.linspace(low, high, _GRID)
        found = [squares(exponent) for exponent in grid]
        at = int(np.argmin(found))
        bounds = (grid[max(at - 1, 0)], grid[min(at + 1, _GRID - 1)])
        refined = optimize.minimize_scalar(
            squares, bounds=bounds, method="bounded", options={"xatol": 1e-9}
        )
        candidates = [(float(found[at]), float(grid[at])), (float(refined.fun), float(refined.x))]
        best = min(candidates)[1]
    columns = design.at(best)
    values = np.asarray(optimize.nnls(columns, design.target)[0], dtype=np.float64)
    return Estimate(values, float(best), design.target - columns @ values)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean square of what is left over, its degrees of freedom, and whose means stray."""

    mean_square: float
    freedom: int
    stray: str | None = None

    def allowed(self) -> float:
        """By how much the squares may grow for a number to be inside its 95 % interval."""
        if self.freedom < 1:
            return float("inf")
        return max(self.mean_square, _LEAST_ERROR**2) * float(
            special.fdtri(1.0, self.freedom, _CONFIDENCE)
        )


def spread_of(residual: Floats, numbers: int, groupings: dict[str, tuple[Integers, int]]) -> Spread:
    """Of independent rows, or, where the means of groups stray more than their rows explain
    (F test, 1 %), of the groups that stray most.

    `groupings` has by name the group of each row, and how many of the numbers groups tell apart.
    """
    plain = Spread(
        float(residual @ residual) / max(len(residual) - numbers, 1), len(residual) - numbers
    )
    found = plain
    for name, (group, told) in groupings.items():
        _, index, count = np.unique(group, return_inverse=True, return_counts=True)
        groups = len(count)
        freedom, within = groups - told, len(residual) - groups
        if freedom < 1 or within < 1:
            continue
        mean = np.bincount(index, residual) / count
        between = float(count @ mean**2)
        inside = float(residual @ residual) - between
        ratio = (between / freedom) / max(inside / within, 1e-300)
        if special.fdtrc(freedom, within, ratio) < _REFUTED:
            grouped = Spread(between / freedom, freedom, name)
            found = max(found, grouped, key=Spread.allowed)
    return found


class Profile:
    """Least squares with one number held, the best of some exponents, ascending."""

    @classmethod
    def about(
        cls, design: Design, low: float, high: float, estimate: Estimate, allowed: float
    ) -> "Profile":
        """Over [low, high], and as finely about the estimate as the squares may grow: a grid that
        misses the exponents which are within the limit would leave an interval no width.
        """
        if design.powered < 0 or high <= low:
            return cls(design, np.array([low]))
        grid = np.linspace(low, high, _GRID)
        every = [grid, np.array([estimate.exponent])]
        for _ in range(_FINER):
            squares = cls(design, grid).squares()
            limit = min(float(squares.min()), estimate.squares) + allowed
            inside = np.flatnonzero(squares <= limit)
            if len(inside) >= _FINE or not np.isfinite(limit):
                break
            step = grid[1] - grid[0]
            first, last = (grid[inside[0]], grid[inside[-1]]) if len(inside) else (high, low)
            first, last = min(first, estimate.exponent), max(last, estimate.exponent)
            grid = np.linspace(max(first - step, low), min(last + step, high), _GRID)
            every.append(grid)
        return cls(design, np.unique(np.concatenate(every)))

    def __init__(self, design: Design, exponents: Floats) -> None:
        self.exponents = exponents
        designs = np.stack([design.at(float(exponent)) for exponent in self.exponents])
        self.scale = np.sqrt(np.mean(np.sum(designs**2, axis=1), axis=0))
        designs = designs / self.scale
        size = designs.shape[2]
        # The ridge is far below what a meter tells; without it equal columns have no solution.
        self.gram = designs.transpose(0, 2, 1) @ designs + 1e-12 * np.eye(size)
        self.right = designs.transpose(0, 2, 1) @ design.target
        self.total = float(design.target @ design.target)

    def squares(self) -> Floats:
        """By exponent, nothing held."""
        return _least(self.gram, self.right, np.full(len(self.exponents), self.total))

    def held(self, number: int, value: float) -> float:
        """With one number held at a value, the best exponent."""
        scaled = value * self.scale[number]
        others = [n for n in range(self.gram.shape[1]) if n != number]
        column = self.gram[:, others, number]
        total = (
            self.total
            - 2.0 * self.right[:, number] * scaled
            + self.gram[:, number, number] * scaled**2
        )
        reduced = self.gram[:, others][:, :, others]
        return float(np.min(_least(reduced, self.right[:, others] - column * scaled, total)))

    def exponent_interval(self, estimate: float, limit: float) -> tuple[float, float]:
        """Least and largest exponent whose squares are within the limit, stretched to the
        estimate.
        """
        squares = self.squares()
        inside = np.flatnonzero(squares <= limit)
        if not len(inside):
            return estimate, estimate
        ends = []
        for at, beyond in ((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1)):
            end = float(self.exponents[at])
            if 0 <= beyond < len(squares) and np.isfinite(limit):
                share = (limit - squares[at]) / (squares[beyond] - squares[at])
                end += float(share * (self.exponents[beyond] - self.exponents[at]))
            ends.append(end)
        return min(ends[0], estimate), max(ends[1], estimate)

    def interval(self, number: int, estimate: float, limit: float) -> tuple[float, float]:
        """Least and largest value of a number whose squares are within the limit."""
        if not np.isfinite(limit):
            return 0.0, float("inf")
        unit = 1.0 / float(self.scale[number])
        low = 0.0
        if self.held(number, 0.0) > limit:
            low = self._crossing(number, estimate, 0.0, limit)
        step = max(estimate, unit * 1e-3)
        for _ in range(_STEPS):
            if self.held(number, estimate + step) > limit:
                break
            step *= 2.0
        else:
            return low, float("inf")
        return low, self._crossing(number, estimate, estimate + step, limit)

    def _crossing(self, number: int, inside: float, outside: float, limit: float) -> float:
        for _ in range(_STEPS):
            middle = 0.5 * (inside + outside)
            if self.held(number, middle) <= limit:
                inside = middle
            else:
                outside = middle
        return inside


def _least(gram: Floats, right: Floats, total: Floats) -> Floats:
    """Least squares over non-negative numbers, for many normal equations at once: the best of all
    supports on which none is negative.
    """
    size = gram.shape[1]
    best = np.array(total)
    for count in range(1, size + 1):
        for support in combinations(range(size), count):
            rows = list(support)
            part = gram[:, rows][:, :, rows]
            found = np.linalg.solve(part, right[:, rows, None])[..., 0]
            squares = total - np.sum(found * right[:, rows], axis=1)
            allowed = np.all(found >= 0.0, axis=1)
            best = np.where(allowed, np.minimum(best, squares), best)
    return np.maximum(best, 0.0)
