"""Marks and axes from columns, without what cannot be drawn."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from app.figures.description import FigureAxis, FigureMarks, Tone
from app.figures.scales import log_span, quantity, round_up
from solvers.arrays import Floats

TONES: tuple[Tone, ...] = ("part-1", "part-2", "part-3", "part-4", "part-5", "part-6")
MOST_ROWS = 30
"""More users than that are told by how many there are of a kind, not one by one."""
MOST_BINS = 48
BAR = 0.36
"""Half of how high a bar is, in rows."""

Shape = Literal["boxes", "segments", "line", "band", "points", "labels"]
Numbers = Sequence[float] | Floats


def marks(
    mark: Shape,
    tone: Tone,
    x: Numbers,
    y: Numbers,
    *,
    x_to: Numbers | None = None,
    y_to: Numbers | None = None,
    texts: Sequence[str] | None = None,
    label: str | None = None,
    dashed: bool | None = None,
) -> FigureMarks:
    """Marks, but for those with a number that is none."""
    given = [np.asarray(each, float) for each in (x, y, x_to, y_to) if each is not None]
    kept = np.all([np.isfinite(each) for each in given], axis=0)
    columns = iter([each[kept].tolist() for each in given])
    said = None if texts is None else [text for text, has in zip(texts, kept, strict=True) if has]
    return FigureMarks(
        mark=mark,
        tone=tone,
        label=label,
        x=next(columns),
        y=next(columns),
        x_to=None if x_to is None else next(columns),
        y_to=None if y_to is None else next(columns),
        texts=said,
        dashed=dashed,
    )


def bars(
    tone: Tone,
    x: Numbers,
    x_to: Numbers,
    *,
    texts: Sequence[str] | None = None,
    label: str | None = None,
) -> FigureMarks:
    """Lying bars, one a row, but for those without length."""
    start, end = np.asarray(x, np.float64), np.asarray(x_to, np.float64)
    at = np.arange(len(start), dtype=np.float64)
    low: Floats = at - BAR
    high: Floats = at + BAR
    end = np.where(end > start, end, np.nan)
    return marks("boxes", tone, start, low, x_to=end, y_to=high, texts=texts, label=label)


def rows_axis(names: Sequence[str], notes: Sequence[str] | None = None) -> FigureAxis:
    """An axis of rows."""
    return FigureAxis(
        label="",
        scale="names",
        low=-0.5,
        high=len(names) - 0.5,
        names=list(names),
        notes=None if notes is None else list(notes),
    )


def from_zero(label: str, unit: str | None, most: float, *, integers: bool = False) -> FigureAxis:
    """A linear axis from zero to the next tick above the largest number."""
    high = max(round_up(most), 1.0) if integers else round_up(most)
    return FigureAxis(
        label=label, unit=unit, scale="linear", low=0.0, high=high, integers=integers or None
    )


def log_axis(label: str, unit: str | None, values: Iterable[float]) -> FigureAxis:
    """A logarithmic axis around positive numbers."""
    known = [value for value in values if value > 0.0 and math.isfinite(value)]
    low, high = log_span(known or [1.0])
    return FigureAxis(label=label, unit=unit, scale="log", low=low, high=high)


def histogram(values: Floats, axis: FigureAxis) -> tuple[FigureMarks, float]:
    """How many of some numbers lie in each of equal parts of an axis, and the most in one."""
    if axis.scale == "log":
        edges = np.geomspace(axis.low, axis.high, MOST_BINS + 1)
    else:
        edges = np.linspace(axis.low, axis.high, MOST_BINS + 1)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    some = counts > 0
    texts = [
        f"{count} users: {quantity(low, axis.unit)} to {quantity(high, axis.unit)}"
        for count, low, high in zip(counts[some], edges[:-1][some], edges[1:][some], strict=True)
    ]
    low, high = edges[:-1][some], edges[1:][some]
    none = np.zeros(len(low))
    made = marks("boxes", "part-1", low, none, x_to=high, y_to=counts[some], texts=texts)
    return made, float(counts.max(initial=0))


def quantiles(values: Floats, axis: FigureAxis, top: float) -> list[FigureMarks]:
    """Where the median, the 95th percentile and the largest of some numbers are, with words."""
    found = dict(zip(("median", "p95", "max"), np.quantile(values, (0.5, 0.95, 1.0)), strict=True))
    at = {name: _part(float(value), axis) for name, value in found.items()}
    if at["max"] - at["p95"] < _TOO_NEAR or at["p95"] - at["median"] < _TOO_NEAR:
        del found["p95"]
    where = [float(value) for value in found.values()]
    said = [f"{name} {quantity(value, axis.unit)}" for name, value in found.items()]
    none, heights = [0.0] * len(where), [top * (1.02 + 0.12 * n) for n in range(len(where))]
    words = [height + 0.05 * top for height in heights]
    return [
        marks("segments", "limit", where, none, x_to=where, y_to=heights, texts=said),
        marks("labels", "limit", where, words, texts=said),
    ]


_TOO_NEAR = 0.04
"""Parts of an axis below which two places are one to the eye."""


def _part(value: float, axis: FigureAxis) -> float:
    """How far along an axis a value is."""
    low, high = axis.low, axis.high
    if axis.scale == "log":
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)
