"""Figures of plans as a caller asks for them."""

import math
from typing import Any

import httpx
import pytest

from app.figures.description import Figure
from tests.support.answers import slug
from tests.support.builders import a_device
from tests.support.bundles import posted
from tests.support.figures import SVG, drawing
from tests.support.multiuser import requests as shares
from tests.support.robust import requests as cells
from tests.support.stopping import requests as rules


def figures(client: httpx.Client, plan_id: str) -> dict[str, Figure]:
    """All figures of a plan, each drawn in both sizes."""
    found = {}
    for entry in client.get(f"/v1/plans/{plan_id}/figures").json()["items"]:
        for size in ("wide", "narrow"):
            answer = client.get(f"{entry['url']}.svg", params={"size": size})
            assert answer.status_code == 200, answer.text
            assert len(answer.content) < 100_000
            drawing(answer.content)
        found[entry["name"]] = Figure.model_validate(client.get(entry["url"]).json())
    return found


def marks_of(figure: Figure, label: str) -> Any:
    """Marks by what the legend calls them."""
    return next(one for panel in figure.panels for one in panel.marks if one.label == label)


def test_a_robust_plan_shows_the_numbers_that_it_tells(client: httpx.Client) -> None:
    cells.store_profiles(client)
    crowd = cells.a_crowd(5, deadline_s=0.4)
    plan = posted(client, cells.ROBUST, cells.a_stored_cell(*crowd))
    found = figures(client, plan["id"])
    assert list(found) == ["latency", "energy", "cuts", "shares"]
    users = plan["result"]["users"]
    latency = found["latency"]
    assert latency.panels[0].y.names == [user["id"] for user in users]
    assert marks_of(latency, "deadline").x == [user["deadline_s"] for user in users]
    ends = marks_of(latency, "margin").x_to
    assert ends == [user["latency"]["bound_s"] for user in users if user["latency"]["std_s"]]
    means = {
        part.removesuffix("_j"): sum(user["energy"][part] for user in users) / len(users)
        for part in ("compute_j", "radio_j")
    }
    computing, radio = marks_of(found["energy"], "computing"), marks_of(found["energy"], "radio")
    assert math.isclose(computing.x_to[0], means["compute"])
    assert math.isclose(radio.x_to[0] - radio.x[0], means["radio"])
    given = found["shares"].panels[0].marks[0]
    assert given.x_to == [user["bandwidth_hz"] for user in users if user["bandwidth_hz"]]
    (cuts,) = found["cuts"].panels
    assert sum(cuts.marks[0].x_to or ()) == 5.0


def test_a_figure_is_kept_by_its_tag_and_has_a_policy_of_its_own(client: httpx.Client) -> None:
    plan = posted(client, cells.ROBUST, cells.a_cell(cells.a_user()))
    at = f"/v1/plans/{plan['id']}/figures/latency.svg"
    first = client.get(at)
    assert first.headers["content-type"] == "image/svg+xml"
    assert first.headers["cache-control"] == "private, no-cache"
    (policy,) = first.headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    again = client.get(at, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{at}?size=narrow")
    assert other.headers["etag"] != first.headers["etag"]
    assert client.head(at).headers["etag"] == first.headers["etag"]


def test_a_figure_that_there_is_not_is_told_with_those_that_there_are(client: httpx.Client) -> None:
    plan = posted(client, cells.ROBUST, cells.a_cell(cells.a_user()))
    at = f"/v1/plans/{plan['id']}/figures"
    for name in ("weather", "weather.svg", "decisions", "latency.png", ".svg"):
        answer = client.get(f"{at}/{name}")
        assert slug(answer) == "figure-not-found"
        assert "latency, energy, cuts, shares" in answer.json()["detail"]
    assert slug(client.get(f"{at}/latency.svg?size=huge")) == "invalid-request"
    assert slug(client.get(f"{at}/latency.svg?user=camera")) == "invalid-request"
    assert slug(client.get(f"/v1/plans/{'0' * 32}/figures")) == "plan-not-found"
    assert slug(client.get(f"/v1/plans/{'0' * 32}/figures/latency.svg")) == "plan-not-found"


@pytest.mark.either
def test_names_are_words_and_never_markup(client: httpx.Client) -> None:
    evil = "<script>alert('&\"')<b> ☃\u202e]]>" + "x" * 90
    body = cells.a_cell(
        cells.a_user(id=evil, device=a_device()), cells.a_user(id="plain", deadline_s=3.0)
    )
    plan = posted(client, cells.ROBUST, body)
    answer = client.get(f"/v1/plans/{plan['id']}/figures/latency.svg")
    root = drawing(answer.content)
    texts = [
        text for each in root.iter(f"{SVG}text") if (text := each.find(f"{SVG}title")) is not None
    ]
    assert [text.text for text in texts] == [evil], "all of it, though less is seen"


@pytest.mark.either
def test_a_plan_without_a_result_has_no_figures(client: httpx.Client) -> None:
    plan = posted(client, cells.ROBUST, cells.a_cell(cells.a_user(deadline_s=1e-6)))
    assert plan["status"] == "infeasible"
    assert figures(client, plan["id"]) == {}
    answer = client.get(f"/v1/plans/{plan['id']}/figures/latency.svg")
    assert slug(answer) == "figure-not-found"
    assert "it has: none" in answer.json()["detail"]


@pytest.mark.either
def test_rules_show_from_which_rate_a_device_offloads(client: httpx.Client) -> None:
    robots = [rules.a_robot(id=f"r{n}", mean_snr_db=5.0 + 10.0 * n) for n in range(3)]
    plan = posted(client, rules.STOPPING, rules.a_fleet(*robots))
    found = figures(client, plan["id"])
    assert list(found) == ["latency", "energy", "cuts", "decisions"]
    user = plan["result"]["users"][0]
    one = client.get(f"/v1/plans/{plan['id']}/figures/decisions", params={"user": user["id"]})
    offload = marks_of(Figure.model_validate(one.json()), "offload")
    stated = [row["rate_bps"] for row in user["table"]["rows"] if "rate_bps" in row]
    assert stated
    assert [x for x in offload.x if x in stated] == stated
    nobody = client.get(f"/v1/plans/{plan['id']}/figures/decisions", params={"user": "nobody"})
    assert slug(nobody) == "plan-user-not-found"


@pytest.mark.either
def test_joint_plans_and_tables_show_which_cut_at_which_rate(client: httpx.Client) -> None:
    plan = posted(client, shares.MULTI_USER, shares.a_mixed_cell())
    found = figures(client, plan["id"])
    assert list(found) == ["latency", "cuts", "shares", "decisions"]
    assert [panel.title for panel in found["shares"].panels] == ["uplink", "server"]
    planned = marks_of(found["decisions"], "planned rate")
    assert planned.x == [user["rate_bps"] for user in plan["result"]["users"] if user["rate_bps"]]
    fleet = shares.a_fleet(*(shares.a_rate_user(id=f"c{n}") for n in range(14)))
    tables = posted(client, shares.ADAPTIVE, fleet)
    (only,) = figures(client, tables["id"]).values()
    by_rate = [one for one in only.panels[0].marks if one.mark == "boxes"]
    tops = dict.fromkeys(by_rate[0].x, 0.0)
    for one in by_rate:
        for x, y_to in zip(one.x, one.y_to or (), strict=True):
            tops[x] = max(tops.get(x, 0.0), y_to)
    assert all(math.isclose(top, 100.0) for top in tops.values())
