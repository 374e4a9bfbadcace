"""Grids of points: their columns, and how the values of their axes are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from app import document
from app.figures.description import FigureAxis
from app.figures.scales import plain, quantity, ticks
from solvers.arrays import Floats

if TYPE_CHECKING:
    import pyarrow as pa

Json = dict[str, Any]

PREFIXED = {
    "s": "s", "J": "J", "Hz": "Hz", "byte": "B", "bit/s": "bit/s", "FLOP": "FLOP",
    "FLOP/s": "FLOP/s", "W": "W", "m": "m", "J/bit": "J/bit",
}  # fmt: skip
"""Units with which prefixes go, and how they are written."""


def unit_of(name: str) -> str | None:
    """The unit of an axis or measure, by its suffix; None of one with which no prefix goes."""
    return PREFIXED.get(document.unit_of(name) or "")


def columns_of(tables: Iterable[pa.Table], *names: str) -> list[Floats]:
    """Columns of points, one after the other; NaN where a point has none."""
    found: dict[str, list[Floats]] = {name: [np.empty(0)] for name in names}
    for each in tables:
        for name in names:
            column = each[name].combine_chunks().cast("float64")
            found[name].append(column.to_numpy(zero_copy_only=False))
    return [np.concatenate(found[name]) for name in names]


def shape(told: Json) -> tuple[int, ...]:
    """The sides of the grid; seeds, where there are any, come last."""
    sizes = [len(axis["values"]) for axis in told["axes"]]
    return (*sizes, len(told["seeds"])) if told.get("seeds") else tuple(sizes)


def axis_of(axis: Mapping[str, Any], x: Floats) -> FigureAxis:
    """The axis of a drawing for that of an experiment."""
    low, high = float(x.min()), float(x.max())
    steps = np.diff(np.sort(x))
    is_log = low > 0.0 and high > 8.0 * low and steps[-1] > 2.0 * steps[0]
    if is_log:
        ends: dict[str, Any] = {"scale": "log", "low": low, "high": high}
    else:
        ends = {"scale": "linear", "low": low, "high": high if high > low else low + 1.0}
    label = f"{axis['name']}, factor" if axis["factor"] else axis["name"]
    return FigureAxis(label=label, unit=axis["unit"], **ends)


def span(label: str, unit: str | None, values: Sequence[float]) -> FigureAxis:
    """A linear axis around numbers; from zero where that is near."""
    low, high = min(values), max(values)
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    low = 0.0 if 0.0 <= low < 0.6 * high else low - room
    step = ticks(low, high + room, 4)
    return FigureAxis(
        label=label, unit=unit, scale="linear", low=min(low, step[0]), high=high + room
    )


def value_of(axis: Mapping[str, Any], value: float | str) -> str:
    """A value of an axis in words."""
    if isinstance(value, str):
        return value
    return f"× {plain(value)}" if axis["factor"] else quantity(float(value), axis["unit"])
