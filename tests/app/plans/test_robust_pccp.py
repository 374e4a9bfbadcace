"""The paper's method as an option: the same answer, the same proof, and nobody else pays for it."""

import math
import subprocess
import sys
from typing import Any

import httpx
import pytest

from app.plans.family import Outcome
from app.plans.resolve import Resolver
from app.plans.robust.run import PreparedRobust, prepare
from app.plans.robust.schemas import PCCP_USERS, RobustRequest, RobustResult
from solvers.progress import Cancelled, Progress, Step
from tests.support.builders import Body, a_channel, a_device
from tests.support.robust.requests import ROBUST, a_cell, a_user, assert_nothing_stored, pointers
from tests.support.servers import Service

DEVICE = a_device(frequency_min_hz=1e7, power_coefficient_w_per_hz3=1e-26)


def prepared(service: Service, body: Body) -> PreparedRobust:
    with service.database.reading() as session:
        return prepare(RobustRequest.model_validate(body), Resolver(session))


def planned(service: Service, body: Body, progress: Progress | None = None) -> Outcome:
    return prepared(service, body).solve(progress or Progress(time_limit_s=math.inf))


def a_request(method: str = "pccp", users: int = 5, **fields: Any) -> Body:
    people = [
        a_user(id=str(n), gain_db=-90.0 - 20.0 * n / users, device=DEVICE) for n in range(users)
    ]
    options = {"method": method} | fields.pop("options", {})
    return a_cell(*people, **{"bandwidth_hz": 1.2e6 * users, "options": options} | fields)


def test_a_plan_that_is_checked_and_bounded(service: Service) -> None:
    """Never better than the exact plan, never worse than what it began with, under the same proven
    bound.
    """
    exact, paper = (planned(service, a_request(method)) for method in ("exact", "pccp"))
    assert exact.result is not None
    assert paper.result is not None
    RobustResult.model_validate(paper.result | {"users": paper.users})
    certificate, best = paper.result["certificate"], exact.result["certificate"]
    assert certificate["holds"]
    energy, least = paper.result["objective"]["energy_j"], exact.result["objective"]["energy_j"]
    assert energy >= least * (1.0 - 1e-6)
    assert certificate["lower_bound_j"] <= least
    assert certificate["lower_bound_j"] >= 0.5 * best["lower_bound_j"], (
        "the dual's bound, before any search"
    )
    assert certificate["gap"] == pytest.approx(
        1.0 - certificate["lower_bound_j"] / energy, abs=1e-12
    )
    assert (certificate["status"] == "optimal") == (certificate["gap"] <= 1e-6)
    assert certificate["bandwidth_price_j_per_hz"] > 0.0
    assert paper.result["baselines"] == exact.result["baselines"]
    assert energy <= paper.result["baselines"]["equal_share"]["energy_j"] * (1.0 + 1e-9)


def test_the_price_is_that_of_its_own_cuts(service: Service) -> None:
    """What one more hertz saves, by planning with a little more at cuts that stay."""
    now, more = (planned(service, a_request(bandwidth_hz=hz)) for hz in (6e6, 6e6 * (1.0 + 1e-3)))
    assert now.result is not None
    assert more.result is not None
    assert [user["cut"] for user in now.users] == [user["cut"] for user in more.users]
    saved = now.result["objective"]["energy_j"] - more.result["objective"]["energy_j"]
    assert saved / 6e3 == pytest.approx(
        now.result["certificate"]["bandwidth_price_j_per_hz"], rel=1e-2
    )


def test_the_same_question_has_the_same_answer(service: Service) -> None:
    first = planned(service, a_request(options={"seed": 1}))
    planned(service, a_request(bandwidth_hz=9e6))
    again = planned(service, a_request(options={"seed": 1}))
    assert (again.result, again.users) == (first.result, first.users)


