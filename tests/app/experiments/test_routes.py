"""Experiments over HTTP: asked for, worked off, told, refused."""

import io
from typing import Any

import httpx
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest
from sqlalchemy import select

from app.experiments.answers import (
    ExperimentDifferencePage,
    ExperimentPage,
)
from app.experiments.tables import ExperimentBlockRow
from app.http.media import ARROW, CSV, PARQUET
from tests.support.answers import pointers, slug
from tests.support.builders import Body
from tests.support.experiments import AT, WIDTHS, an_experiment, carried_out, order, work_off
from tests.support.multiuser import requests as shares
from tests.support.robust.requests import a_stored_cell, a_stored_user, plan
from tests.support.robust.requests import store_profiles as store_robust
from tests.support.servers import Service
from tests.support.stopping import requests as rules


def test_a_point_says_what_a_plan_of_it_says(idle: Service, idle_client: httpx.Client) -> None:
    body = an_experiment(measures=["objective", "bandwidth_hz"])
    ended, points = carried_out(idle, idle_client, body)
    assert [point["index"] for point in points] == list(range(6))
    assert ended["progress"] == {"fraction": 1.0, "points_done": 6}
    assert ended["statuses"] == {"solved": 6}
    deadlines = [user["deadline_s"] for user in body["base"]["request"]["users"]]
    for point in points:
        factor, width = point["parameters"]["deadline_s"], point["parameters"]["bandwidth_hz"]
        users = [
            {**user, "deadline_s": factor * deadline_s}
            for user, deadline_s in zip(body["base"]["request"]["users"], deadlines, strict=True)
        ]
        alone = plan(
            idle_client, {**body["base"]["request"], "users": users, "bandwidth_hz": width}
        )
        result, told = alone["result"], alone["result"]["certificate"]
        assert point["objective"] == pytest.approx(result["objective"]["energy_j"], rel=2e-6)
        assert point["lower_bound"] == pytest.approx(told["lower_bound_j"], rel=2e-6)
        assert point["checked_lower_bound"] <= point["objective"]
        latest = [user["latency"]["bound_s"] for user in result["users"]]
        assert point["latency_max_s"] == pytest.approx(max(latest), rel=1e-3)
        risks = [user["violation_bound"] for user in result["users"]]
        assert point["violation_max"] == pytest.approx(max(risks), rel=1e-3)
    ways = [(p["objective"], p["parameters"]["bandwidth_hz"]) for p in points]
    best = [
        n
        for n, one in enumerate(ways)
        if not any(
            other[0] <= one[0] and other[1] <= one[1] and (other != one or m < n)
            for m, other in enumerate(ways)
            if m != n
        )
    ]
    front = ended["pareto"]
    assert sorted(one["index"] for one in front["points"]) == best
    assert front["points_count"] == len(best) > 1
    first = front["points"][0]
    assert first["measures"]["objective"] == min(point["objective"] for point in points)
    assert first["lower_bound"] == points[first["index"]]["lower_bound"]


def test_the_table_is_the_same_in_every_form(idle: Service, idle_client: httpx.Client) -> None:
    ended, points = carried_out(idle, idle_client, an_experiment())
    at = f"{AT}/{ended['id']}/points"

    def read(form: str) -> Any:
        answer = idle_client.get(at, headers={"Accept": form})
        assert answer.headers["content-type"].startswith(form)
        assert answer.headers["vary"] == "Accept"
        return io.BytesIO(answer.content)

    assert pyarrow.ipc.open_stream(read(ARROW)).read_all().to_pylist() == points
    assert pyarrow.parquet.read_table(read(PARQUET)).to_pylist() == points
    flat = pyarrow.csv.read_csv(read(CSV)).to_pylist()
    assert [row["parameters.bandwidth_hz"] for row in flat] == [*WIDTHS, *WIDTHS]
    assert [row["energy_j"] for row in flat] == pytest.approx([p["energy_j"] for p in points])
    first = idle_client.get(at, params={"limit": 4}).json()
    rest = idle_client.get(at, params={"limit": 4, "cursor": first["next_cursor"]}).json()
    assert first["items"] + rest["items"] == points
    assert rest["next_cursor"] is None


def test_seeds_draw_alike_on_both_sides_of_a_pair(idle: Service, idle_client: httpx.Client) -> None:
    drawn = {"pointer": "/users/*/gain_db", "law": "normal", "std": 4.0}
    axes = [{"pointer": "/bandwidth_hz", "values": WIDTHS}]
    body = an_experiment(axes=axes, seeds=[3, 4, 5], draws=[drawn], measures=["energy_j"])
    ended, points = carried_out(idle, idle_client, body)
    assert [point["seed"] for point in points] == [3, 3, 3, 4, 4, 4, 5, 5, 5]
    found = idle_client.get(f"{AT}/{ended['id']}/differences").json()
    ExperimentDifferencePage.model_validate(found)
    energy = {(p["seed"], p["parameters"]["bandwidth_hz"]): p["energy_j"] for p in points}
    assert len({energy[seed, 2e6] for seed in (3, 4, 5)}) == 3
    for each, width in zip(found["items"], WIDTHS[1:], strict=True):
        gained = [energy[seed, width] - energy[seed, 2e6] for seed in (3, 4, 5)]
        assert (each["value"], each["against"], each["pairs"]) == (width, 2e6, 3)
        assert each["mean"] == pytest.approx(sum(gained) / 3)
        low, high = each["interval"]
        spread = (sum((g - each["mean"]) ** 2 for g in gained) / 2 / 3) ** 0.5
        assert (high - low) / 2 == pytest.approx(4.3026527 * spread)
    # What is drawn at a seed is drawn whatever else is asked for.
    _, alone = carried_out(idle, idle_client, {**body, "seeds": [4]})
    assert [p["energy_j"] for p in alone] == [p["energy_j"] for p in points[3:6]]


