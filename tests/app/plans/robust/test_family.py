"""Robust plans that exist: every way to ask for one."""

import math
from typing import Any

import httpx
import pytest

from app.plans.documents import Estimate, PlanUserPage
from app.plans.robust.answers import RobustPlan
from tests.support.answers import unnamed
from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_metered_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.robust.requests import (
    NOISE_W_PER_HZ,
    ROBUST,
    a_cell,
    a_crowd,
    a_stored_cell,
    a_stored_user,
    a_user,
    assert_nothing_stored,
    energy_j,
    plan,
    pointers,
    snr_db,
    solved,
    store_profiles,
)

pytestmark = pytest.mark.either


def test_names_revisions_and_bodies_mean_the_same(client: httpx.Client) -> None:
    store_profiles(client)
    numbered = a_stored_cell(
        a_stored_user(
            device="camera-cpu@1",
            model="small-net@1",
            device_timing="camera-cpu.small-net@1",
            server_timing="edge-gpu.small-net",
        ),
        channel="cell@1",
        server="edge-gpu@1",
    )
    by_body, by_name, by_number = (
        solved(client, a_cell()),
        solved(client, a_stored_cell()),
        solved(client, numbered),
    )
    assert unnamed(by_body) == unnamed(by_name)
    assert by_name == by_number


def test_an_answer_says_what_it_rests_on(client: httpx.Client) -> None:
    store_profiles(client)
    provenance = plan(
        client, a_stored_cell(server=a_server(provenance="published", reference="data sheet"))
    )["provenance"]
    assert provenance["weakest"] == "analytic"
    assert {
        (entry["kind"], entry["ref"], entry["provenance"]) for entry in provenance["profiles"]
    } == {
        ("channel", "cell@1", "analytic"),
        ("server", "inline:edge-gpu", "published"),
        ("device", "camera-cpu@1", "measured"),
        ("model", "small-net@1", "analytic"),
        ("timing", "camera-cpu.small-net@1", "measured"),
        ("timing", "edge-gpu.small-net@1", "measured"),
    }


def test_the_weakest_of_two_bodies_with_one_name_counts(client: httpx.Client) -> None:
    fields: dict[str, Any] = {"model": a_model(provenance="measured"), "gain_db": -90.0}
    guessed = a_user(id="a", device=a_device(provenance="analytic"), **fields)
    measured = a_user(id="b", device=a_device(tx_power_w=0.3), **fields)
    for users in ((guessed, measured), (measured, guessed)):
        provenance = plan(client, a_cell(*users, channel=a_channel(provenance="measured")))[
            "provenance"
        ]
        assert provenance["weakest"] == "analytic"
        devices = [
            entry["provenance"] for entry in provenance["profiles"] if entry["kind"] == "device"
        ]
        assert sorted(devices) == ["analytic", "measured"]


def test_a_device_and_a_server_of_one_name_are_both_named(client: httpx.Client) -> None:
    box = a_server(name="camera-cpu")
    timing = a_server_timing(processor="camera-cpu", name="box")
    profiles = plan(client, a_cell(a_user(server_timing=timing), server=box))["provenance"][
        "profiles"
    ]
    assert {entry["kind"] for entry in profiles if entry["ref"] == "inline:camera-cpu"} == {
        "device",
        "server",
    }


def test_every_way_to_say_how_good_the_channel_is(client: httpx.Client) -> None:
    distance_m = 150.0
    gain_db = -(15.3 + 37.6 * math.log10(distance_m))
    reference = {"snr_db": snr_db(gain_db, 0.2, 2e6), "bandwidth_hz": 2e6}
    said: list[Body] = [
        {"gain_db": gain_db},
        {"distance_m": distance_m},
        {"snr_reference": reference},
    ]
    first, *others = [solved(client, a_cell(a_user(**{"gain_db": None} | way))) for way in said]
    assert first["users"][0]["cut"] < 3, "nothing is sent, so the channel does not matter"
    for other in others:
        assert other["users"][0]["cut"] == first["users"][0]["cut"]
        for field in ("rate_bps", "energy_j", "frequency_hz"):
            assert other["users"][0][field] == pytest.approx(first["users"][0][field], rel=1e-9)


def test_a_reference_signal_is_at_the_power_the_user_sends_with(client: httpx.Client) -> None:
    gain_db = -95.0
    reference = {"snr_db": snr_db(gain_db, 0.4, 1e6), "bandwidth_hz": 1e6}
    by_gain = energy_j(client, a_cell(a_user(gain_db=gain_db, tx_power_w=0.4)))
    by_signal = energy_j(
        client, a_cell(a_user(gain_db=None, snr_reference=reference, tx_power_w=0.4))
    )
    assert by_signal == pytest.approx(by_gain, rel=1e-9)


