"""A plan of every kind is made again from its bundle alone, to the last digit."""

import base64
import json
from typing import Any

import httpx
import pytest

from app.bundles import digests
from app.bundles.carried import read
from app.bundles.replay import replay
from app.bundles.schemas import PlanBundle
from app.bundles.telling import told
from app.plans.orders import digest
from tests.support.builders import Body, a_device, a_model
from tests.support.bundles import PLANS, bundle_of, robust

pytestmark = pytest.mark.either

_NAMES = ("status", "decisions", "users", "objective", "certificate", "result", "infeasible")


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLANS)
def test_every_digit_agrees(client: httpx.Client, kind: str) -> None:
    plan = PLANS[kind](client)
    bundle = bundle_of(client, plan)
    again = bundle_of(client, plan)
    assert bundle == again
    report = replay(read(bundle))
    assert report.parts == dict.fromkeys(_NAMES, True)
    said, code = told(bundle, None, any_version=False, as_json=False)
    assert (code, "every digit agrees" in said) == (0, True)


def test_later_revisions_change_nothing(client: httpx.Client) -> None:
    plan = robust(client)
    slower = a_device(frequency_max_hz=5e8)
    etag = client.get("/v1/devices/camera-cpu").headers["etag"]
    changed = client.put("/v1/devices/camera-cpu", json=slower, headers={"If-Match": etag})
    assert changed.status_code == 200, changed.text
    assert told(bundle_of(client, plan), None, any_version=False, as_json=False)[1] == 0


def resealed(bundle: dict[str, Any]) -> bytes:
    """A bundle that was changed by someone who knows how it is sealed."""
    short = {
        name: value for name, value in bundle.items() if name not in (*digests.LISTS, "sha256")
    }
    lists = {name: [digest(entry) for entry in bundle[name]] for name in digests.LISTS}
    return json.dumps(bundle | {"sha256": digests.of_bundle(short, lists, [])}).encode()


def changed(bundle: bytes, *path: str | int, value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bundle)
    at: Any = found
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("request", "users", 0, "deadline_s"), 0.41),
        (("profiles", 0, "body", "reference"), "elsewhere"),
        (("versions", "numpy"), "0"),
        (("answered", "digests", "whole"), "0" * 64),
        (("pinned", "model/small-net"), "small-net@2"),
        (("plan", "created_at"), "2020-01-01T00:00:00Z"),
    ],
)
def test_a_changed_bundle_is_refused(robust_bundle: bytes, path: Any, value: Any) -> None:
    said, code = told(
        json.dumps(changed(robust_bundle, *path, value=value)).encode(),
        None,
        any_version=False,
        as_json=False,
    )
    assert code == 1
    assert "it was changed since it was written" in said


@pytest.mark.parametrize("change", ["{}", "[", '{"format": "splitplan-bundle"}', "7", ""])
def test_what_is_no_bundle_is_told_so(change: str) -> None:
    said, code = told(change.encode(), None, any_version=False, as_json=False)
    assert code == 1
    assert said.startswith("Error: this bundle cannot be replayed: it is")


def test_faults_of_a_bundle_are_named(robust_bundle: bytes) -> None:
    for path, value, named in (
        (("answered",), 3, "/answered"),
        (("extra",), 3, "/extra"),
        (("profiles", 0, "body", "name"), 7, "/profiles"),
        (("plan", "kind"), "other", "'other'"),
        (("request", "users"), [], "users"),
        (("pinned", "model/small-net"), "small-net@2", "small-net@2"),
    ):
        said, code = told(
            resealed(changed(robust_bundle, *path, value=value)),
            None,
            any_version=False,
            as_json=False,
        )
        assert (code, named in said) == (1, True), said


def test_another_answer_is_told(robust_bundle: bytes) -> None:
    """As a solver of other digits would see it: by its own figures, or by its decisions too."""
    given = json.loads(robust_bundle)["answered"]
    other = given["digests"] | {"whole": "0" * 64, "users": ["0" * 64]}
    for digests_given, verdict, code in (
        (other, "rounding", 4),
        (other | {"decisions": ["0" * 64]}, "different", 3),
    ):
        bundle = resealed(changed(robust_bundle, "answered", "digests", value=digests_given))
        said, found = told(bundle, None, any_version=False, as_json=True)
        assert (json.loads(said)["verdict"], found) == (verdict, code)
        assert json.loads(said)["users_differ"] == [[0, 11]]
    spent = given["result"]["objective"]["energy_j"]
    dearer = given["result"] | {"objective": {"energy_j": 1.01 * spent}}
    answer = given | {"result": dearer, "digests": other | {"objective": "0" * 64}}
    said, code = told(
        resealed(changed(robust_bundle, "answered", value=answer)),
        None,
        any_version=False,
        as_json=False,
    )
    assert code == 3
    assert "the objective was" in said