def test_patches_users_and_every_family(idle: Service, idle_client: httpx.Client) -> None:
    faster = {"name": "faster", "patch": {"users": {"near": {"deadline_s": 0.3}, "far": None}}}
    patches = [{"name": "as-it-is", "patch": {}}, faster]
    counted = an_experiment(axes=[{"patches": patches}, {"users_count": [1, 4]}])
    ended, points = carried_out(idle, idle_client, counted)
    assert [point["parameters"] for point in points] == [
        {"patch": patch, "users_count": count}
        for patch in ("as-it-is", "faster")
        for count in (1.0, 4.0)
    ]
    assert ended["statuses"] == {"solved": 4}
    for kind, request, pointer in (
        ("stopping", rules.a_fleet(rules.a_robot()), "/weights/time_per_s"),
        ("multi-user", shares.a_cell(shares.a_user()), "/weights/latency_per_s"),
        ("adaptive", shares.a_fleet(shares.a_user(spectral_efficiency_bps_per_hz=None)), None),
    ):
        axes = [{"pointer": pointer, "scale": True, "values": [1.0, 2.0]}]
        if pointer is None:
            axes = [{"pointer": "/options/hysteresis", "values": [0.0, 0.1]}]
        _, told = carried_out(
            idle, idle_client, {"base": {"kind": kind, "request": request}, "axes": axes}
        )
        assert [point["status"] for point in told] == ["solved", "solved"], told
        if pointer is not None:
            assert all(point["objective"] >= point["lower_bound"] for point in told)
            assert told[0]["objective"] != told[1]["objective"]


def test_points_that_fail_say_why_and_the_others_stand(
    idle: Service, idle_client: httpx.Client
) -> None:
    axes = [
        {"pointer": "/users/1/deadline_s", "values": [1e-4, 0.2]},
        {"pointer": "/options/margin", "values": ["cantelli", "gaussian"]},
        {"pointer": "/users/0/risk", "values": [0.1, 0.9]},
    ]
    ended, points = carried_out(idle, idle_client, an_experiment(axes=axes))
    assert ended["statuses"] == {"infeasible": 3, "invalid": 2, "solved": 3}
    for point in points:
        values = point["parameters"]
        if (values["margin"], values["risk"]) == ("gaussian", 0.9):
            assert point["status"] == "invalid"
            assert "/users/0/risk must be at most 0.5" in point["reason"]
        elif values["deadline_s"] == 1e-4:
            assert point["status"] == "infeasible"
            assert point["reason"]
        else:
            assert (point["status"], point["reason"]) == ("solved", None)


