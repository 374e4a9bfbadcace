"""Two projects on one service: neither sees, changes or can tell anything of the other."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event, select

from app import projects
from app.catalogue.service import load
from app.db import Base
from app.plans import jobs
from app.plans.backlog import PLANS
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.timing import Timing
from app.profiles.tables import ProfileRow
from tests.support.background import UNENDED, eventually
from tests.support.builders import a_device, a_model, a_timing
from tests.support.document import DOCUMENT
from tests.support.examples.story import (
    BODIES_UNDER_OTHERS,
    ESTIMATES,
    PROFILES,
    REQUESTS,
    make_profiles,
)
from tests.support.keys import a_key, bearing
from tests.support.onnx.graphs import a_chain
from tests.support.robust.requests import ROBUST
from tests.support.servers import Service
from tests.support.sheets import a_file
from tests.support.working import worked_off

pytestmark = pytest.mark.slow

Body = dict[str, Any]

NAMES = {collection: body["name"] for collection, body in PROFILES.items()}
UNKNOWN = "0f" * 16
# Of the same length, and near nothing.
NOBODYS = {
    "camera-cpu.small-net": f"{'z' * 10}.{'x' * 9}",
    "camera-cpu": "z" * 10,
    "small-net": "x" * 9,
    "cell": "q" * 4,
    "edge-gpu": "j" * 8,
    "hall": "w" * 4,
}
HELD = (
    {"If-Match": "*"},
    # What its owner may hold of it.
    {"If-Match": '"1"', "If-None-Match": "*", "Idempotency-Key": "k", "Last-Event-ID": "1"},
)
DRY: tuple[Body, ...] = ({}, {"dry_run": "true"})
RESTING_ON_OTHERS: dict[str, Body] = {
    **REQUESTS,
    "/v1/timings/estimate": ESTIMATES["timings"],
    "/v1/timings": PROFILES["timings"],
    "/v1/experiments": {
        "base": {"kind": "robust", "request": REQUESTS[ROBUST]},
        "axes": [{"pointer": "/users/*/risk", "values": [0.01, 0.1]}],
    },
}
OF_NOTHING_NAMED = {
    ("GET", path)
    for path in ("/livez", "/metrics", "/readyz", "/v1/problem-types", "/v1/problem-types/{slug}")
} | {
    ("GET", path)
    for path in (
        "/v1/catalogue",
        "/v1/plans",
        "/v1/experiments",
        *(f"/v1/{each}" for each in PROFILES),
    )
}
"""Public, of all projects together, or lists."""


def an_experiment(plan_id: str) -> Body:
    return RESTING_ON_OTHERS["/v1/experiments"] | {"base": {"plan": plan_id}}


@contextmanager
def of_project(service: Service, project: str) -> Iterator[httpx.Client]:
    headers = bearing(a_key(service, project=project))
    with httpx.Client(
        base_url=service.url, timeout=60.0, trust_env=False, verify=False, headers=headers
    ) as client:
        yield client


@pytest.fixture
def theirs(service: Service) -> Iterator[httpx.Client]:
    with of_project(service, "theirs") as client:
        yield client


@pytest.fixture
def mine(service: Service, theirs: httpx.Client) -> Iterator[httpx.Client]:
    with of_project(service, "mine") as client:
        yield client


def done(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def plan(theirs: httpx.Client) -> Body:
    """A plan of theirs, with everything around it: profiles, evidence, a validation, measurements,
    events.
    """
    make_profiles(theirs)
    made = done(theirs.post(ROBUST, json=REQUESTS[ROBUST], headers={"Idempotency-Key": "k"}), 201)
    at = f"/v1/plans/{made['id']}"
    for path, body in BODIES_UNDER_OTHERS.items():
        name = NAMES["timings"] if "/timings/" in path else NAMES["devices"]
        where = path.replace("{plan_id}", made["id"]).replace("{name}", name)
        sent = {key: value for key, value in body.items() if key != "max_switches"}
        expected = {"observations": 200, "repairs": 409}  # nothing is wrong with it
        done(theirs.post(where, json=sent), expected.get(path.rpartition("/")[2], 201))
    assert done(theirs.get(f"{at}/validations"), 200)["items"]
    ordered = done(theirs.post("/v1/experiments", json=an_experiment(made["id"])), 202)
    mine = f"/v1/experiments/{ordered['id']}"
    done(theirs.post(f"{mine}/cancel"), 202)
    # Where a worker was quick to take it, it has an end to come to.
    eventually(lambda: theirs.get(mine).json()["status"] not in UNENDED)
    return dict(made) | {"experiment": ordered["id"]}


def stored(service: Service) -> dict[str, list[str]]:
    """All that is stored, but for when keys were used."""
    with service.everything.reading() as session:
        return {
            table.name: sorted(str(tuple(row)) for row in session.execute(select(table)))
            for table in Base.metadata.sorted_tables
            if table.name != "api_key"
        }


def statements(ask: Any) -> tuple[httpx.Response, int]:
    """An answer, and how many statements it took: what a stopwatch would tell."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        # Of the caller's key, and what the caller stores itself, are looked at now and then.
        if not any(own in statement for own in ("api_key", "BEGIN", "SELECT sum(")):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        return ask(), len(seen)
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def addressed() -> Iterator[tuple[str, str]]:
    """Every operation whose address names something that is stored."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            by_name = any(each["name"] == "name" for each in operation.get("parameters", ()))
            if ("{" in path or (by_name and "current" in path)) and "problem-types" not in path:
                yield method.upper(), path


def asked(
    method: str, path: str, plan_id: str, names: dict[str, str], held: dict[str, str]
) -> Body:
    """A request of an operation for these ids and names."""
    collection = path.split("/")[2]
    name = names.get(collection, "")
    url = path.replace("{plan_id}", plan_id).replace("{name}", name)
    url = url.replace("{experiment_id}", plan_id).replace("{other_id}", plan_id)
    url = url.replace("{figure}", "latency")
    url = url.replace("{user_id}", "near").replace("{event_id}", "1")
    url = re.sub(r"\{(number|revision)\}", "1", url)
    how: Body = {"method": method, "url": url, "headers": dict(held)}
    if path.endswith("/explain"):
        how["params"] = {"user": "near"}
    if "/current" in path:
        how["params"] = {"name": names["plans"]}
    if path.endswith("/replan") and held == HELD[0]:
        how["headers"] = {}
    if method == "PUT":
        how["json"] = {**PROFILES[collection], "name": name}
    elif method == "POST":
        how["json"] = BODIES_UNDER_OTHERS.get(path)
    return how


def every_operation() -> Iterator[tuple[str, str]]:
    for path, methods in DOCUMENT["paths"].items():
        yield from ((method.upper(), path) for method in methods)


def with_bodies() -> Iterator[tuple[str, str]]:
    """Every operation whose address names nothing, but whose body may."""
    for method, path in every_operation():
        if method == "POST" and (method, path) not in set(addressed()):
            yield method, path


def parameters(method: str, path: str) -> set[str]:
    operation = DOCUMENT["paths"][path][method.lower()]
    return {each["name"] for each in operation.get("parameters", ())}


def renamed(value: Any) -> Any:
    """The same with names that nobody has."""
    if isinstance(value, dict):
        return {key: renamed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [renamed(each) for each in value]
    return NOBODYS.get(value, value) if isinstance(value, str) else value


def told_alike(
    client: httpx.Client, theirs: Body, nobodys: Body, plan_id: str, status: int
) -> None:
    """What is another's is told as what nobody has, and takes as many looks at the database."""
    what = theirs["method"], theirs["url"]
    answer, cost = statements(lambda: client.request(**theirs))
    other, usual = statements(lambda: client.request(**nobodys))
    assert answer.status_code == other.status_code == status, (what, answer.text)
    text = other.text
    for known, unknown in (*NOBODYS.items(), (plan_id, UNKNOWN)):
        text = text.replace(unknown, known)
    assert answer.text == text, what
    assert cost == usual, what
    kept = ("content-length", "date", "ratelimit", "x-request-id")
    assert {k: v for k, v in answer.headers.items() if k not in kept} == {
        k: v for k, v in other.headers.items() if k not in kept
    }


