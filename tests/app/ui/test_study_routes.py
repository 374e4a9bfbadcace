"""The pages that set plans side by side, as a browser asks for them."""

import re

import httpx
import pytest

from tests.support.bundles import posted
from tests.support.experiments import an_experiment, carried_out
from tests.support.robust.requests import ROBUST, a_cell, a_crowd, a_stored_cell, store_profiles
from tests.support.servers import Service

pytestmark = pytest.mark.either


def test_two_plans_stand_side_by_side(client: httpx.Client) -> None:
    store_profiles(client)
    users = a_crowd(4, deadline_s=0.4)
    evil = "<b onclick=x>"
    before = posted(client, ROBUST, a_stored_cell(*users, {**users[0], "id": evil}))
    patch = {"users": {evil: None, "camera-1": {"deadline_s": 0.9}}, "bandwidth_hz": 4e6}
    after = client.post(f"/v1/plans/{before['id']}/replan", json=patch).json()
    at = f"/ui/compare?before={before['id']}&after={after['id']}"
    page = client.get(at)
    assert page.status_code == 200
    assert "/bandwidth_hz" in page.text
    assert "4\u202fMHz" in page.text
    assert "&lt;b onclick=x&gt;" in page.text
    assert "<b onclick" not in page.text
    for figure in set(re.findall(r'src="(/ui/plans/[^"?]+\.svg)', page.text)):
        assert client.get(figure).headers["content-type"] == "image/svg+xml"
    left = client.get(f"{at}&change=left")
    assert "camera-1</a>" not in left.text
    # The plan that was made from another leads there.
    led = re.findall(r'href="(/ui/compare[^"]+)"', client.get(f"/ui/plans/{after['id']}").text)
    assert client.get(led[0].replace("&amp;", "&")).text == page.text


def test_plans_are_chosen_and_those_of_two_kinds_refused(client: httpx.Client) -> None:
    plan = posted(client, ROBUST, a_cell())
    page = client.get("/ui/compare?before=&after=")
    assert f'<option value="{plan["id"]}">' in page.text
    chosen = client.get(f"/ui/compare?after={plan['id']}")
    assert f'<option value="{plan["id"]}" selected>' in chosen.text
    assert client.get("/ui/compare?before=none&after=none").status_code == 404
    assert client.get(f"/ui/compare?after={plan['id']}&change=odd").status_code == 422


def test_an_experiment_has_its_curves_front_and_points(
    idle: Service, idle_client: httpx.Client
) -> None:
    ended, points = carried_out(
        idle, idle_client, an_experiment(measures=["objective", "bandwidth_hz"])
    )
    at = f"/ui/experiments/{ended['id']}"
    page = idle_client.get(at)
    assert page.status_code == 200
    assert page.text.count('<span class="badge good">Solved</span>') == len(points)
    assert "×\u202f" in page.text or "× " in page.text, "factors are no seconds"
    drawings = set(re.findall(r'src="(/ui/experiments/[^"?]+\.svg)', page.text))
    assert {each.rpartition("/")[2] for each in drawings} == {"curves.svg", "pareto.svg"}
    for each in drawings:
        assert idle_client.get(each).status_code == 200
    later = idle_client.get(f"{at}?start={len(points)}")
    assert "No point is here." in later.text
    assert ended["id"] in idle_client.get("/ui/experiments").text