def test_overrides_stand_for_the_profiles_own(client: httpx.Client) -> None:
    wide = solved(client, a_cell(channel=a_channel(bandwidth_hz=3e7)))
    assert solved(client, a_cell(bandwidth_hz=3e7)) == wide
    loud = solved(client, a_cell(a_user(device=a_device(tx_power_w=0.5))))
    assert solved(client, a_cell(a_user(tx_power_w=0.5))) == loud
    assert wide["objective"] != loud["objective"]


def test_the_answer_obeys_the_formulas(client: httpx.Client) -> None:
    """Every figure recomputed from the request, by the formulas as the contract states them."""
    channel = a_channel(rtt_mean_s=0.004, rtt_variance_s2=1e-6)
    asked = [
        a_user(id=str(n), gain_db=-85.0 - 5.0 * n, correlation=0.5, risk=0.02) for n in range(5)
    ]
    result = solved(client, a_cell(*asked, channel=channel))
    cuts, timing, server = a_model()["cuts"], a_timing()["cuts"], a_server_timing()["cuts"]
    for user, request in zip(result["users"], asked, strict=True):
        cut, clock, share, latency = (
            user["cut"],
            user["frequency_hz"],
            user["bandwidth_hz"],
            user["latency"],
        )
        sent_bit = 8.0 * cuts[cut]["feature_byte"]
        device_s = cuts[cut]["flop"] / timing[cut]["flop_per_cycle"] / clock + timing[cut].get(
            "overhead_s", 0.0
        )
        gain = 10.0 ** (request["gain_db"] / 10.0)
        rate_bps = (
            share * math.log2(1.0 + 0.2 * gain / (NOISE_W_PER_HZ * share)) if sent_bit else 0.0
        )
        uplink_s = sent_bit / rate_bps if sent_bit else 0.0
        network_s, network_variance = (0.004, 1e-6) if sent_bit else (0.0, 0.0)
        variances = timing[cut]["variance_s2"], server[cut]["variance_s2"]
        variance = (
            sum(variances) + network_variance + 2.0 * 0.5 * math.sqrt(variances[0] * variances[1])
        )
        mean_s = device_s + uplink_s + network_s + server[cut]["mean_s"]
        bound_s = mean_s + math.sqrt(0.98 / 0.02 * variance)
        assert latency == pytest.approx(
            {
                "mean_s": mean_s,
                "std_s": math.sqrt(variance),
                "bound_s": bound_s,
                "device_s": device_s,
                "uplink_s": uplink_s,
                "network_s": network_s,
                "server_s": server[cut]["mean_s"],
            },
            rel=1e-9,
        )
        assert user["cut_name"] == cuts[cut]["name"]
        assert user["rate_bps"] == pytest.approx(rate_bps, rel=1e-9)
        assert user["compute_energy_j"] == pytest.approx(1e-27 * clock**3 * device_s, rel=1e-9)
        assert user["radio_energy_j"] == pytest.approx(0.2 * uplink_s, rel=1e-9)
        assert user["bandwidth_share"] == pytest.approx(share / 1e7, rel=1e-12)
        assert user["slack_s"] == pytest.approx(0.2 - bound_s, abs=1e-11)
        assert user["slack_s"] >= 0.0
        assert user["violation_bound"] == pytest.approx(
            variance / (variance + (0.2 - mean_s) ** 2), rel=1e-6
        )
        assert user["violation_bound"] <= 0.02 * (1.0 + 1e-9)
        assert 2e8 <= clock <= 1e9
        assert (user["valid_gain_db"][0] is None) == (sent_bit == 0.0)
        if sent_bit:
            assert user["valid_gain_db"][0] <= request["gain_db"] + 1e-6


def test_margins_ask_for_more_and_more(client: httpx.Client) -> None:
    worst = [{**cut, "worst_s": 0.05} for cut in a_timing()["cuts"]]
    later = [{**cut, "worst_s": cut["mean_s"] + 0.02} for cut in a_server_timing()["cuts"]]
    timings = {"device_timing": a_timing(cuts=worst), "server_timing": a_server_timing(cuts=later)}
    user = a_user(deadline_s=0.16, gain_db=-120.0, **timings)

    def spent_j(margin: str) -> float:
        return energy_j(client, a_cell(user, options={"margin": margin}))

    assert spent_j("mean") < spent_j("gaussian") < spent_j("cantelli")
    result = solved(client, a_cell(user, options={"margin": "worst_case"}))
    latency = result["users"][0]["latency"]
    assert result["users"][0]["cut"] > 0, "a time of the device is in it"
    assert latency["bound_s"] == pytest.approx(latency["mean_s"] + 0.05 + 0.02, rel=1e-9)