def test_what_is_anothers_is_answered_as_what_nobody_has(
    service: Service, theirs: httpx.Client, mine: httpx.Client, plan: Body
) -> None:
    # What is done once in a process is done.
    mine.delete("/v1/channels/none", headers={"If-Match": "*"})
    before = stored(service)
    operations, others = sorted(set(addressed())), sorted(set(with_bodies()))
    assert len(operations) > 50
    assert {*operations, *others} | {*OF_NOTHING_NAMED} == set(every_operation())
    for method, path in operations:
        if path.endswith("/current/events"):
            continue  # has no end: below
        # To measure a timing that is not there yet needs a processor that is.
        missing = 422 if path == "/v1/timings/{name}/measurements" and method == "POST" else 404
        of = plan["experiment" if "/experiments/" in path else "id"]
        for held in HELD:
            how = asked(method, path, of, {**NAMES, "plans": "hall"}, held)
            nobodys = {kind: NOBODYS[name] for kind, name in NAMES.items()}
            unknown = asked(method, path, UNKNOWN, {**nobodys, "plans": NOBODYS["hall"]}, held)
            told_alike(mine, how, unknown, of, missing)
    how = {"method": "POST", "url": "/v1/experiments"}
    of_theirs, of_nobodys = (how | {"json": an_experiment(of)} for of in (plan["id"], UNKNOWN))
    told_alike(mine, of_theirs, of_nobodys, plan["id"], 422)
    for method, path in others:
        if (body := RESTING_ON_OTHERS.get(path)) is None:
            continue
        sent = body | ({"supersedes": plan["id"]} if path in REQUESTS else {})
        nobodys = renamed(body) | ({"supersedes": UNKNOWN} if path in REQUESTS else {})
        for params in DRY if "dry_run" in parameters(method, path) else DRY[:1]:
            how = {"method": method, "url": path, "params": params}
            told_alike(mine, how | {"json": sent}, how | {"json": nobodys}, plan["id"], 422)
    assert stored(service) == before
    told = done(mine.get("/metrics"), 403)
    assert told["detail"] == "/metrics tells of all projects: it needs a key of `default`."
    # To its owner all of it is there.
    for path in (f"/v1/plans/{plan['id']}", "/v1/plans/current?name=hall", "/v1/plans"):
        assert theirs.get(path).status_code == 200