def test_the_revisions_of_a_plan_stay_its_own(idle: Service, idle_client: httpx.Client) -> None:
    store_robust(idle_client)
    made = plan(idle_client, a_stored_cell(a_stored_user(id="near")))
    body = an_experiment(base={"plan": made["id"]}, axes=[{"pointer": "/seedless", "values": [1]}])
    assert pointers(idle_client.post(AT, json=body)) == ["/axes/0/values/0"]
    body["axes"] = [{"pointer": "/users/0/risk", "values": [0.1]}]
    ordered = order(idle_client, body)
    # Revised, and then hidden, between order and work.
    device = idle_client.get("/v1/devices/camera-cpu").json()
    tag = {"If-Match": "*"}
    dearer = {k: v for k, v in device.items() if k not in ("revision", "created_at")}
    dearer["power_coefficient_w_per_hz3"] *= 10.0
    assert idle_client.put("/v1/devices/camera-cpu", json=dearer, headers=tag).status_code == 200
    assert idle_client.delete("/v1/devices/camera-cpu", headers=tag).status_code == 204
    work_off(idle)
    points = idle_client.get(f"{AT}/{ordered['id']}/points").json()["items"]
    patch = {"users": {"near": {"risk": 0.1}}}
    again = idle_client.post(f"/v1/plans/{made['id']}/replan", json=patch).json()
    assert points[0]["energy_j"] == pytest.approx(again["result"]["objective"]["energy_j"])
    # By its name it is not found any more.
    named = {"kind": "robust", "request": a_stored_cell(a_stored_user(id="near"))}
    refused = idle_client.post(AT, json=an_experiment(base=named))
    assert pointers(refused) == ["/base/request/users/0/device"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"axes": []}, "/axes"),
        ({"axes": [{"pointer": "/bandwidth_hz"}]}, "/axes/0"),
        ({"axes": [{"pointer": "/bandwidth_hz", "values": []}]}, "/axes/0/values"),
        ({"axes": [{"pointer": "bandwidth_hz", "values": [1e6]}]}, "/axes/0/pointer"),
        ({"axes": [{"pointer": "/bandwith_hz", "values": [1e6]}]}, "/axes/0/values/0"),
        ({"axes": [{"pointer": "/users/7/risk", "values": [0.1]}]}, "/axes/0/values/0"),
        ({"axes": [{"pointer": "/users/near/risk", "values": [0.1]}]}, "/axes/0/values/0"),
        ({"axes": [{"pointer": "/users/*/risk", "values": [0.1, 2.0]}]}, "/axes/0/values/1"),
        ({"axes": [{"pointer": "/users/0/id", "scale": True, "values": [2]}]}, "/axes/0/values/0"),
        (
            {
                "axes": [
                    {"pointer": "/bandwidth_hz", "from": 0, "to": 1, "steps": 2, "spacing": "log"}
                ]
            },
            "/axes/0/from",
        ),
        ({"axes": [{"patches": [{"name": "x", "patch": {"users": {"no": None}}}]}]}, None),
        ({"axes": [{"traces": ["nowhere"]}]}, "/axes/0/traces/0"),
        ({"axes": [{"users_count": [0]}]}, "/axes/0/users_count/0"),
        ({"axes": [{"users_count": [10**6]}]}, "/axes/0/users_count/0"),
        ({"axes": 2 * [{"pointer": "/bandwidth_hz", "values": [1e6]}]}, "/axes/1/name"),
        ({"axes": 3 * [{"pointer": "/bandwidth_hz", "from": 1, "to": 9, "steps": 100}]}, None),
        ({"measures": ["energy"]}, "/measures/0"),
        ({"seeds": []}, "/seeds"),
        ({"draws": [{"pointer": "/x", "law": "normal", "std": 1}]}, "/seeds"),
        ({"base": {"plan": "0" * 32}}, "/base/plan"),
        ({"base": {"kind": "robust"}}, "/base/request"),
        ({"base": {"kind": "robust", "request": {"users": 3}}}, None),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    idle_client: httpx.Client, change: Body, pointer: str | None
) -> None:
    answer = idle_client.post(AT, json=an_experiment(**change))
    assert (answer.status_code, slug(answer)) == (422, "invalid-request"), answer.text
    if pointer is None:
        assert all(fault.startswith(("/axes", "/base/request")) for fault in pointers(answer))
    else:
        assert pointer in pointers(answer)
    assert idle_client.get(AT).json()["items"] == []


def test_a_million_points_are_refused_before_they_are_made(idle_client: httpx.Client) -> None:
    sides = [
        {"name": f"side-{n}", "pointer": "/bandwidth_hz", "from": 1e6, "to": 2e6, "steps": 100}
        for n in range(3)
    ]
    answer = idle_client.post(AT, json=an_experiment(axes=sides))
    assert pointers(answer) == ["/axes"]
    assert "100 x 100 x 100 = 1000000 points are more than the 10000" in answer.text
    nan = b'{"base": {"plan": "00"}, "axes": [{"pointer": "/bandwidth_hz", "values": [NaN]}]}'
    sent = {"Content-Type": "application/json"}
    assert idle_client.post(AT, content=nan, headers=sent).status_code == 400
    infinite = an_experiment()
    infinite["axes"][1]["values"] = [1e6, 1e7]
    text = httpx.Request("POST", "http://x", json=infinite).content.replace(b"1000000.0", b"1e999")
    refused = idle_client.post(AT, content=text, headers=sent)
    assert (refused.status_code, pointers(refused)) == (422, ["/axes/1/values/0"])


def test_a_key_is_one_experiment_and_an_ended_one_goes(
    idle: Service, idle_client: httpx.Client
) -> None:
    key = {"Idempotency-Key": "night"}
    first = order(idle_client, an_experiment(), **key)
    assert order(idle_client, an_experiment(), **key) == first
    other = idle_client.post(AT, json=an_experiment(name="x"), headers=key)
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")
    at = f"{AT}/{first['id']}"
    assert slug(idle_client.delete(at)) == "experiment-not-ended"
    work_off(idle)
    again = idle_client.post(AT, json=an_experiment(), headers=key)
    assert (again.status_code, again.json()["status"]) == (200, "finished")
    assert again.headers["location"] == at
    second = order(idle_client, an_experiment(name="second"))
    page = idle_client.get(AT, params={"limit": 1}).json()
    ExperimentPage.model_validate(page)
    assert [each["id"] for each in page["items"]] == [second["id"]]
    rest = idle_client.get(AT, params={"cursor": page["next_cursor"]}).json()
    assert [each["id"] for each in rest["items"]] == [first["id"]]
    assert idle_client.delete(at).status_code == 204
    for under in ("", "/points", "/differences", "/events"):
        assert slug(idle_client.get(at + under)) == "experiment-not-found"
    with idle.everything.reading() as session:
        left = session.scalars(select(ExperimentBlockRow.id)).all()
    assert all(block.startswith(second["id"][:24]) for block in left)
