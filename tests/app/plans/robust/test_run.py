"""One request from JSON to its answer: several cells, and the paper's method as an option."""

import math
import subprocess
import sys
from typing import Any

import httpx
import pytest

from app.plans.family import Outcome
from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust.answers import RobustPlan, RobustPlanResult
from app.plans.robust.run import PreparedRobust, prepare
from app.plans.robust.schemas import PCCP_USERS, RobustRequest
from solvers.compiled.library import Kernel, using
from solvers.progress import Cancelled, Progress, Step
from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_metered_device,
    a_server,
    a_server_timing,
)
from tests.support.robust.requests import (
    ROBUST,
    a_cell,
    a_crowd,
    a_stored_user,
    a_user,
    assert_nothing_stored,
    infeasible,
    plan,
    pointers,
    solved,
    store_profiles,
)
from tests.support.servers import Service

pytestmark = pytest.mark.either

NARROW = a_channel(
    name="narrow", bandwidth_hz=4e6, path_loss={"intercept_db": 20.0, "exponent": 3.5}
)
SLOW = a_server(name="slow", capacity_flop_per_s=1e11)
SLOW_TIMING = a_server_timing(
    name="slow.small-net",
    processor="slow",
    cuts=[{**cut, "mean_s": 3.0 * cut["mean_s"]} for cut in a_server_timing()["cuts"]],
)


def in_cells(north: list[Body], south: list[Body], **fields: Any) -> Body:
    """Two cells whose users alternate: north by the request's own channel and server, south by
    others.
    """
    south = [
        user | ({"server_timing": SLOW_TIMING} if "server_timing" in user else {}) for user in south
    ]
    mixed: list[Body] = []
    for n in range(max(len(north), len(south))):
        mixed += [user | {"cell": "north"} for user in north[n : n + 1]]
        mixed += [user | {"cell": "south"} for user in south[n : n + 1]]
    cells = [{"id": "north"}, {"id": "south", "channel": NARROW, "server": SLOW}]
    return a_cell(*mixed, cells=cells, **fields)


def northerners(count: int = 4, **fields: Any) -> list[Body]:
    return [
        a_user(**{"id": f"n{k}", "gain_db": None, "distance_m": 60.0 + 40.0 * k} | fields)
        for k in range(count)
    ]


def southerners(count: int = 3, **fields: Any) -> list[Body]:
    return [
        a_user(**{"id": f"s{k}", "gain_db": None, "distance_m": 50.0 + 30.0 * k} | fields)
        for k in range(count)
    ]


def alone(users: list[Body], **fields: Any) -> Body:
    """The southern cell as a request of its own."""
    users = [user | {"server_timing": SLOW_TIMING} for user in users]
    return a_cell(*users, channel=NARROW, server=SLOW, **fields)


def without_cell(user: Body) -> Body:
    return {name: value for name, value in user.items() if name != "cell"}


def test_cells_are_planned_as_if_alone_and_answered_together(client: httpx.Client) -> None:
    document = plan(client, in_cells(northerners(), southerners()))
    RobustPlan.model_validate(document)
    both = document["result"]
    parts = {
        "north": solved(client, a_cell(*northerners())),
        "south": solved(client, alone(southerners())),
    }
    assert [user["id"] for user in both["users"]] == ["n0", "s0", "n1", "s1", "n2", "s2", "n3"]
    by_cell = {name: [u for u in both["users"] if u["cell"] == name] for name in parts}
    for name, part in parts.items():
        assert [without_cell(user) for user in by_cell[name]] == part["users"]
    assert [cell["id"] for cell in both["cells"]] == ["north", "south"]
    for cell in both["cells"]:
        part = parts[cell["id"]]
        assert cell["objective"] == part["objective"]
        assert cell["certificate"] == part["certificate"]
        assert cell["users_count"] == len(part["users"])
    assert [cell["bandwidth_hz"] for cell in both["cells"]] == [1e7, 4e6]

    first, second = parts.values()
    total = first["objective"]["energy_j"] + second["objective"]["energy_j"]
    assert both["objective"]["energy_j"] == pytest.approx(total, rel=1e-14)
    certificate = both["certificate"]
    assert certificate["status"] == "optimal"
    assert certificate["bandwidth_price_j_per_hz"] is None
    for name in ("lower_bound_j", "bandwidth_used_hz"):
        whole = first["certificate"][name] + second["certificate"][name]
        assert certificate[name] == pytest.approx(whole, rel=1e-14)
    assert certificate["gap"] <= 1e-6
    counted = {
        key: sum(part["cut_counts"].get(key, 0) for part in parts.values())
        for key in both["cut_counts"]
    }
    assert both["cut_counts"] == counted
    for name, rule in both["baselines"].items():
        energies = [part["baselines"][name]["energy_j"] for part in parts.values()]
        expected = None if None in energies else pytest.approx(sum(energies), rel=1e-14)
        assert rule["energy_j"] == expected, name
    worst = [part["baselines"]["mean_only"]["violation_bound_max"] for part in parts.values()]
    assert both["baselines"]["mean_only"]["violation_bound_max"] == max(worst)


