"""Every kind of plan has one endpoint, and one family more is two folders and its entries."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.plans.families import FAMILIES
from tests.support.builders import a_model
from tests.support.document import DOCUMENT
from tests.support.operator import environment, serving
from tests.support.toy import copy_with_toy

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


def test_the_registry_is_what_the_api_offers() -> None:
    for kind, family in FAMILIES.items():
        offered = DOCUMENT["paths"][f"/v1/plans/{kind}"]["post"]
        body = offered["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        answer = offered["responses"]["201"]["content"]["application/json"]["schema"]["$ref"]
        assert body.rpartition("/")[2] == family.request.__name__
        assert answer.rpartition("/")[2] == family.plan.__name__
    assert DOCUMENT["components"]["schemas"]["PlanSummary"]["properties"]["kind"]["enum"] == list(
        FAMILIES
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_with_toy(tmp_path_factory.mktemp("toy"))


@contextmanager
def working(program: Path, log: Path, **settings: str) -> Iterator[None]:
    """A worker where `serve` keeps none of its own."""
    command = [sys.executable, "-m", "app.command", "worker"]
    with (
        log.open("wb") as written,
        subprocess.Popen(
            command, cwd=program, env=environment(**settings), stderr=written
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture
def toy(
    program: Path, new_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """A client of the program with the toy family, which workers serve, too."""
    monkeypatch.chdir(program)  # `python -m` looks there first
    settings = {"PYTHONPATH": str(program), "SPLITPLAN_DATABASE_URL": new_database_url}
    with (
        serving(tmp_path / "log", "--migrate", **settings) as served,
        httpx.Client(base_url=served.url, timeout=60.0, trust_env=False) as client,
    ):
        if new_database_url.startswith("sqlite"):
            yield client
        else:
            with working(program, tmp_path / "worker", **settings):
                yield client


def ended(client: httpx.Client, plan: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 120.0
    while plan["status"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        plan = client.get(f"/v1/plans/{plan['id']}").json()
    return plan


@pytest.mark.slow
@pytest.mark.either
def test_one_family_more_is_two_folders_and_its_entries(toy: httpx.Client) -> None:
    assert toy.post("/v1/models", json=a_model()).status_code == 201
    request = {
        "name": "shop",
        "users": [{"id": "a", "model": "small-net"}, {"id": "b", "model": a_model()}],
    }

    dry = toy.post("/v1/plans/toy", params={"dry_run": True}, json=request)
    assert (dry.status_code, dry.json()["kind"], dry.json()["options"]) == (200, "toy", 8)
    answer = toy.post("/v1/plans/toy", json=request)
    assert answer.status_code == 201, answer.text
    plan = answer.json()
    assert plan["result"] == {"cost": 0.0, "users": [{"id": "a", "cut": 3}, {"id": "b", "cut": 3}]}
    assert [used["ref"] for used in plan["provenance"]["profiles"]] == [
        "small-net@1",
        "inline:small-net",
    ]
    assert toy.get(f"/v1/plans/{plan['id']}").json() == plan
    assert toy.get("/v1/plans/current", params={"name": "shop"}).json() == plan
    assert toy.get(f"/v1/plans/{plan['id']}/users/b").json() == {"id": "b", "cut": 3}
    listed = toy.get("/v1/plans", params={"kind": "toy"}).json()["items"]
    assert [entry["id"] for entry in listed] == [plan["id"]]

    wrong = {"users": [{"id": "a", "model": "no-net"}]}
    refused = toy.post("/v1/plans/toy", json=wrong)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/users/0/model"

    late = toy.post("/v1/plans/toy", json=request, headers={"Prefer": "respond-async"})
    assert late.status_code == 202, late.text
    again = ended(toy, late.json())
    assert (again["status"], again["result"]) == ("solved", plan["result"])

    patch = {"users": {"a": {"least_flop": True}, "b": None}}
    body = json.dumps(patch)
    at = f"/v1/plans/{plan['id']}/replan"
    replanned = toy.post(at, content=body, headers=MERGE_PATCH)
    assert replanned.status_code == 201, replanned.text
    assert replanned.json()["result"]["users"] == [{"id": "a", "cut": 0}]
    assert replanned.json()["changed"]["switched"] == 1
    later = toy.post(at, content=body, headers=MERGE_PATCH | {"Prefer": "respond-async"})
    assert later.status_code == 202, later.text
    assert ended(toy, later.json())["result"] == replanned.json()["result"]
    held = json.dumps({"max_switches": 1})
    steady = toy.post(at, content=held, headers=MERGE_PATCH)
    assert steady.json()["errors"][0]["pointer"] == "/max_switches"

    offered = toy.get("/openapi.json").json()
    assert offered["paths"]["/v1/plans/toy"]["post"]["operationId"] == "plan_toy"
    assert (
        offered["components"]["schemas"]["PlanSummary"]["properties"]["kind"]["enum"][-1] == "toy"
    )


@pytest.mark.slow
def test_its_walls_stand(program: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([lint, "--no-logo"], cwd=program, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_what_a_user_carries_out_is_told_of_it() -> None:
    """A field that no answer has would make nobody changed."""
    for family in FAMILIES.values():
        assert set(family.carries) <= family.users[0].model_fields.keys()