def test_worst_case_is_refused_where_nobody_looked(client: httpx.Client) -> None:
    answer = client.post(
        ROBUST, json=a_cell(a_user(), a_user(id="b"), options={"margin": "worst_case"})
    )
    assert set(pointers(answer)) == {"/users/0/device_timing", "/users/0/server_timing"}
    restless = a_channel(rtt_mean_s=0.01, rtt_variance_s2=1e-6)
    steady = {"variance_s2": 0.0}
    timings = {
        "device_timing": a_timing(cuts=[{**cut, **steady} for cut in a_timing()["cuts"]]),
        "server_timing": a_server_timing(
            cuts=[{**cut, **steady} for cut in a_server_timing()["cuts"]]
        ),
    }
    body = a_cell(a_user(**timings), options={"margin": "worst_case"})
    assert plan(client, body)["status"] == "solved"
    assert pointers(client.post(ROBUST, json=body | {"channel": restless})) == ["/channel"]


def test_measured_levels_are_taken_as_measured(client: httpx.Client) -> None:
    clocks = [4e8, 7e8, 1e9]
    device = a_device(frequency_levels_hz=clocks)
    measured = {
        (m, clock): 0.9 * work / (4.0 * clock) + 0.001 * m
        for m, work in enumerate((0, 6e7, 1.8e8, 2e8))
        for clock in clocks
    }
    cuts = [
        {
            "levels": [
                {"frequency_hz": f, "mean_s": measured[m, f], "variance_s2": 1e-7 * m}
                for f in clocks
            ]
        }
        for m in range(4)
    ]
    user = solved(client, a_cell(a_user(device=device, device_timing=a_timing(cuts=cuts))))[
        "users"
    ][0]
    assert user["frequency_hz"] in clocks
    assert user["latency"]["device_s"] == pytest.approx(
        measured[user["cut"], user["frequency_hz"]], rel=1e-12
    )
    assert user["compute_energy_j"] == pytest.approx(
        1e-27 * user["frequency_hz"] ** 3 * user["latency"]["device_s"]
    )
    without = solved(client, a_cell(a_user(device_timing=a_timing(cuts=cuts))))["users"][0]
    assert without == user, "a device without a list runs at the clocks that were measured"


def test_levels_without_a_clock_of_the_device_are_refused(client: httpx.Client) -> None:
    cuts = [
        {"levels": [{"frequency_hz": 3e9, "mean_s": 0.01, "variance_s2": 0.0}]} for _ in range(4)
    ]
    answer = client.post(ROBUST, json=a_cell(a_user(device_timing=a_timing(cuts=cuts))))
    assert set(pointers(answer)) == {"/users/0/device_timing"}


class TestServerTimings:
    """Given, stored, or derived from the capacity."""

    def test_a_given_one_wins_over_the_stored(self, client: httpx.Client) -> None:
        store_profiles(client)
        slow = a_server_timing(cuts=[{"mean_s": 0.05, "variance_s2": 0.0}] * 4)
        users = solved(client, a_stored_cell(a_stored_user(server_timing=slow)))["users"]
        assert users[0]["latency"]["server_s"] == 0.05

    def test_without_one_the_capacity_speaks_with_a_warning(self, client: httpx.Client) -> None:
        document = plan(client, a_cell(a_user(device=a_metered_device(), server_timing=None)))
        assert [warning["field"] for warning in document["warnings"]] == ["/users/0/server_timing"]
        assert document["provenance"]["weakest"] == "analytic"
        user = document["result"]["users"][0]
        rest_flop = 2e8 - a_model()["cuts"][user["cut"]]["flop"]
        assert user["latency"]["server_s"] == pytest.approx(rest_flop / 4e12, rel=1e-12)

    def test_more_than_one_stored_is_a_question(self, client: httpx.Client) -> None:
        store_profiles(client)
        assert client.post("/v1/timings", json=a_server_timing(name="second")).status_code == 201
        assert pointers(client.post(ROBUST, json=a_stored_cell())) == ["/users/0/server_timing"]
        assert (
            plan(client, a_stored_cell(a_stored_user(server_timing="second")))["status"] == "solved"
        )

    def test_a_device_without_a_timing_is_refused(self, client: httpx.Client) -> None:
        answer = client.post(ROBUST, json=a_cell(a_user(device_timing=None)))
        assert pointers(answer) == ["/users/0/device_timing"]


