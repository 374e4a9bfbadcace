"""Figures of experiments."""

import httpx
import pytest

from app.figures.description import Figure
from tests.support.answers import slug
from tests.support.experiments import AT, an_experiment, carried_out
from tests.support.figures import drawing
from tests.support.servers import Service

pytestmark = pytest.mark.either


def test_curves_and_front_show_the_points(idle: Service, idle_client: httpx.Client) -> None:
    body = an_experiment(measures=["objective", "bandwidth_hz"])
    ended, points = carried_out(idle, idle_client, body)
    at = f"{AT}/{ended['id']}/figures"
    listed = idle_client.get(at).json()["items"]
    assert [each["name"] for each in listed] == ["curves", "pareto"]
    for each in listed:
        for size in ("wide", "narrow"):
            drawing(idle_client.get(f"{each['url']}.svg", params={"size": size}).content)
    curves = Figure.model_validate(idle_client.get(f"{at}/curves").json())
    assert [panel.title for panel in curves.panels] == [axis["name"] for axis in ended["axes"]]
    factor, width = curves.panels
    assert (factor.x.label, factor.x.unit) == ("deadline_s, factor", None)
    assert (width.x.unit, width.y.unit) == ("Hz", "J")
    first = next(one for one in width.marks if one.mark == "line")
    of_first = ended["axes"][0]["values"][0]
    told = [
        (point["parameters"]["bandwidth_hz"], point["objective"])
        for point in points
        if point["parameters"]["deadline_s"] == of_first
    ]
    assert [*zip(first.x, first.y, strict=True)] == [(x, pytest.approx(y)) for x, y in sorted(told)]
    front = Figure.model_validate(idle_client.get(f"{at}/pareto").json())
    best = next(one for one in front.panels[0].marks if one.label == "front")
    assert best.x == [each["measures"]["objective"] for each in ended["pareto"]["points"]]
    assert slug(idle_client.get(f"{at}/weather.svg")) == "figure-not-found"
    assert slug(idle_client.get(f"{AT}/{'0' * 32}/figures")) == "experiment-not-found"