@pytest.mark.slow
def test_cells_and_reasons_as_of_the_exact_method(service: Service) -> None:
    users = [
        a_user(id=str(n), cell="ab"[n % 2], gain_db=-95.0 - n, device=DEVICE) for n in range(6)
    ]
    cells = [{"id": "a"}, {"id": "b", "bandwidth_hz": 3e6}]
    body = a_cell(*users, cells=cells, options={"method": "pccp", "explain": True})
    outcome = planned(service, body)
    assert outcome.result is not None
    assert [cell["id"] for cell in outcome.result["cells"]] == ["a", "b"]
    assert all(cell["certificate"]["holds"] for cell in outcome.result["cells"])
    assert all(len(user["alternatives"]) == 4 for user in outcome.users)
    users[3]["deadline_s"] = 1e-4
    refused = [
        planned(service, body | {"options": {"method": method}}) for method in ("exact", "pccp")
    ]
    assert refused[0].status == "infeasible"
    assert (refused[0].infeasible, refused[0].users) == (refused[1].infeasible, refused[1].users)


def test_it_can_be_stopped_and_runs_out_of_time(service: Service) -> None:
    seen: list[Step] = []

    def report(progress: Step, /) -> None:
        seen.append(progress)
        if progress.stage == "cuts":
            raise Cancelled

    with pytest.raises(Cancelled):
        planned(service, a_request(), Progress(report, time_limit_s=math.inf))
    assert seen[-1].objective is not None
    assert seen[-1].bound is not None
    assert seen[-1].bound <= seen[-1].objective
    late = planned(service, a_request(options={"time_limit_s": 1e-9}))
    assert late.status == "timed_out"
    assert late.result is not None
    assert late.result["certificate"]["holds"]


def test_only_workers_solve_it(service: Service) -> None:
    assert prepared(service, a_request()).heavy
    assert not prepared(service, a_request("exact")).heavy


REFUSED: dict[str, tuple[Body, list[str]]] = {
    "levels": (
        a_cell(a_user(device=a_device(frequency_levels_hz=[2e8, 9e8])), options={"method": "pccp"}),
        ["/users/0/device"],
    ),
    "a crowd": (a_request(users=PCCP_USERS + 1), ["/options/method"]),
}


@pytest.mark.parametrize(("body", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_it_cannot_plan_is_refused(
    client: httpx.Client, body: Body, expected: list[str]
) -> None:
    assert pointers(client.post(f"{ROBUST}?dry_run=true", json=body)) == expected
    assert_nothing_stored(client)


def test_a_dry_run_estimates_it(client: httpx.Client) -> None:
    exact, paper = (
        client.post(f"{ROBUST}?dry_run=true", json=a_request(method)).json()
        for method in ("exact", "pccp")
    )
    assert paper["effective_options"]["method"] == "pccp"
    assert paper["solve_s"] > 1.0 > exact["solve_s"]
    assert paper["options"] == exact["options"]


ALONE = """
import sys
from app.main import create_app
from app.plans.documents import estimate
from app.plans.resolve import Resolver
from app.plans.robust.run import prepare
from app.plans.robust.schemas import RobustRequest
from solvers.progress import Progress
body = {body!r}
for method in ("exact", "pccp"):
    body["options"] = {{"method": method}}
    ready = prepare(RobustRequest.model_validate(body), Resolver(None))
    estimate(ready)
    if not ready.heavy:
        assert ready.solve(Progress()).result is not None
    assert "cvxpy" not in sys.modules, method
assert ready.heavy
assert ready.solve(Progress()).result is not None
assert "cvxpy" in sys.modules
"""


@pytest.mark.slow
def test_only_who_solves_it_loads_the_modelling_language() -> None:
    """The web process prepares plans of every method and solves the exact ones."""
    body = a_cell(a_user(device=DEVICE), channel=a_channel())
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(body=body)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_worker_answers_it(client: httpx.Client, worker: str) -> None:
    """However few its users, it is never solved in the web process."""
    answer = client.post(ROBUST, json=a_request(), headers={"Prefer": "wait=60"})
    assert answer.status_code == 201, answer.text
    plan, exact = answer.json(), client.post(ROBUST, json=a_request("exact")).json()
    assert plan["status"] == "solved"
    assert plan["result"]["certificate"]["holds"]
    assert (
        plan["result"]["objective"]["energy_j"] >= exact["result"]["certificate"]["lower_bound_j"]
    )
