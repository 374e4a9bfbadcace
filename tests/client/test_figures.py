"""Figures through the client: the numbers of the service, drawn with matplotlib."""

import io
import sys
from typing import Any

import httpx
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from app.figures.description import FigureAxis
from app.figures.layout import Scale
from client.drawing import drawn
from client.planning import PlanningClient, PlanningError
from tests.support.figures import SVG, drawing
from tests.support.multiuser.requests import a_mixed_cell
from tests.support.robust.requests import a_cell, a_user

pytestmark = pytest.mark.either


def boxes(figure: Figure) -> list[tuple[float, float]]:
    """Where the bars of a plot begin and end along x, none of no length."""
    found = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and p.get_width()]
    return [(p.get_x(), p.get_x() + p.get_width()) for p in found]


def test_a_plot_and_the_drawing_of_the_service_have_the_same_numbers(
    planning: PlanningClient,
) -> None:
    users = [a_user(id=f"${n} of <5", gain_db=-88.0 - 4 * n) for n in range(4)]
    plan = planning.solve("robust", a_cell(*users))
    assert [each["name"] for each in planning.figures(plan)] == [
        "latency",
        "energy",
        "cuts",
        "shares",
    ]
    said = planning.figure(plan["id"], "latency")
    plotted = planning.plot(plan, "latency")
    plotted.savefig(io.BytesIO(), format="svg")
    expected = [
        ends
        for marks in said["panels"][0]["marks"]
        if marks["mark"] == "boxes"
        for ends in zip(marks["x"], marks["x_to"], strict=True)
    ]
    assert np.allclose(boxes(plotted), expected)
    root = drawing(planning.figure_svg(plan, "latency"))
    # Where the axis of the drawing is: its line below the bars.
    axis = next(line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "axis")
    place = Scale(
        FigureAxis.model_validate(said["panels"][0]["x"]),
        float(axis.attrib["x1"]),
        float(axis.attrib["x2"]),
    )
    rows = [
        (float(r.attrib["x"]), float(r.attrib["x"]) + float(r.attrib["width"]))
        for r in root.iter(f"{SVG}rect")
        if "y" in r.attrib and r.find(f"{SVG}title") is not None
    ]
    assert np.allclose(rows, [(place(x), place(x_to)) for x, x_to in expected], atol=0.11)


@pytest.mark.slow
def test_every_figure_is_plotted(planning: PlanningClient) -> None:
    plan = planning.solve("multi-user", a_mixed_cell())
    for each in planning.figures(plan):
        plotted = planning.plot(plan, each["name"])
        plotted.savefig(io.BytesIO(), format="svg")
        assert plotted.get_suptitle()
    of_one = planning.figure(plan, "decisions", user="near")
    assert of_one["panels"][0]["y"]["names"] == ["near"]
    with pytest.raises(PlanningError, match="it has: latency"):
        planning.plot(plan, "weather")


def test_a_description_without_anything_to_draw_is_drawn() -> None:
    empty: dict[str, Any] = {"title": "Nothing", "caption": "None.", "panels": []}
    assert drawn(empty).axes == []


def test_who_has_no_matplotlib_is_told_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"splitplan\[plot\]"):
        drawn({"panels": []})


def test_names_may_hold_anything(planning: PlanningClient, client: httpx.Client) -> None:
    for name in ("a/b", "..", "?x", "ä"):
        with pytest.raises(PlanningError):
            planning.figure("0" * 32, name)
