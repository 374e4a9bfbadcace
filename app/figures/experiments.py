"""The figures of an experiment: a measure over each axis, and the points worth having."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy.orm import Session

from app.errors import FigureNotFound
from app.experiments import service
from app.experiments.table import FIGURES
from app.figures.description import Figure, FigureMarks, FigurePanel
from app.figures.grids import axis_of, columns_of, shape, span, unit_of, value_of
from app.figures.marks import TONES, marks
from app.figures.scales import plain, quantity
from solvers.arrays import Floats

if TYPE_CHECKING:
    import pyarrow as pa

Json = dict[str, Any]

_MOST_LINES, _MOST_OTHERS = 6, 400
_TITLES = {"curves": "Objective over each axis", "pareto": "Points worth having"}


@dataclass(frozen=True, slots=True)
class _Points:
    """The points that are there: where each is on each axis, and its measures."""

    axes: Sequence[Mapping[str, Any]]
    places: list[np.ndarray[Any, np.dtype[np.int64]]]
    objective: Floats
    bound: Floats


def listed(session: Session, experiment_id: str) -> list[tuple[str, str]]:
    """The figures that an experiment has by now: names and titles. Raises ExperimentNotFound."""
    return listed_of(service.get(session, experiment_id))


def listed_of(told: Json) -> list[tuple[str, str]]:
    """The same of an experiment that was read."""
    found = []
    if told["progress"]["points_done"] and any(_is_numeric(axis) for axis in told["axes"]):
        found.append(("curves", _TITLES["curves"]))
    if told["pareto"]["points"] and len(told["pareto"]["measures"]) > 1:
        found.append(("pareto", _TITLES["pareto"]))
    return found


def figure(session: Session, experiment_id: str, name: str) -> Figure:
    """A figure of an experiment. Raises ExperimentNotFound, FigureNotFound."""
    told = service.get(session, experiment_id)
    known = [each for each, _ in listed_of(told)]
    if name not in known:
        raise FigureNotFound(f"experiment {experiment_id!r}", name, known)
    told["axes"] = axes_of(session, experiment_id, told)
    tables = list(service.point_tables(session, experiment_id))
    told["unit"] = _objective_unit(told["kind"], tables)
    if name == "curves":
        return _curves(told, _points(told, tables))
    return _pareto(told, tables)


def axes_of(session: Session, experiment_id: str, told: Json) -> list[Json]:
    """The axes of an experiment that was read, with what their values are: `unit`, `factor`."""
    asked = service.find(session, experiment_id, whole=True).asked["axes"]
    factors = [bool(each.get("scale")) for each in asked]
    return [
        axis | {"unit": None if is_factor else unit_of(axis["name"]), "factor": is_factor}
        for axis, is_factor in zip(told["axes"], factors, strict=True)
    ]


def _is_numeric(axis: Mapping[str, Any]) -> bool:
    values = axis["values"]
    return len(values) > 1 and all(isinstance(value, int | float) for value in values)


def _points(told: Json, tables: Iterable[pa.Table]) -> _Points:
    index, objective, bound = columns_of(tables, "index", "objective", "lower_bound")
    places = np.unravel_index(index.astype(np.int64), shape(told))
    kept = [np.asarray(each, np.int64) for each in places[: len(told["axes"])]]
    return _Points(told["axes"], kept, objective, bound)


def _curves(told: Json, points: _Points) -> Figure:
    numeric = [n for n, axis in enumerate(points.axes) if _is_numeric(axis)]
    panels = [_panel(points, n, told["unit"]) for n in numeric]
    said = f"{plain(float(len(points.objective)))} of {plain(told['points_count'])} points"
    known = points.objective[np.isfinite(points.objective)]
    unit: str | None = told["unit"]
    if len(known):
        said += f", with objectives from {quantity(float(known.min()), unit)}"
        said += f" to {quantity(float(known.max()), unit)}"
    return Figure(
        name="curves",
        title=_TITLES["curves"],
        caption="Means over what is not named; the band goes down to the proven bound. Where there"
        " is no line, there is no plan.",
        alternative=said + ".",
        panels=panels,
    )


def _objective_unit(kind: str, tables: Iterable[pa.Table]) -> str | None:
    """Joules, or watts of robust streams, whose objective is not their energy; costs have none."""
    if kind != "robust":
        return None
    objective, energy = columns_of(tables, "objective", "energy_j")
    known = np.isfinite(objective)
    return "J" if np.allclose(objective[known], energy[known], rtol=1e-6) else "W"


def _panel(points: _Points, n: int, unit: str | None) -> FigurePanel:
    axis = points.axes[n]
    x = np.array(axis["values"], np.float64)
    drawn: list[FigureMarks] = []
    values: list[float] = []
    for (label, chosen), tone in zip(_lines(points, n), TONES, strict=False):
        best = _means(points.places[n], points.objective, chosen, len(x))
        bound = _means(points.places[n], points.bound, chosen, len(x))
        values += [*best[np.isfinite(best)], *bound[np.isfinite(bound)]]
        order = np.argsort(x)
        for part in _runs(order, best):
            low = np.where(np.isfinite(bound[part]), bound[part], best[part])
            drawn.append(marks("band", tone, x[part], low, y_to=best[part]))
            drawn.append(marks("line", tone, x[part], best[part], label=label or None))
        if len(x) <= 30:
            texts = [f"{label} {value_of(axis, value)}".strip() for value in x]
            drawn.append(marks("points", tone, x, best, texts=texts))
    return FigurePanel(
        title=axis["name"] if len(points.axes) > 1 else None,
        x=axis_of(axis, x),
        y=span("objective", unit, values or [0.0, 1.0]),
        marks=drawn,
    )


def _runs(order: Any, best: Floats) -> Iterator[Any]:
    """Stretches of an axis in which every point has a plan."""
    gaps = np.flatnonzero(~np.isfinite(best[order]))
    for part in np.split(order, gaps):
        known = part[np.isfinite(best[part])]
        if len(known):
            yield known


def _lines(points: _Points, n: int) -> Iterator[tuple[str, Any]]:
    """What the other axes are held at, line by line: ends and middle of the longest, or nothing."""
    others = [m for m in range(len(points.axes)) if m != n and len(points.axes[m]["values"]) > 1]
    everybody = np.ones(len(points.objective), bool)
    if not others:
        yield "", everybody
        return
    each = max(1, int(_MOST_LINES ** (1.0 / len(others[:2]))))
    shown = [_some(len(points.axes[m]["values"]), each) for m in others[:2]]
    for chosen in product(*shown):
        which, said = everybody, []
        for m, place in zip(others, chosen, strict=False):
            which = which & (points.places[m] == place)
            axis = points.axes[m]
            said.append(f"{axis['name']} {value_of(axis, axis['values'][place])}")
        yield ", ".join(said), which


def _some(count: int, most: int) -> list[int]:
    found: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).round()).tolist()
    return [int(place) for place in found]


def _means(places: Any, values: Floats, chosen: Any, size: int) -> Floats:
    known = chosen & np.isfinite(values)
    sums = np.bincount(places[known], values[known], minlength=size)
    counts = np.bincount(places[known], minlength=size)
    found: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found


def _pareto(told: Json, tables: Iterable[pa.Table]) -> Figure:
    front = told["pareto"]
    first, second = (asked.removeprefix("-") for asked in front["measures"][:2])
    x, y = _measured(told, tables, first, second)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    every = max(1, -(-len(known) // _MOST_OTHERS))
    some = known[::every]
    best = sorted(front["points"], key=lambda point: point["measures"][first])
    xs = [point["measures"][first] for point in best]
    ys = [point["measures"][second] for point in best]
    drawn = [marks("points", "soft", x[some], y[some], label="other points")]
    if "objective" in (first, second):
        drawn.append(_bounds(best, first, second))
    drawn += [
        marks("line", "part-1", xs, ys),
        marks(
            "points",
            "part-1",
            xs,
            ys,
            texts=[_parameters(told, each) for each in best],
            label="front",
        ),
    ]
    units = [_unit_of_measure(told, name) for name in (first, second)]
    said = f"{plain(front['points_count'])} points that no other beats in all measures"
    caption = said if every == 1 else f"{said}; of the others one in {every} is shown"
    return Figure(
        name="pareto",
        title=_TITLES["pareto"],
        caption=f"{caption}. Whiskers go from the front to the proven bound.",
        alternative=f"{said}: {_words(first)} from {quantity(xs[0], units[0])} to"
        f" {quantity(xs[-1], units[0])}, {_words(second)} from {quantity(min(ys), units[1])} to"
        f" {quantity(max(ys), units[1])}.",
        panels=[
            FigurePanel(
                x=span(_words(first), units[0], [*x[some], *xs]),
                y=span(_words(second), units[1], [*y[some], *ys]),
                marks=drawn,
            )
        ],
    )


def _measured(told: Json, tables: Iterable[pa.Table], *names: str) -> list[Floats]:
    """Measures of the points that are there, axes among them."""
    axes = {axis["name"]: n for n, axis in enumerate(told["axes"])}
    columns = [name for name in names if name in FIGURES]
    index, *found = columns_of(tables, "index", *columns)
    known = dict(zip(columns, found, strict=True))
    places = np.unravel_index(index.astype(np.int64), shape(told))
    for name in names:
        if name not in known:
            values = np.array(told["axes"][axes[name]]["values"], np.float64)
            known[name] = values[places[axes[name]]]
    return [known[name] for name in names]


def _unit_of_measure(told: Json, name: str) -> str | None:
    if name == "objective":
        unit: str | None = told["unit"]
        return unit
    axes = {axis["name"]: axis["unit"] for axis in told["axes"]}
    return axes[name] if name in axes else unit_of(name)


def _bounds(front: Sequence[Json], first: str, second: str) -> FigureMarks:
    """From each point of the front to its proven bound."""
    known = [point for point in front if point["lower_bound"] is not None]
    x = [point["measures"][first] for point in known]
    y = [point["measures"][second] for point in known]
    bound = [point["lower_bound"] for point in known]
    x_to, y_to = (bound, y) if first == "objective" else (x, bound)
    return marks("segments", "part-2", x, y, x_to=x_to, y_to=y_to, label="to the bound")


def _parameters(told: Json, point: Json) -> str:
    axes = {axis["name"]: axis for axis in told["axes"]}
    return ", ".join(
        f"{name} {value_of(axes[name], value)}" for name, value in point["parameters"].items()
    )


def _words(measure: str) -> str:
    return measure.replace("_", " ")