def test_one_named_cell_is_the_same_cell(client: httpx.Client) -> None:
    users = northerners()
    plain = solved(client, a_cell(*users))
    named = solved(
        client, a_cell(*(user | {"cell": "only"} for user in users), cells=[{"id": "only"}])
    )
    (cell,) = named.pop("cells")
    assert cell["certificate"] == named["certificate"] == plain["certificate"]
    assert [without_cell(user) for user in named.pop("users")] == plain.pop("users")
    assert named == plain


def test_what_a_cell_does_not_say_the_request_says(client: httpx.Client) -> None:
    users = [user | {"cell": "c"} for user in northerners()]
    everything: Body = {
        "id": "c",
        "channel": a_channel(),
        "bandwidth_hz": 6e6,
        "server": a_server(),
    }
    full = solved(client, {"users": users, "cells": [everything]})
    for left_out in (
        ("channel",),
        ("server",),
        ("bandwidth_hz",),
        ("channel", "server", "bandwidth_hz"),
    ):
        cell = {name: value for name, value in everything.items() if name not in left_out}
        defaults: Body = {name: everything[name] for name in left_out}
        assert solved(client, {"users": users, "cells": [cell], **defaults}) == full, left_out
    for cell, wide in (
        ({"bandwidth_hz": 6e6}, {"bandwidth_hz": 3e7}),
        ({"channel": NARROW}, {"bandwidth_hz": 6e6}),
    ):
        found = solved(client, a_cell(*users, cells=[{"id": "c", **cell}], **wide))
        assert found["cells"][0]["bandwidth_hz"] == 6e6, (
            "the cell's own, else the request's, else the channel's"
        )


def test_spectrum_is_not_lent(client: httpx.Client) -> None:
    """More uplink in one cell leaves every decision of the other as it was."""
    body = in_cells(northerners(), southerners())
    before, after = (
        solved(client, body | {"cells": [{"id": "north", "bandwidth_hz": hz}, *body["cells"][1:]]})
        for hz in (5e6, 1e7)
    )
    moved = {
        old["cell"] for old, new in zip(before["users"], after["users"], strict=True) if old != new
    }
    assert moved == {"north"}
    assert after["objective"]["energy_j"] < before["objective"]["energy_j"]


