"""Plans replayed over HTTP."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from scipy.stats import gamma, lognorm
from sqlalchemy import func, select, update

from app.db import Database
from app.plans.tables import PlanUsersRow
from app.validations.schemas import Validation, ValidationPage
from app.validations.tables import ValidationRow
from tests.support.answers import pointers, slug
from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.robust.requests import (
    a_cell,
    a_crowd,
    a_stored_cell,
    a_stored_user,
    a_user,
    plan,
    store_profiles,
)
from tests.support.servers import Service


def validations(document: Body) -> str:
    """Where the validations of a plan are."""
    return f"/v1/plans/{document['id']}/validations"


def validate(client: httpx.Client, document: Body, **asked: Any) -> Body:
    """A validation that must be made."""
    answer = client.post(validations(document), json={"trials": 2000, **asked})
    assert answer.status_code == 201, answer.text
    Validation.model_validate(answer.json())
    return dict(answer.json())


def findings(validation: Body) -> Body:
    """What the same replay finds again."""
    return {
        name: value for name, value in validation.items() if name not in ("number", "created_at")
    }


def a_slow_user(**fields: Any) -> Body:
    """A camera that may clock down until its deadline binds."""
    return a_user(**{"device": a_device(frequency_min_hz=1e7)} | fields)


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(ValidationRow)) or 0


def revise(client: httpx.Client, collection: str, body: Body) -> None:
    changed = client.put(f"/v1/{collection}/{body['name']}", json=body, headers={"If-Match": "*"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["revision"] > 1


def test_the_evidence_is_kept(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(8)))
    answer = client.post(validations(document), json={})
    assert answer.status_code == 201, answer.text
    validation = answer.json()
    Validation.model_validate(validation)
    assert answer.headers["location"] == f"{validations(document)}/1"
    assert client.get(answer.headers["location"]).json() == validation
    assert (validation["number"], validation["plan_id"]) == (1, document["id"])
    assert (validation["trials"], validation["seed"]) == (10_000, 0)
    assert (
        validation["distributions"]
        == list(validation["laws"])
        == ["gamma", "lognormal", "two_point"]
    )
    assert validation["holds"]
    assert validation["check"]["energy_j"] == pytest.approx(
        document["result"]["objective"]["energy_j"], rel=1e-12
    )
    for law in validation["laws"].values():
        assert [user["id"] for user in law["users"]] == [f"camera-{n}" for n in range(8)]
        assert sorted(law["worst"], key=lambda user: str(user["id"])) == law["users"]
        ratios = [user["share"] / user["risk"] for user in law["worst"]]
        assert ratios == sorted(ratios, reverse=True)
        assert law["users_count"] == 8
        assert law["misses_total"] == sum(user["misses"] for user in law["users"])
        assert law["share_max"] == max(user["share"] for user in law["users"])
        assert law["rejected_users"] == 0
        for user in law["users"]:
            assert user["share"] == user["misses"] / 10_000
            assert user["interval"][0] <= user["share"] <= user["interval"][1]
            assert user["risk"] == 0.05


def test_shares_are_those_of_the_distributions(client: httpx.Client) -> None:
    """The tail of each law by its formula, at the mean and deviation that the plan says; 5
    deviations of tolerance.
    """
    trials = 50_000
    document = plan(
        client,
        a_cell(*(a_slow_user(id=str(n), gain_db=-85.0 - 5.0 * n, risk=0.2) for n in range(5))),
    )
    validation = validate(client, document, trials=trials)
    varying = 0
    for n, user in enumerate(document["result"]["users"]):
        mean, deviation, deadline = (
            user["latency"]["mean_s"],
            user["latency"]["std_s"],
            user["deadline_s"],
        )
        if deviation > 0.0:
            varying += 1
            spread = (deviation / mean) ** 2
            probabilities = {
                "gamma": gamma.sf(deadline, 1.0 / spread, scale=mean * spread),
                "lognormal": lognorm.sf(
                    deadline, math.sqrt(math.log1p(spread)), scale=mean / math.sqrt(1.0 + spread)
                ),
                "two_point": user["violation_bound"],
            }
            assert min(probabilities.values()) > 0.01, "nothing would be seen"
            for law, probability in probabilities.items():
                found = validation["laws"][law]["users"][n]
                tolerance = 5.0 * math.sqrt(probability * (1.0 - probability) / trials)
                assert found["share"] == pytest.approx(probability, abs=tolerance), (
                    law,
                    user["id"],
                )
    assert varying >= 3


def test_the_worst_distribution_refutes_a_plan_that_ignores_risk(client: httpx.Client) -> None:
    users = [a_slow_user(id=str(n), gain_db=-100.0 - n) for n in range(4)]
    document = plan(client, a_cell(*users, options={"margin": "mean"}))
    validation = validate(client, document)
    assert not validation["holds"]
    for law in validation["laws"].values():
        assert law["rejected_users"] == 4
        assert all(user["rejected"] and user["interval"][0] > user["risk"] for user in law["worst"])


@pytest.mark.slow
def test_nobody_is_refuted_by_chance_in_a_large_cell(client: httpx.Client) -> None:
    """A thousand users at their risk exactly: at 99.9 % for each alone, about one would be."""
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(1000), bandwidth_hz=1e9))
    assert sum(user["violation_bound"] > 0.0499 for user in document["result"]["users"]) > 700
    for seed in range(2):
        law = validate(client, document, seed=seed, trials=5000, distributions=["two_point"])[
            "laws"
        ]["two_point"]
        assert law["rejected_users"] == 0
        assert law["share_max"] > 0.055, "chance was at work"
        assert len(law["users"]) == 1000


def test_the_same_seed_finds_the_same(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(6)))
    first = validate(client, document, seed=7)
    assert findings(validate(client, document, seed=7)) == findings(first)
    assert validate(client, document, seed=8)["laws"] != first["laws"]
    alone = validate(client, document, seed=7, distributions=["lognormal"])
    assert alone["laws"]["lognormal"] == first["laws"]["lognormal"]


@pytest.mark.slow
def test_a_plan_means_for_ever_what_it_meant(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(6)))
    before = validate(client, document)
    revise(client, "channels", a_channel(bandwidth_hz=2e7, rtt_mean_s=0.01))
    revise(client, "servers", a_server(capacity_flop_per_s=1e12))
    revise(client, "devices", a_device(tx_power_w=1.0, power_coefficient_w_per_hz3=3e-27))
    revise(
        client,
        "timings",
        a_timing(cuts=[{**cut, "flop_per_cycle": 2.0} for cut in a_timing()["cuts"]]),
    )
    revise(client, "timings", a_server_timing(cuts=[{"mean_s": 0.05, "variance_s2": 1e-4}] * 4))
    cuts = a_model()["cuts"]
    revise(client, "models", a_model(cuts=[*cuts[:-1], cuts[-1] | {"flop": 400_000_000}]))
    assert findings(validate(client, document)) == findings(before)
    for address in (
        "timings/camera-cpu.small-net",
        "timings/edge-gpu.small-net",
        "channels/cell",
        "devices/camera-cpu",
    ):
        assert client.delete(f"/v1/{address}").status_code == 204
    assert findings(validate(client, document)) == findings(before)
    assert client.post("/v1/plans/robust", json=a_stored_cell()).status_code == 422, (
        "the names mean nothing any more"
    )


def test_a_timing_that_was_missing_stays_missing(client: httpx.Client) -> None:
    store_profiles(client)
    assert client.delete("/v1/timings/edge-gpu.small-net").status_code == 204
    document = plan(client, a_stored_cell(*a_crowd(3)))
    before = validate(client, document)
    stored = client.post(
        "/v1/timings", json=a_server_timing(cuts=[{"mean_s": 0.05, "variance_s2": 1e-4}] * 4)
    )
    assert stored.status_code == 201
    assert (
        plan(client, a_stored_cell(*a_crowd(3)))["result"]["objective"]
        != document["result"]["objective"]
    )
    assert findings(validate(client, document)) == findings(before)


def test_each_user_keeps_its_own_revision(client: httpx.Client) -> None:
    """One names an old revision, one the latest, one nothing, one brings its own."""
    store_profiles(client)
    slower = a_timing(cuts=[{**cut, "flop_per_cycle": 3.0} for cut in a_timing()["cuts"]])
    revise(client, "timings", slower)
    inline = a_timing(cuts=[{**cut, "flop_per_cycle": 2.5} for cut in a_timing()["cuts"]])
    said = ["camera-cpu.small-net@1", "camera-cpu.small-net", None, inline]
    users = [a_stored_user(id=str(n), device_timing=timing) for n, timing in enumerate(said)]
    document = plan(client, a_stored_cell(*users))
    assert len({user["energy_j"] for user in document["result"]["users"]}) == 3
    before = validate(client, document)
    revise(
        client,
        "timings",
        a_timing(cuts=[{**cut, "flop_per_cycle": 2.0} for cut in a_timing()["cuts"]]),
    )
    assert findings(validate(client, document)) == findings(before)


def test_clock_levels_are_found_again(client: httpx.Client) -> None:
    """Every level is an option of its own, with moments of its own."""
    levels = [4e8, 7e8, 1e9]
    measured = [
        {
            "levels": [
                {"frequency_hz": f, "mean_s": flop / f, "variance_s2": (0.01 * n * flop / f) ** 2}
                for n, f in steps
            ]
        }
        for flop in (0.0, 1.5e7, 4.5e7, 5.5e7)
        for steps in [list(enumerate(levels, start=1))]
    ]
    device, timing = a_device(frequency_levels_hz=levels), a_timing(cuts=measured)
    users = [
        a_user(id=str(n), device=device, device_timing=timing, gain_db=gain_db, deadline_s=deadline)
        for n, (gain_db, deadline) in enumerate(
            [(-150.0, 0.07), (-150.0, 0.1), (-150.0, 0.2), (-110.0, 0.07)]
        )
    ]
    document = plan(client, a_cell(*users))
    chosen = {(user["cut"], user["frequency_hz"]) for user in document["result"]["users"]}
    assert {frequency for cut, frequency in chosen if cut == 3} == set(levels)
    assert {cut for cut, _ in chosen} > {3}
    assert validate(client, document)["holds"]


@pytest.mark.slow
def test_large_plans_name_the_worst_only(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(1001), bandwidth_hz=1e9))
    validation = validate(client, document, trials=50)
    for law in validation["laws"].values():
        assert "users" not in law
        assert law["users_count"] == 1001
        assert len(law["worst"]) == 20
        assert law["worst"][0]["share"] == law["share_max"]
    assert client.get(f"{validations(document)}/1").json() == validation


def test_lists_are_in_pages_newest_last(client: httpx.Client) -> None:
    document, other = plan(client, a_cell()), plan(client, a_cell())
    made = [validate(client, document, seed=seed, trials=10) for seed in range(3)]
    assert [validation["number"] for validation in made] == [1, 2, 3]
    assert validate(client, other)["number"] == 1
    page = client.get(validations(document), params={"limit": 2})
    ValidationPage.model_validate(page.json())
    assert [item["number"] for item in page.json()["items"]] == [1, 2]
    last = client.get(page.headers["link"].partition(">")[0].removeprefix("<"))
    assert [item["seed"] for item in last.json()["items"]] == [2]
    assert last.json()["next_cursor"] is None
    assert "link" not in last.headers
    for item, validation in zip(page.json()["items"], made, strict=False):
        for law, summary in item["laws"].items():
            full = validation["laws"][law]
            assert summary == {
                name: value for name, value in full.items() if name not in ("worst", "users")
            }
        assert {**item, "laws": None} == {**validation, "laws": None}
    assert pointers(client.get(validations(document), params={"cursor": "nonsense"})) == [""]


def test_evidence_goes_with_its_plan(client: httpx.Client, service: Service) -> None:
    document, other = plan(client, a_cell()), plan(client, a_cell())
    validate(client, document)
    validate(client, document)
    validate(client, other)
    assert client.delete(f"/v1/plans/{document['id']}").status_code == 204
    assert count(service.database) == 1
    assert slug(client.get(validations(document))) == "plan-not-found"
    assert slug(client.get(f"{validations(document)}/1")) == "plan-not-found"
    assert slug(client.post(validations(document), json={})) == "plan-not-found"
    assert client.get(f"{validations(other)}/1").status_code == 200


def test_an_unknown_number(client: httpx.Client) -> None:
    document = plan(client, a_cell())
    assert slug(client.get(f"{validations(document)}/1")) == "validation-not-found"
    assert client.get(f"{validations(document)}/0").status_code == 422


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"trials": 0}, ["/trials"]),
        ({"trials": 1_000_001}, ["/trials"]),
        ({"trials": 1.5}, ["/trials"]),
        ({"trials": "many", "seed": -1}, ["/trials", "/seed"]),
        ({"seed": 2**32}, ["/seed"]),
        ({"distributions": []}, ["/distributions"]),
        ({"distributions": ["gamma", "weibull"]}, ["/distributions/1"]),
        ({"distributions": ["gamma", "two_point", "gamma"]}, ["/distributions/2"]),
        ({"distributions": ["gamma", "empirical"]}, ["/distributions/1"]),
        ({"laws": ["gamma"]}, ["/laws"]),
        ([], [""]),
    ],
)
def test_bad_requests_are_pointed_at(
    client: httpx.Client, service: Service, asked: Any, expected: list[str]
) -> None:
    document = plan(client, a_cell())
    assert pointers(client.post(validations(document), json=asked)) == expected
    assert count(service.database) == 0


def test_empirical_replays_need_observations(client: httpx.Client) -> None:
    document = plan(client, a_cell())
    refused = client.post(validations(document), json={"distributions": ["empirical"]})
    assert "measured times" in refused.json()["detail"]


def test_many_draws_go_to_the_background(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(400)))
    later = client.post(validations(document), json={"trials": 250_001})
    assert (later.status_code, later.json()["status"]) == (202, "queued")
    refused = client.post(validations(document), json={"trials": 1_000_001})
    assert pointers(refused) == ["/trials"]


def test_positive_times_have_a_mean_above_zero(client: httpx.Client) -> None:
    """A network without work on a device that varies around no time at all."""
    cuts = [
        {**cut, "flop": 0, "feature_byte": 0 if n else 10**9}
        for n, cut in enumerate(a_model()["cuts"])
    ]
    timing = a_timing(cuts=[{"flop_per_cycle": 4.0, "variance_s2": 1e-6}] * 4)
    still = a_server_timing(cuts=[{"mean_s": 0.0, "variance_s2": 0.0}] * 4)
    document = plan(
        client, a_cell(a_user(model=a_model(cuts=cuts), device_timing=timing, server_timing=still))
    )
    assert document["result"]["users"][0]["latency"]["mean_s"] == 0.0
    refused = client.post(validations(document), json={})
    assert pointers(refused) == ["/distributions/0", "/distributions/1"]
    assert validate(client, document, distributions=["two_point"])["holds"]


def test_plans_that_decide_nothing_are_not_replayed(client: httpx.Client, service: Service) -> None:
    impossible = plan(client, a_cell(a_user(deadline_s=1e-6)))
    assert impossible["status"] == "infeasible"
    refused = client.post(validations(impossible), json={})
    assert (refused.status_code, slug(refused)) == (409, "plan-not-replayable")
    assert "infeasible" in refused.json()["detail"]
    assert client.get(validations(impossible)).json() == {"items": [], "next_cursor": None}
    assert count(service.database) == 0


def test_other_kinds_are_not_replayed(client: httpx.Client) -> None:
    user = a_user(gain_db=None, deadline_s=None, risk=None, spectral_efficiency_bps_per_hz=4.0)
    weights = {"latency_per_s": 1.0, "loss": 1.0}
    answer = client.post("/v1/plans/multi-user", json=a_cell(user, weights=weights))
    assert answer.status_code == 201, answer.text
    refused = client.post(validations(answer.json()), json={})
    assert (refused.status_code, slug(refused)) == (409, "plan-not-replayable")
    assert "multi-user" in refused.json()["detail"]


def test_two_at_once_get_numbers_of_their_own(client: httpx.Client) -> None:
    document = plan(client, a_cell())
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda seed: validate(client, document, seed=seed), range(8)))
    assert sorted(validation["number"] for validation in made) == list(range(1, 9))
    listed = client.get(validations(document)).json()["items"]
    assert {item["number"]: item["seed"] for item in listed} == {
        made[n]["number"]: n for n in range(8)
    }


@pytest.mark.slow
def test_nothing_is_locked_during_a_replay(client: httpx.Client, service: Service) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(40)))
    answers: list[httpx.Response] = []
    asked = {"trials": 1_000_000, "distributions": ["gamma"]}
    replay = threading.Thread(
        target=lambda: answers.append(client.post(validations(document), json=asked))
    )
    replay.start()
    time.sleep(0.3)
    with httpx.Client(base_url=service.url, timeout=60.0, trust_env=False) as another:
        assert another.delete(f"/v1/plans/{document['id']}").status_code == 204
    assert replay.is_alive()
    replay.join(60.0)
    assert slug(answers[0]) == "plan-not-found"
    assert "while it was replayed" in answers[0].json()["detail"]
    assert count(service.database) == 0


def test_a_plan_that_contradicts_its_request_is_a_fault_of_ours(
    client: httpx.Client, service: Service
) -> None:
    document = plan(client, a_cell())
    (user,) = document["result"]["users"]
    for changed in (
        {"frequency_hz": user["frequency_hz"] * 1.01},
        {"cut": 2 if user["cut"] != 2 else 1},
    ):
        with service.database.writing() as session:
            session.execute(update(PlanUsersRow).values(entries=[user | changed]))
        assert slug(client.post(validations(document), json={})) == "internal-error"
    assert count(service.database) == 0