def test_what_cannot_be_compared_is_told(robust_bundle: bytes) -> None:
    other = resealed(changed(robust_bundle, "versions", "splitplan", value="9.9.9"))
    said, code = told(other, None, any_version=False, as_json=False)
    assert code == 5
    assert "splitplan 9.9.9 made this plan" in said
    assert told(other, None, any_version=True, as_json=False)[1] == 0
    answer = json.loads(robust_bundle)["answered"]
    late = answer | {"status": "timed_out", "digests": answer["digests"] | {"whole": "0" * 64}}
    said, code = told(
        resealed(changed(robust_bundle, "answered", value=late)),
        None,
        any_version=False,
        as_json=False,
    )
    assert code == 5
    assert "--time-limit" in said


def test_reasons_that_ran_out_of_time_are_not_compared(client: httpx.Client) -> None:
    """Remedies are looked for as long as there is time: nobody else finds the same ones."""
    bundle = json.loads(bundle_of(client, PLANS["unservable"](client)))
    bundle["answered"]["infeasible"]["least_total_bandwidth_hz"] = 1.0
    bundle["answered"]["digests"] |= {"infeasible": "0" * 64, "whole": "0" * 64}
    assert told(resealed(bundle), None, any_version=False, as_json=False)[1] == 3
    bundle["plan"]["solve_s"] = 1.01 * bundle["options"]["time_limit_s"]
    said, code = told(resealed(bundle), None, any_version=False, as_json=False)
    assert (code, "--time-limit" in said) == (5, True)


def test_other_libraries_are_told_and_no_reason_to_stop(robust_bundle: bytes) -> None:
    other = resealed(changed(robust_bundle, "versions", "numpy", value="1.0.0"))
    said, code = told(other, None, any_version=False, as_json=False)
    assert code == 0
    assert "was 1.0.0" in said


@pytest.fixture
def robust_bundle(client: httpx.Client) -> bytes:
    bundle = bundle_of(client, robust(client))
    PlanBundle.model_validate_json(bundle)
    return bundle


@pytest.mark.slow
def test_a_fleet_in_columns_is_carried_in_blocks(client: httpx.Client) -> None:
    bundle = json.loads(bundle_of(client, PLANS["columns"](client)))
    PlanBundle.model_validate(bundle)
    assert bundle["columns"]["rows"] == 5000
    assert len(bundle["columns"]["blocks"]) == 2
    assert "users" not in bundle["request"]
    told_in = bundle["answered"]["digests"]
    assert (told_in["told_in"], len(told_in["users"])) == ("columns", 2)
    flipped = bytearray(base64.b64decode(bundle["columns"]["blocks"][1]))
    flipped[len(flipped) // 2] ^= 1
    bundle["columns"]["blocks"][1] = base64.b64encode(flipped).decode()
    said, code = told(json.dumps(bundle).encode(), None, any_version=False, as_json=False)
    assert code == 1
    assert "it was changed" in said


def test_a_bundle_says_what_it_is_made_of(robust_bundle: bytes) -> None:
    bundle: Body = json.loads(robust_bundle)
    assert {(one["kind"], one["body"]["name"], one["revision"]) for one in bundle["profiles"]} == {
        ("device", "camera-cpu", 1),
        ("model", "small-net", 1),
        ("channel", "cell", 1),
        ("server", "edge-gpu", 1),
        ("timing", "camera-cpu.small-net", 1),
        ("timing", "edge-gpu.small-net", 1),
    }
    assert next(one for one in bundle["profiles"] if one["kind"] == "model")["body"] == a_model()
    assert bundle["seeds"] == {"solver": 0}
    assert {"splitplan", "numpy", "scipy", "python"} <= bundle["versions"].keys()
    assert bundle["options"]["margin"] == "cantelli"
    assert bundle["samples"] == []