CELLS: list[Body] = [{"id": "a"}, {"id": "b"}]
HERE = a_user(cell="a", device=a_metered_device())
FAULTS: dict[str, tuple[Body, list[str]]] = {
    "a user without a cell": (a_cell(a_user(), cells=CELLS), ["/users/0/cell"]),
    "an unknown cell": (a_cell(HERE, a_user(id="2", cell="c"), cells=CELLS), ["/users/1/cell"]),
    "a cell where none are listed": (a_cell(HERE), ["/users/0/cell"]),
    "one cell twice": (a_cell(HERE, cells=[*CELLS, {"id": "a"}]), ["/cells/2/id"]),
    "no cells": (a_cell(HERE, cells=[]), ["/cells"]),
    "too many cells": (a_cell(HERE, cells=[{"id": str(n)} for n in range(1001)]), ["/cells"]),
    "a cell without a name": (a_cell(HERE, cells=[{}]), ["/cells/0/id"]),
    "an unknown field": (a_cell(HERE, cells=[{"id": "a", "colour": "red"}]), ["/cells/0/colour"]),
    "no bandwidth": (
        a_cell(HERE, cells=[{"id": "a", "bandwidth_hz": 0.0}]),
        ["/cells/0/bandwidth_hz"],
    ),
    "no channel anywhere": (
        {
            "server": a_server(),
            "users": [HERE],
            "cells": [{"id": "a"}, {"id": "b", "channel": a_channel()}],
        },
        ["/cells/0/channel"],
    ),
    "nothing anywhere": (
        {"users": [HERE], "cells": [{"id": "a"}]},
        ["/cells/0/channel", "/cells/0/server"],
    ),
    "no cells and nothing": ({"users": [a_user()]}, ["/channel", "/server"]),
    "an unknown channel": (
        a_cell(HERE, cells=[{"id": "a", "channel": "nowhere"}]),
        ["/cells/0/channel"],
    ),
    "an unknown server": (
        a_cell(HERE, cells=[{"id": "a", "server": "nobody"}]),
        ["/cells/0/server"],
    ),
    "an unknown channel for all": (a_cell(HERE, cells=CELLS, channel="nowhere"), ["/channel"]),
    "a timing of another cell's server": (
        a_cell(HERE, a_user(id="2", cell="b"), cells=[{"id": "a"}, {"id": "b", "server": SLOW}]),
        ["/users/1/server_timing"],
    ),
    "a restless channel": (
        a_cell(
            HERE,
            cells=[{"id": "a", "channel": a_channel(rtt_mean_s=0.01, rtt_variance_s2=1e-6)}],
            options={"margin": "worst_case"},
        ),
        ["/cells/0/channel", "/users/0/device_timing", "/users/0/server_timing"],
    ),
    "a distance where nothing is lost": (
        a_cell(
            a_user(cell="a", gain_db=None, distance_m=10.0),
            cells=[{"id": "a", "channel": {**a_channel(), "path_loss": None}}],
        ),
        ["/users/0/distance_m"],
    ),
}


