"""The pages of experiments: the list, and one with its curves, its front and its points."""

from collections.abc import Sequence
from operator import itemgetter

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.experiments import service
from app.figures import experiments as figures
from app.figures.grids import unit_of, value_of
from app.http.paging import cut_page, number_in
from app.plans.schemas import UNENDED
from app.ui.rendering import page
from app.ui.told import Fact, Json
from app.ui.words import percent, plural, quantity

_SHOWN, _FRONT = 50, 20
_COLUMNS = (
    ("objective", "Objective"),
    ("lower_bound", "Proven bound"),
    ("energy_j", "Energy"),
    ("latency_mean_s", "Mean time"),
    ("latency_max_s", "Longest time"),
    ("slack_min_s", "Least slack"),
    ("bandwidth_used_hz", "Uplink used"),
)


def show_list(session: Session, request: Request, cursor: str | None) -> Response:
    """Experiments, newest first."""
    before = number_in(cursor)
    found = service.list_experiments(session, before, _SHOWN + 1)
    shown, following = cut_page(found, _SHOWN, itemgetter(0))
    here = request.url.path
    return page(
        request.scope,
        "experiments.html",
        experiments=[document for _, document in shown],
        first=here if cursor else None,
        following=following and f"{here}?cursor={following}",
    )


def show(session: Session, request: Request, experiment_id: str, start: int) -> Response:
    """An experiment, with a page of its points. Raises ExperimentNotFound."""
    found = service.get(session, experiment_id)
    found["axes"] = figures.axes_of(session, experiment_id, found)
    points = service.list_points(session, experiment_id, start, _SHOWN + 1)
    shown = points[:_SHOWN]
    columns = [each for each in _COLUMNS if any(point[each[0]] is not None for point in shown)]
    return page(
        request.scope,
        "experiment.html",
        experiment=found,
        ended=found["status"] not in UNENDED,
        facts=_facts(found),
        drawings=[
            (f"experiments/{experiment_id}/figures/{name}.svg", title)
            for name, title in figures.listed_of(found)
        ],
        front=[
            (_parameters(found, each), _measures(each))
            for each in found["pareto"]["points"][:_FRONT]
        ],
        axes=[axis["name"] for axis in found["axes"]],
        heads=[title for _, title in columns],
        rows=[_row(found, point, columns) for point in shown],
        first=f"{request.url.path}#points" if start else None,
        following=f"?start={shown[-1]['index'] + 1}#points" if len(points) > _SHOWN else None,
    )


def _facts(found: Json) -> list[Fact]:
    done, all_of = found["progress"]["points_done"], found["points_count"]
    solved = found["statuses"].get("solved", 0)
    others = {name: many for name, many in found["statuses"].items() if name != "solved"}
    sides = " × ".join(str(len(axis["values"])) for axis in found["axes"])
    seeds = len(found.get("seeds") or ())
    return [
        Fact(
            "Points planned",
            f"{done:,} of {all_of:,}",
            sides + (f" × {seeds} seeds" if seeds else ""),
        ),
        Fact(
            "With a plan",
            f"{solved:,}",
            ", ".join(f"{many:,} {name.replace('_', ' ')}" for name, many in others.items()),
        ),
        Fact("Worth having", f"{found['pareto']['points_count']:,}", _weighed(found)),
    ]


def _weighed(found: Json) -> str:
    names = [name.removeprefix("-").replace("_", " ") for name in found["pareto"]["measures"]]
    return f"no other beats them in {' and '.join(names)}" if names else plural(0, "measure")


def _parameters(found: Json, point: Json) -> list[str]:
    return [value_of(axis, point["parameters"][axis["name"]]) for axis in found["axes"]]


def _measures(point: Json) -> list[str]:
    return [quantity(value, unit_of(name)) for name, value in point["measures"].items()]


def _row(found: Json, point: Json, columns: Sequence[tuple[str, str]]) -> Json:
    return {
        "index": point["index"],
        "parameters": _parameters(found, point),
        "status": point["status"],
        "reason": point["reason"],
        "cells": [quantity(point[name], unit_of(name)) for name, _ in columns],
        "gap": percent(point["gap"], 2),
    }