def test_lists_and_names_are_a_projects_own(
    service: Service, theirs: httpx.Client, mine: httpx.Client, plan: Body
) -> None:
    lists = [path for path, methods in DOCUMENT["paths"].items() if "get" in methods]
    for path in lists:
        if "{" in path or not path.startswith("/v1/") or "current" in path:
            continue
        answer = done(mine.get(path), 200)
        if path not in ("/v1/catalogue", "/v1/problem-types"):
            assert answer["items"] == [], path
            assert done(theirs.get(path), 200)["items"], path
    with mine.stream("GET", "/v1/plans/current/events?name=hall") as events:
        first = next(line for line in events.iter_lines() if line.startswith("data:"))
    assert json.loads(first[5:])["plan"] is None
    before = stored(service)
    # What a body names is looked for in the project alone.
    refused = done(mine.post(ROBUST, json=REQUESTS[ROBUST]), 422)
    assert "camera-cpu" in str(refused)
    inline = {**REQUESTS[ROBUST], "supersedes": plan["id"]}
    assert "there is no plan" in str(done(mine.post(ROBUST, json=inline), 422))
    observed = {"plan": plan["id"], "observations": [{"user": "near", "device_s": [0.1] * 20}]}
    at = f"/v1/timings/{NAMES['timings']}/measurements"
    assert mine.post(at, json=observed).status_code in (404, 422)
    assert stored(service) == before
    # And what one project has taken is free in another.
    make_profiles(mine)
    key = {"Idempotency-Key": "k"}
    own = done(mine.post(ROBUST, json=REQUESTS[ROBUST], headers=key), 201)
    assert own["id"] != plan["id"]
    assert done(mine.post(ROBUST, json=REQUESTS[ROBUST], headers=key), 200)["id"] == own["id"]
    assert done(mine.get("/v1/plans/current?name=hall"), 200)["id"] == own["id"]
    assert done(theirs.get("/v1/plans/current?name=hall"), 200)["id"] != own["id"]
    for collection, body in ESTIMATES.items():
        done(mine.post(f"/v1/{collection}/estimate", json=body), 201)
    network = a_chain().SerializeToString()
    sent = {"Content-Type": "application/octet-stream"}
    for client in (mine, theirs):
        done(client.post("/v1/models/import?name=net", content=network, headers=sent), 201)


