"""Reports of devices through the client and its command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from client.command import main
from client.edge import RiskMonitor
from client.planning import PlanningClient, PlanningError
from tests.support.builders import a_channel
from tests.support.robust.requests import a_cell, a_stored_user, a_user
from tests.support.sheets import a_file, measured, store

pytestmark = pytest.mark.either

Json = dict[str, Any]


@pytest.fixture
def plan(planning: PlanningClient) -> Json:
    """Three cameras with a risk of 5 % each."""
    users = [a_user(id=f"camera-{n}", gain_db=-90.0 - n) for n in range(3)]
    return planning.solve("robust", a_cell(*users))


@pytest.fixture
def run(planning: PlanningClient) -> Callable[..., str]:
    """The command line against the service; what it printed."""
    url = str(planning._http.base_url)

    def invoked(*arguments: str, text: str = "") -> str:
        found = CliRunner().invoke(main, ["--url", url, *arguments], input=text)
        assert found.exit_code == 0, found.output
        return found.output

    return invoked


def test_a_monitor_reports_and_is_told_what_counts(planning: PlanningClient, plan: Json) -> None:
    monitor = RiskMonitor(0.05)
    for n in range(100):
        monitor.observe(late=n % 25 == 0)
    sent = monitor.report()
    assert sent is not None
    for counted in (1, 0):  # sent again it counts no more
        told = planning.report(plan["id"], [{"user": "camera-1", **sent}])
        assert told["counted"] == counted
        assert (told["inferences"], told["misses"]) == (100, 4)
    assert planning.evidence(plan["id"])["users_reporting"] == 1
    assert [user["user"] for user in planning.reporting_users(plan["id"])] == ["camera-1"]
    assert list(planning.reporting_users(plan["id"], refuted=True)) == []


def test_who_is_not_of_the_plan_is_told_with_a_pointer(
    planning: PlanningClient, plan: Json
) -> None:
    with pytest.raises(PlanningError) as refused:
        planning.report(
            plan["id"], [{"user": "camera-9", "sequence": 1, "inferences": 1, "misses": 0}]
        )
    assert "/reports/0/user" in str(refused.value)


def test_a_site_engineer_reads_it(run: Callable[..., str], plan: Json, tmp_path: Path) -> None:
    calm = {"user": "camera-0", "sequence": 1, "inferences": 200, "misses": 4}
    file = tmp_path / "reports.json"
    file.write_text(json.dumps({"reports": [calm]}))
    output = run("observations", "send", plan["id"], str(file))
    assert "1 of its users reported 200 inferences, 4 late (2.00%)" in output
    assert "no reason to distrust the plan" in output
    late = {"reports": [{"user": "camera-1", "sequence": 1, "inferences": 100, "misses": 50}]}
    output = run("observations", "send", plan["id"], "-", text=json.dumps(late))
    assert "beyond doubt" in output
    assert "revoked" in output
    output = run("observations", "show", plan["id"], "--refuted")
    assert "late too often" in output
    assert "camera-0" not in output
    told = json.loads(run("observations", "show", plan["id"], "--json"))
    assert told["users_refuted"] == 1


def test_a_revoked_plan_says_so_before_anything_is_trusted(
    run: Callable[..., str], planning: PlanningClient, plan: Json
) -> None:
    late = {"user": "camera-1", "sequence": 1, "inferences": 100, "misses": 50}
    planning.report(plan["id"], [late])
    assert "REVOKED" in run("show", plan["id"])


def test_a_margin_from_samples_is_told_in_words(
    run: Callable[..., str], planning: PlanningClient
) -> None:
    url = str(planning._http.base_url)
    with httpx.Client(base_url=url, timeout=30.0) as http:
        store(http)
        assert http.post("/v1/channels", json=a_channel()).status_code == 201
        measured(http, a_file(count=400, sessions=1))
    request = a_cell(
        a_stored_user(), channel="cell", server="edge-gpu", options={"margin": "samples"}
    )
    shown = run("plan", "robust", "-", text=json.dumps(request))
    assert "options compared" in shown
    assert "margin cantelli" in shown