def test_a_dry_run_stores_nothing(client: httpx.Client) -> None:
    answer = client.post(
        f"{ROBUST}?dry_run=true", json=a_cell(a_user(server_timing=None), name="dry")
    )
    assert answer.status_code == 200
    assert "location" not in answer.headers
    estimate = Estimate.model_validate_json(answer.content, strict=True)
    assert (estimate.kind, estimate.users, estimate.options) == ("robust", 1, 4)
    assert estimate.solve_s > 0.0
    assert estimate.warnings is not None
    assert "id" not in answer.json()
    assert_nothing_stored(client)
    assert pointers(client.post(f"{ROBUST}?dry_run=true", json=a_cell(a_user(risk=2.0)))) == [
        "/users/0/risk"
    ]


@pytest.mark.slow
def test_answers_are_what_the_contract_says(client: httpx.Client) -> None:
    """Strictly: no field more, none less, none of another type."""
    store_profiles(client)
    crowd = a_stored_cell(*a_crowd(1001, deadline_s=0.4), options={"gap": 1e-3})
    for body, status, listed in (
        (a_cell(), "solved", True),
        (a_cell(a_user(deadline_s=1e-4)), "infeasible", True),
        (a_stored_cell(*a_crowd(30, deadline_s=0.05), bandwidth_hz=5e6), "infeasible", True),
        (crowd, "solved", False),
        (a_stored_cell(*a_crowd(1001, deadline_s=1e-4)), "infeasible", False),
    ):
        answer = client.post(ROBUST, json=body)
        document = RobustPlan.model_validate_json(answer.content, strict=True)
        assert document.status == status
        part = document.result or document.infeasible
        assert part is not None
        assert (part.users is not None, part.users_url is not None) == (listed, not listed)
        assert (document.infeasible is None) == (document.result is not None)
        again = client.get(answer.headers["location"])
        assert again.content == answer.content
        page = client.get(f"{answer.headers['location']}/users", params={"limit": 1})
        PlanUserPage.model_validate_json(page.content, strict=True)


def test_explains_why_no_other_cut(client: httpx.Client) -> None:
    """Every cut of every user: a bound on what the cell would spend, or what stops it; only where
    it was asked for.
    """
    store_profiles(client)
    cell = a_stored_cell(*a_crowd(5, deadline_s=0.12), options={"explain": True})
    answer = RobustPlan.model_validate(plan(client, cell), strict=False)
    assert answer.result is not None
    assert answer.result.users is not None
    total, bound = answer.result.objective.energy_j, answer.result.certificate.lower_bound_j
    cuts = [cut["name"] for cut in a_model()["cuts"]]
    for user in answer.result.users:
        assert user.alternatives is not None
        assert [(entry.cut, entry.cut_name) for entry in user.alternatives] == list(enumerate(cuts))
        for entry in user.alternatives:
            if entry.binding is None:
                assert entry.short_by_s is None
                assert entry.cell_energy_at_least_j is not None
                assert entry.cell_energy_at_least_j >= bound * (1 - 1e-2)
            else:
                assert entry.cell_energy_at_least_j is None
                assert entry.binding == "memory" or entry.short_by_s is not None
        taken = user.alternatives[user.cut].cell_energy_at_least_j
        assert taken is not None
        assert taken <= total * (1 + 1e-9)
    silent = solved(client, cell | {"options": {}})
    assert all("alternatives" not in user for user in silent["users"])


def test_the_baseline_that_is_the_plan_costs_no_more(client: httpx.Client) -> None:
    """Planned with means alone, the mean-only rule is the plan itself; every baseline has a bound
    of its own.
    """
    users = [a_user(id=str(n), gain_db=-95.0 - 3.0 * n) for n in range(4)]
    for options in (
        {"margin": "mean"},
        {"margin": "mean", "gap": 0.1},
        {"margin": "mean", "baselines": True},
    ):
        result = solved(client, a_cell(*users, bandwidth_hz=3e6, options=options))
        mean, certificate = result["baselines"]["mean_only"], result["certificate"]
        assert mean["energy_j"] == result["objective"]["energy_j"]
        assert (mean["lower_bound_j"], mean["gap"]) == (
            certificate["lower_bound_j"],
            certificate["gap"],
        )
        for baseline in result["baselines"].values():
            if baseline["energy_j"] is not None:
                assert baseline["lower_bound_j"] <= baseline["energy_j"]


def test_a_result_that_is_sent_from_the_device(client: httpx.Client) -> None:
    """Everything on the device is a rule like any other where the last cut sends its result."""
    sizes = [
        cut | {"feature_byte": 4000} if cut["name"] == a_model()["cuts"][-1]["name"] else cut
        for cut in a_model()["cuts"]
    ]
    result = solved(
        client, a_cell(a_user(model=a_model(cuts=sizes), gain_db=-90.0, deadline_s=0.5))
    )
    assert result["baselines"]["device_only"]["feasible"]
    assert result["baselines"]["device_only"]["energy_j"] >= result["objective"]["energy_j"] * (
        1.0 - 1e-6
    )