def test_workers_and_retention_keep_to_the_project_of_a_plan(
    idle: Service,
) -> None:
    with of_project(idle, "theirs") as theirs, of_project(idle, "mine") as mine:
        for client, power_w in ((theirs, 1.0), (mine, 0.1)):
            make_profiles(client)
            device = {**PROFILES["devices"], "tx_power_w": power_w}
            at = f"/v1/devices/{NAMES['devices']}"
            done(client.put(at, json=device, headers={"If-Match": "*"}), 200)
        energy_j = {}
        for project, client in (("theirs", theirs), ("mine", mine)):
            now = done(client.post(ROBUST, json=REQUESTS[ROBUST]), 201)
            later = done(
                client.post(ROBUST, json=REQUESTS[ROBUST], headers={"Prefer": "respond-async"}), 202
            )
            worked_off(idle.everything, PLANS, later["id"])
            then = done(client.get(f"/v1/plans/{later['id']}"), 200)
            assert then["result"] == now["result"]
            energy_j[project] = then["result"]["objective"]["energy_j"]
        assert energy_j["theirs"] > energy_j["mine"]
        assert jobs.forget_old(idle.everything, 0.0) == 2, "all but the newest of either name"
        for client in (theirs, mine):
            assert len(done(client.get("/v1/plans"), 200)["items"]) == 1


def test_a_shared_profile_is_ones_own_once_it_is_changed(
    service: Service, theirs: httpx.Client, mine: httpx.Client
) -> None:
    shipped = (
        Device.model_validate(a_device(provenance="analytic")),
        Model.model_validate(a_model(provenance="analytic")),
        Timing.model_validate(a_timing(provenance="analytic")),
    )
    with service.everything.of(projects.SHARED).writing() as session:
        assert len(load(session, shipped).created) == 3
    at, body = "/v1/devices/camera-cpu", {**shipped[0].model_dump(mode="json"), "tx_power_w": 2.0}
    first = done(mine.get(at), 200)
    assert mine.post("/v1/devices", json=body).status_code == 409
    assert mine.put(at, json=body, headers={"If-Match": '"2"'}).status_code == 412
    changed = mine.put(at, json=body, headers={"If-Match": mine.get(at).headers["ETag"]})
    assert done(changed, 200)["revision"] == 2
    assert done(mine.get(f"{at}/revisions/1"), 200) == first
    assert len(done(mine.get("/v1/devices"), 200)["items"]) == 1
    assert done(theirs.get(at), 200) == first, "the others' is as it was"
    assert theirs.get(f"{at}/revisions/2").status_code == 404
    # Deleted, it is so for this project alone, and its numbers go on.
    assert mine.delete(at, headers={"If-Match": "*"}).status_code == 204
    assert mine.get(at).status_code == 404
    assert done(mine.post("/v1/devices", json=body), 201)["revision"] == 3
    assert done(theirs.get(at), 200) == first
    # What is measured is measured by a project.
    measured = "/v1/timings/camera-cpu.small-net/measurements"
    file = a_file(count=10, sessions=1, clocks_hz=(1e9,))
    assert done(theirs.post(measured, json=file), 201)["revision"] == 2
    assert done(mine.get(measured), 200)["items"] == []
    assert done(mine.get("/v1/timings/camera-cpu.small-net"), 200)["revision"] == 1
    with service.everything.of(projects.SHARED).reading() as session:
        assert set(session.scalars(select(ProfileRow.latest))) == {1}