@pytest.mark.parametrize(("body", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_pointed_at(client: httpx.Client, body: Body, expected: list[str]) -> None:
    assert sorted(set(pointers(client.post(ROBUST, json=body)))) == expected
    assert_nothing_stored(client)


def test_a_cell_without_users_is_left_out_with_a_warning(client: httpx.Client) -> None:
    document = plan(client, a_cell(HERE, cells=[{"id": "b", "channel": NARROW}, {"id": "a"}]))
    assert [warning["field"] for warning in document["warnings"]] == ["/cells/0"]
    assert [cell["id"] for cell in document["result"]["cells"]] == ["a"]
    assert "inline:narrow" not in {profile["ref"] for profile in document["provenance"]["profiles"]}


def test_a_cell_without_a_plan_says_so_itself(client: httpx.Client) -> None:
    """An over-subscribed cell, one with a user who fails alone, and one that would have a plan."""
    crowd = [
        a_user(id=f"c{n}", cell="crowded", gain_db=-100.0 - n, deadline_s=0.05 + 0.001 * n)
        for n in range(6)
    ]
    users = [
        a_user(id="late", cell="hasty", deadline_s=1e-4),
        *crowd,
        a_user(id="fine", cell="calm"),
        a_user(id="also-fine", cell="hasty"),
    ]
    cells = [{"id": "calm"}, {"id": "crowded", "bandwidth_hz": 5e6}, {"id": "hasty"}]
    document = plan(client, a_cell(*users, cells=cells))
    RobustPlan.model_validate(document)
    found = document["infeasible"]
    assert [(user["id"], user["cell"]) for user in found["users"]] == [("late", "hasty")]
    assert found["least_total_bandwidth_hz"] is found["least_deadline_factor"] is None
    crowded, hasty = found["cells"]
    assert (crowded["id"], crowded["users_failing"], crowded["bandwidth_hz"]) == ("crowded", 0, 5e6)
    assert (hasty["id"], hasty["users_failing"], hasty["least_total_bandwidth_hz"]) == (
        "hasty",
        1,
        None,
    )

    by_itself = infeasible(client, a_cell(*map(without_cell, crowd), bandwidth_hz=5e6))
    for name in ("least_total_bandwidth_hz", "least_deadline_factor"):
        assert crowded[name] == by_itself[name]
    cells[1]["bandwidth_hz"] = crowded["least_total_bandwidth_hz"]
    users[0]["deadline_s"] = found["users"][0]["least_deadline_s"]
    assert len(solved(client, a_cell(*users, cells=cells))["cells"]) == 3


def test_why_no_other_cut_is_told_by_cell(client: httpx.Client) -> None:
    options = {"explain": True}
    both = solved(client, in_cells(northerners(), southerners(), options=options))
    south = solved(client, alone(southerners(), options=options))
    assert [without_cell(user) for user in both["users"] if user["cell"] == "south"] == south[
        "users"
    ]
    assert all(len(user["alternatives"]) == 4 for user in both["users"])


def test_a_plan_of_cells_can_be_patched(client: httpx.Client) -> None:
    """A user moves to the other cell, and a cell gets more uplink."""
    store_profiles(client)
    users = [user | {"cell": "ab"[n % 2]} for n, user in enumerate(a_crowd(6, deadline_s=0.12))]
    body = {
        "channel": "cell",
        "server": "edge-gpu",
        "cells": [{"id": "a"}, {"id": "b", "bandwidth_hz": 2e6}],
    }
    document = plan(client, body | {"users": users})
    patch = {
        "users": {"camera-1": {"cell": "a"}},
        "cells": [{"id": "a"}, {"id": "b", "bandwidth_hz": 3e6}],
    }
    answer = client.post(f"/v1/plans/{document['id']}/replan", json=patch)
    assert answer.status_code == 201, answer.text
    changed = answer.json()["changed"]
    assert (changed["users_changed"], changed["fields"]) == (["camera-1"], ["cells"])
    users[1]["cell"] = "a"
    fresh = solved(client, body | {"users": users, "cells": patch["cells"]})
    assert answer.json()["result"] == fresh
    lost = client.post(
        f"/v1/plans/{document['id']}/replan", json={"users": {"camera-1": {"cell": "c"}}}
    )
    assert pointers(lost) == ["/users/camera-1/cell"]


def test_a_plan_of_cells_can_be_replayed(client: httpx.Client) -> None:
    """The evidence names users in the order of the request, and what they were promised."""
    document = plan(client, in_cells(northerners(risk=0.2), southerners(risk=0.3)))
    address = f"/v1/plans/{document['id']}/validations"
    answer = client.post(address, json={"trials": 20_000, "distributions": ["two_point", "gamma"]})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["holds"]
    assert found["check"]["energy_j"] == pytest.approx(
        document["result"]["objective"]["energy_j"], rel=1e-12
    )
    used_hz = document["result"]["certificate"]["bandwidth_used_hz"]
    assert found["check"]["bandwidth_used_hz"] == pytest.approx(used_hz, rel=1e-12)
    replayed = found["laws"]["two_point"]["users"]
    for user, asked in zip(replayed, document["result"]["users"], strict=True):
        assert user["id"] == asked["id"]
        assert user["risk"] == (0.2 if asked["cell"] == "north" else 0.3)
        tolerance = 5.0 * (asked["violation_bound"] / 20_000) ** 0.5
        assert user["share"] == pytest.approx(asked["violation_bound"], abs=tolerance)
    assert found == client.get(answer.headers["location"]).json()


def test_a_dry_run_counts_all_cells(client: httpx.Client) -> None:
    store_profiles(client)
    users = [a_stored_user(id=str(n), cell="ab"[n % 2]) for n in range(4)]
    body = {
        "channel": "cell",
        "server": "edge-gpu",
        "cells": [{"id": "a"}, {"id": "b"}],
        "users": users,
    }
    estimate = client.post(f"{ROBUST}?dry_run=true", json=body).json()
    assert (estimate["users"], estimate["options"]) == (4, 16)
    assert_nothing_stored(client)


def watched(service: Service, body: Body, progress: Progress) -> Outcome:
    with service.database.reading() as session:
        prepared = prepare(RobustRequest.model_validate(body), Resolver(StoredLibrary(session)))
    return prepared.solve(progress)


class Ticking:
    """A clock that goes on by a second whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_progress_is_that_of_all_cells(service: Service) -> None:
    seen: list[Step] = []
    outcome = watched(
        service,
        in_cells(northerners(), southerners()),
        Progress(seen.append, time_limit_s=math.inf),
    )
    assert outcome.result is not None
    energy = outcome.result["objective"]["energy_j"]
    first = outcome.result["cells"][0]["certificate"]["lower_bound_j"]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert 0.0 <= fractions[0] < 0.3 < fractions[-1] <= 1.0
    bounds = [progress.bound for progress in seen if progress.bound is not None]
    assert max(bounds) <= energy * (1.0 + 1e-9)
    assert sum(bound >= first * (1.0 - 1e-9) for bound in bounds) > 3, (
        "the second cell's come on top of the first's"
    )
    known = [progress.objective for progress in seen if progress.objective is not None]
    assert min(known) >= energy * (1.0 - 1e-9)
    assert seen[-1].stage == "baselines"
    assert seen[-1].objective == energy


def test_reasons_of_several_cells_are_looked_for_in_order(service: Service) -> None:
    seen: list[Step] = []
    body = in_cells(northerners(deadline_s=1e-4), southerners(deadline_s=1e-4))
    outcome = watched(service, body, Progress(seen.append, time_limit_s=math.inf))
    assert outcome.infeasible is not None
    assert [cell["id"] for cell in outcome.infeasible["cells"]] == ["north", "south"]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.2


@pytest.mark.slow
def test_a_request_can_be_stopped_in_any_cell(service: Service) -> None:
    body, seen = in_cells(northerners(), southerners()), list[Step]()
    watched(service, body, Progress(seen.append, time_limit_s=math.inf))
    for stop_at in range(len(seen)):
        left = [stop_at]

        def report(_: Step, /, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Cancelled

        with pytest.raises(Cancelled):
            watched(service, body, Progress(report, time_limit_s=math.inf))


def test_time_runs_for_all_cells_together(service: Service) -> None:
    """What is over in the first cell is over in the second: checked plans of both, and the gap they
    have.
    """
    crowd = [
        a_user(id=str(n), cell="ab"[n % 2], gain_db=-95.0 - n / 4.0, deadline_s=0.12)
        for n in range(40)
    ]
    body = a_cell(
        *crowd, cells=[{"id": "a"}, {"id": "b"}], options={"gap": 1e-9, "time_limit_s": 2.0}
    )
    with using(Kernel.NUMPY):  # the kernel is done before it looks
        late = watched(service, body, Progress(time_limit_s=math.inf, clock=Ticking()))
    assert late.status == "timed_out"
    assert late.result is not None
    assert [cell["certificate"]["holds"] for cell in late.result["cells"]] == [True, True]
    assert late.result["certificate"]["status"] == "feasible"
    in_time = watched(service, body, Progress(time_limit_s=math.inf))
    assert in_time.status == "solved"
    assert in_time.result is not None
    best = in_time.result["objective"]["energy_j"]
    assert (
        late.result["certificate"]["lower_bound_j"]
        <= best
        <= late.result["objective"]["energy_j"] * (1.0 + 1e-9)
    )


def test_every_user_with_the_same_fault_is_named(client: httpx.Client) -> None:
    users = [
        a_user(id=str(n), cell="ab"[n % 2], device="nobody" if n < 3 else a_user()["device"])
        for n in range(4)
    ]
    answer = client.post(ROBUST, json=a_cell(*users, cells=CELLS))
    assert sorted(pointers(answer)) == [f"/users/{n}/device" for n in range(3)]


DEVICE = a_device(frequency_min_hz=1e7, power_coefficient_w_per_hz3=1e-26)


def prepared(service: Service, body: Body) -> PreparedRobust:
    with service.database.reading() as session:
        return prepare(RobustRequest.model_validate(body), Resolver(StoredLibrary(session)))


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
    RobustPlanResult.model_validate(paper.result | {"users": paper.users})
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
from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust.run import prepare
from app.plans.robust.schemas import RobustRequest
from solvers.progress import Progress
body = {body!r}
for method in ("exact", "pccp"):
    body["options"] = {{"method": method}}
    ready = prepare(RobustRequest.model_validate(body), Resolver(StoredLibrary(None)))
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
