"""What the points of an experiment show together: the ones worth having, and how values differ."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.arrow import pa
from app.errors import FieldError, InvalidRequest
from app.experiments.grid import Grid
from app.experiments.table import FIGURES
from app.nearest import is_it, nearest
from solvers.arrays import Floats, Integers
from solvers.later import special

_LISTED = 1000
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Measure:
    """What is weighed: a figure of points or an axis of numbers."""

    asked: str
    """As it was asked for: with `-` where more is better."""
    name: str
    sign: float


def measures_of(asked: Sequence[str], grid: Grid) -> list[Measure]:
    """The measures that were asked for. Raises InvalidRequest."""
    known = [*FIGURES, *(axis.name for axis in grid.axes if axis.numbers)]
    found: list[Measure] = []
    faults = []
    for n, measure in enumerate(asked):
        name = measure.removeprefix("-")
        if name not in known:
            told = f"{name!r} is no figure of points and no axis of numbers"
            faults.append(FieldError(f"/measures/{n}", told + is_it(nearest(name, known))))
        elif name in {one.name for one in found}:
            faults.append(FieldError(f"/measures/{n}", f"{name!r} is there twice: leave one out"))
        else:
            found.append(Measure(measure, name, -1.0 if measure != name else 1.0))
    if faults:
        raise InvalidRequest(faults)
    return found


@dataclass(frozen=True, slots=True)
class Points:
    """The points that are there, as columns by the grid."""

    grid: Grid
    table: pa.Table

    @property
    def index(self) -> Integers:
        """(points,) the place of each in the grid."""
        return np.asarray(self.table["index"].to_numpy(), dtype=np.int64)

    def column(self, name: str) -> Floats:
        """(points,) a measure; NaN where a point has none."""
        if name in FIGURES:
            return np.asarray(self.table[name].to_numpy(), dtype=np.float64)
        side = next(n for n, side in enumerate(self.grid.sides) if side.name == name)
        values = np.array(self.grid.sides[side].told, dtype=np.float64)
        places = np.unravel_index(self.index, self.grid.shape)[side]
        return values[places]

    def statuses(self) -> dict[str, int]:
        """How many ended how."""
        names, counts = np.unique(self.table["status"].to_numpy(), return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def pareto(points: Points, measures: Sequence[Measure]) -> dict[str, Any]:
    """The points that no other beats in all measures; one that has not all of them is none."""
    values = np.array([one.sign * points.column(one.name) for one in measures]).T
    # A point without a plan has no objective, whatever axes say of it.
    known = np.isfinite(points.column("objective")) | np.isfinite(points.column("energy_j"))
    rows = np.flatnonzero(np.isfinite(values).all(axis=1) & known)
    front = rows[_undominated(values[rows])]
    front = front[np.lexsort(values[front].T[::-1])]
    index, bound = points.index, points.column("lower_bound")
    told = []
    for row in front[:_LISTED].tolist():
        at = int(index[row])
        seed = {} if points.grid.seeds is None else {"seed": points.grid.seed(at)}
        own = {one.name: one.sign * float(v) for one, v in zip(measures, values[row], strict=True)}
        lower = float(bound[row]) if np.isfinite(bound[row]) else None
        whose = {"index": at, "parameters": points.grid.parameters(at), **seed}
        told.append({**whose, "measures": own, "lower_bound": lower})
    return {
        "measures": [one.asked for one in measures],
        "points": told,
        "points_count": len(front),
    }


def _undominated(values: Floats) -> Integers:
    """Rows that no other row is at most as large as everywhere and smaller somewhere; of equal ones
    the first.
    """
    order = np.lexsort(values.T[::-1])
    kept: list[int] = []
    front = np.empty((0, values.shape[1]))
    for row in order.tolist():
        if not np.any(np.all(front <= values[row], axis=1)):
            kept.append(row)
            front = values[kept]
    return np.array(kept, dtype=np.int64)


def differences(points: Points, measures: Sequence[Measure]) -> Iterator[dict[str, Any]]:
    """How each value of an axis differs from its first one, all else the same, over the seeds.

    Both sides of a pair have the same seed, so what both drew alike does not blur the difference.
    """
    grid = points.grid
    if grid.seeds is None:
        return
    seeds, rest = grid.shape[0], grid.shape[1:]
    for measure in measures:
        if measure.name not in FIGURES:
            continue  # an axis differs by itself alone
        whole = np.full(grid.points, np.nan)
        whole[points.index] = points.column(measure.name)
        by_seed = whole.reshape(seeds, *rest)
        for n, axis in enumerate(grid.axes):
            against = np.take(by_seed, [0], axis=n + 1)
            gained = (by_seed - against).reshape(seeds, -1)
            for cell in range(gained.shape[1]):
                place = np.unravel_index(cell, rest)
                if place[n] == 0 or not np.isfinite(gained[:, cell]).any():
                    continue
                others = grid.parameters(cell)
                value = others.pop(axis.name)
                yield {
                    "measure": measure.name,
                    "axis": axis.name,
                    "value": value,
                    "against": axis.told[0],
                    "parameters": others,
                    **_paired(gained[:, cell]),
                }


def _paired(gained: Floats) -> Mapping[str, Any]:
    """Mean of paired differences with its interval, by Student's t."""
    known = gained[np.isfinite(gained)]
    mean, interval = float(known.mean()), None
    if len(known) > 1:
        quantile = float(special.stdtrit(len(known) - 1, 0.5 + 0.5 * _CONFIDENCE))
        half = quantile * float(known.std(ddof=1)) / math.sqrt(len(known))
        interval = [mean - half, mean + half]
    return {"pairs": len(known), "mean": mean, "interval": interval}
