"""Measured power in, revisions of devices out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.http.media import CSV, JSON
from app.measurements.power.schemas import (
    EXAMPLE,
    PowerFile,
    PowerMeasurement,
    PowerMeasurementPage,
)
from app.profiles.schemas.revisions import DeviceRevision
from benchmarks.power_figures import FIGURES
from tests.support.answers import pointers, slug
from tests.support.builders import Body, a_channel, a_server, a_timing
from tests.support.power import (
    CLOCKED_W,
    CLOCKS_HZ,
    EXPONENT,
    IDLE_W,
    POWER,
    START_J,
    STATIC_W,
    a_power_file,
    log,
    power_w,
    store_camera,
)
from tests.support.robust.requests import a_cell, a_stored_user, plan
from tests.support.sheets import store

pytestmark = pytest.mark.either

DEVICE = "/v1/devices/camera-cpu"
TEXT = "text/plain"


def measured(client: httpx.Client, body: Body | None = None) -> Body:
    """A measurement that must be accepted."""
    answer = client.post(POWER, json=a_power_file() if body is None else body)
    assert answer.status_code == 201, answer.text
    PowerMeasurement.model_validate(answer.json())
    return dict(answer.json())


def sent(
    client: httpx.Client, content: bytes | str, media_type: str = TEXT, **params: Any
) -> httpx.Response:
    return client.post(POWER, content=content, headers={"Content-Type": media_type}, params=params)


def checks(measurement: Body, severity: str = "warning") -> set[str]:
    return {one["check"] for one in measurement["quality"] if one["severity"] == severity}


def test_energies_make_a_law(client: httpx.Client) -> None:
    store_camera(client, reference="the maker's sheet", provenance="published")
    answer = client.post(POWER, json=a_power_file(runtime={"meter": "INA219"}))
    assert answer.status_code == 201, answer.text
    measurement = answer.json()
    PowerMeasurement.model_validate(measurement)
    assert answer.headers["location"] == f"{POWER}/1"
    assert (measurement["number"], measurement["revision"]) == (1, 2)
    assert (measurement["samples"], measurement["clocks"], measurement["runs"]) == (30, 5, 1)
    assert measurement["doubts"] == []
    law, within = measurement["law"], measurement["intervals"]
    assert law["waiting_power_w"] is None
    for name, truth in (
        ("static_power_w", STATIC_W),
        ("power_exponent", EXPONENT),
        ("energy_per_inference_j", START_J),
    ):
        low, high = within[name]
        assert low <= law[name] <= high
        assert low <= truth <= high
    low, high = within["power_coefficient"]
    assert low < law["power_coefficient"] < high
    assert law["power_coefficient"] * 1e9 ** law["power_exponent"] == pytest.approx(
        CLOCKED_W, rel=0.1
    )
    assert measurement["errors"]["median"] < 0.02 < measurement["cube"]["errors"]["median"]
    assert [one["frequency_hz"] for one in measurement["levels"]] == list(CLOCKS_HZ)
    for one in measurement["levels"]:
        assert one["power_w"] == pytest.approx(power_w(one["frequency_hz"]), rel=0.05)
    assert measurement["idle_power_w"] == pytest.approx(IDLE_W)
    assert client.get(answer.headers["location"]).json() == measurement

    device = client.get(DEVICE).json()
    DeviceRevision.model_validate(device)
    assert (device["revision"], device["provenance"]) == (2, "measured")
    assert "power_coefficient_w_per_hz3" not in device
    for name in (
        "static_power_w", "power_coefficient", "power_exponent", "energy_per_inference_j",
    ):  # fmt: skip
        assert device[name] == law[name]
    assert device["idle_power_w"] == pytest.approx(IDLE_W)
    assert device["tx_power_w"] == 0.2
    assert device["reference"] == (
        "power: 30 samples at 5 clocks, measured 2026-11-20, meter INA219; the rest:"
        " published, the maker's sheet"
    )
    told = device["power_measured"]
    assert told["intervals"] == within
    assert (told["measurement"], told["samples"], told["clocks_hz"]) == (1, 30, list(CLOCKS_HZ))
    assert told["median_error"] == measurement["errors"]["median"]
    assert "doubts" not in told
    assert "warnings" not in device


def test_each_measurement_makes_the_next_revision(client: httpx.Client) -> None:
    store_camera(client)
    assert measured(client)["revision"] == 2
    assert measured(client)["revision"] == 3
    assert client.get(f"{DEVICE}/revisions/1").json()["power_coefficient_w_per_hz3"] == 1e-27
    reference = client.get(DEVICE).json()["reference"]
    assert reference.endswith("; the rest: measured")
    assert reference.count("the rest") == 1
    page = client.get(POWER, params={"limit": 1}).json()
    PowerMeasurementPage.model_validate(page)
    assert [item["number"] for item in page["items"]] == [1]
    second = client.get(POWER, params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert [item["revision"] for item in second["items"]] == [3]
    assert second["next_cursor"] is None


def test_a_revision_may_be_edited_and_sent_back(client: httpx.Client) -> None:
    store_camera(client)
    measured(client)
    answer = client.get(DEVICE)
    body = answer.json() | {"tx_power_w": 0.1}
    put = client.put(DEVICE, json=body, headers={"If-Match": answer.headers["etag"]})
    assert put.status_code == 200, put.text
    assert put.json()["power_measured"] == body["power_measured"]


def test_samples_come_back_as_they_can_be_sent_again(client: httpx.Client) -> None:
    store_camera(client)
    first = measured(client, a_power_file(product="law", leave_out_suspicious=True))
    answer = client.get(f"{POWER}/1/samples")
    PowerFile.model_validate(answer.json())
    assert answer.json()["leave_out_suspicious"] is True
    assert measured(client, answer.json())["law"] == first["law"]
    table = client.get(f"{POWER}/1/samples", headers={"Accept": CSV})
    assert table.headers["content-type"].startswith(CSV)
    again = sent(client, table.content, CSV)
    assert again.status_code == 201, again.text
    assert again.json()["law"] == first["law"]
    assert again.json()["idle_power_w"] == first["idle_power_w"]


def test_the_example_is_accepted(client: httpx.Client) -> None:
    store_camera(client, frequency_max_hz=1.3e9)
    found = measured(client, EXAMPLE)
    assert found["law"]["power_exponent"] == 3.0
    assert checks(found) == {"clocks", "intervals", "range"}
    assert any("two clocks fit any" in one["detail"] for one in found["quality"])
    device = client.get(DEVICE).json()
    assert device["power_measured"]["doubts"] == ["clocks", "intervals", "range"]
    (warning,) = device["warnings"]
    assert warning["field"] == "/power_measured/doubts"
    assert device["power_measured"]["intervals"]["power_exponent"] == [1.0, 3.0]


def test_levels_are_another_product(client: httpx.Client) -> None:
    store_camera(client, frequency_levels_hz=list(CLOCKS_HZ))
    measured(client, a_power_file(product="levels"))
    device = client.get(DEVICE).json()
    assert device["level_power_w"] == pytest.approx([power_w(f) for f in CLOCKS_HZ], rel=0.05)
    assert device["power_exponent"] == pytest.approx(EXPONENT, abs=0.3)
    measured(client)
    assert "level_power_w" not in client.get(DEVICE).json()


def test_one_clock_is_enough_for_a_device_of_one_level(client: httpx.Client) -> None:
    store_camera(client, frequency_min_hz=1e9, frequency_levels_hz=[1e9])
    body = "clock_ghz,power_w\n1,3.2\n1,3.3\n1,3.1\n"
    answer = sent(client, body, CSV, idle_power_w=1.2)
    assert pointers(answer) == [""]
    assert "all samples are of one clock" in answer.text
    answer = sent(client, body, CSV, idle_power_w=1.2, product="levels")
    assert answer.status_code == 201, answer.text
    assert answer.json()["law"] is None
    assert answer.json()["intervals"] is None
    device = client.get(DEVICE).json()
    assert device["level_power_w"] == pytest.approx([2.0])
    assert "power_coefficient" not in device


def test_every_level_must_be_measured(client: httpx.Client) -> None:
    store_camera(client, frequency_levels_hz=[*CLOCKS_HZ[:3], 9e8, 1e9])
    answer = client.post(POWER, json=a_power_file(product="levels"))
    assert pointers(answer) == [""]
    assert "no samples at the level 9e+08 Hz" in answer.text
    assert client.get(DEVICE).json()["revision"] == 1


def test_a_device_without_levels_has_none(client: httpx.Client) -> None:
    store_camera(client)
    answer = client.post(POWER, json=a_power_file(product="levels"))
    assert pointers(answer) == [""]
    assert "lists no frequency_levels_hz" in answer.text


def test_a_clock_that_did_not_run_is_named_and_left_out_on_request(client: httpx.Client) -> None:
    store_camera(client)
    body = a_power_file()
    wrong = body["sessions"][0]["samples"][2]  # cut 0 at 400 MHz
    right = body["sessions"][0]["samples"][5]
    wrong |= {"time_s": right["time_s"], "energy_j": right["energy_j"]}
    found = measured(client, body)
    (one,) = found["suspicious"]
    assert (one["workload"], one["run"], one["frequency_hz"]) == ("cut 0", "1", 4e8)
    assert one["likely_hz"] == pytest.approx(1e9, rel=0.02)
    assert found["left_out"] == 0
    assert "clock" in checks(found)
    cleaned = measured(client, body | {"leave_out_suspicious": True})
    assert cleaned["left_out"] == one["samples"] == 3
    assert cleaned["errors"]["largest"] < found["errors"]["largest"]


def test_a_jetson_log_makes_a_law(client: httpx.Client) -> None:
    store_camera(client, processor="gpu", frequency_min_hz=3.06e8, frequency_max_hz=1.02e9)
    body = log("maxn_idle", "15w_idle", "15w_slm", "25w_slm", "maxn_slm")
    answer = sent(client, body, format="tegrastats")
    assert answer.status_code == 201, answer.text
    found = answer.json()
    powers = {round(one["frequency_hz"], -7): one["power_w"] for one in found["levels"]}
    assert powers == pytest.approx(
        {6.1e8: 11.1796 - 4.9776, 9.0e8: 15.8762 - 5.2611, 1.01e9: 14.9611 - 5.5446}, rel=1e-2
    )
    assert found["dropped"] == 5
    assert found["idle_power_w"] == pytest.approx((4.9776 + 5.5446) / 2.0, rel=1e-4)
    part = sent(client, body, format="tegrastats", rail="VDD_CPU_GPU_CV").json()
    assert part["idle_power_w"] is None
    assert part["law"]["power_exponent"] < 1.5


def test_a_meter_of_a_part_leaves_the_idle_power_of_the_device(client: httpx.Client) -> None:
    store_camera(client, idle_power_w=7.0)
    found = measured(client, a_power_file(part_of_device=True))
    assert found["idle_power_w"] is None
    assert client.get(DEVICE).json()["idle_power_w"] == 7.0


def without_idle(**fields: Any) -> Body:
    body = a_power_file(**fields)
    del body["sessions"][0]["samples"][0]
    return body


@pytest.mark.slow
def test_idle_power_is_looked_for_in_turn(client: httpx.Client) -> None:
    store_camera(client)
    unknown = measured(client, without_idle())
    assert checks(unknown) == {"idle"}
    assert unknown["law"]["static_power_w"] == pytest.approx(STATIC_W + IDLE_W, rel=0.1)
    said = measured(client, without_idle(idle_power_w=IDLE_W))
    assert said["idle_power_w"] == IDLE_W
    assert said["law"]["static_power_w"] == pytest.approx(STATIC_W, rel=0.2)
    assert client.get(DEVICE).json()["idle_power_w"] == IDLE_W
    of_device = measured(client, without_idle())
    assert "idle" in checks(of_device, "note")
    assert of_device["law"] == said["law"]
    above = measured(client, without_idle(above_idle=True))
    assert above["law"] == unknown["law"]
    assert checks(above) == set()


@pytest.mark.slow
def test_the_raspberry_pi_is_fitted_from_its_figures(client: httpx.Client) -> None:
    store_camera(client, frequency_min_hz=6e8, frequency_max_hz=1.8e9)
    lines = FIGURES.read_text().splitlines()
    rows = [line.split(",") for line in lines if line.startswith("Raspberry Pi 4,board,")]
    heading = "frequency_mhz,time_ms,wait_ms,energy_j,workload"
    table = [",".join([row[5], row[6], row[7], row[8], row[2]]) for row in rows]
    answer = sent(client, "\n".join([heading, *table]), CSV, leave_out_suspicious=True)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["samples"] == 254
    assert found["left_out"] == 10
    assert found["errors"]["median"] <= 0.03
    assert found["law"]["waiting_power_w"] > 1.0
    assert found["waiting_power_interval_w"][0] < found["law"]["waiting_power_w"]
    assert {"clock", "idle", "intervals"} <= checks(found)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"energy_j": [1.0]}, "energy_j"),
        ({"time_s": [0.1, 0.1]}, "time_s"),
        ({"time_s": [0.1, 0.0, 0.1]}, "time_s/1"),
        ({"time_s": None}, "time_s"),
        ({"frequency_hz": None}, "frequency_hz"),
        ({"power_w": [1.0, 1.0, 1.0]}, ""),
        ({"energy_j": None}, ""),
        ({"wait_s": [1.0]}, "wait_s"),
        ({"energy_j": None, "power_w": [3.0] * 3, "wait_s": [1.0] * 3}, "wait_s"),
        ({"workload": "idle"}, "energy_j"),
        ({"watt": 1.0}, "watt"),
        ({"energy_j": [9.0, 1e-3, 9.0]}, "energy_j/1"),
        ({"energy_j": None, "power_w": [9.0, 1.25, 9.0]}, "power_w/1"),
    ],
)
def test_what_does_not_hold_together_is_refused(
    client: httpx.Client, change: Body, pointer: str
) -> None:
    store_camera(client)
    body = a_power_file()
    changed = body["sessions"][0]["samples"][3]
    changed |= change
    for name, value in change.items():
        if value is None:
            del changed[name]
    at = "/sessions/0/samples/3"
    found = pointers(client.post(POWER, json=body))
    expected = f"{at}/{pointer}" if pointer else at
    if change == {"energy_j": [1.0]}:
        expected = f"{at}/time_s"
    assert found == [expected]
    assert client.get(DEVICE).json()["revision"] == 1


def test_clocks_that_the_device_does_not_have(client: httpx.Client) -> None:
    store_camera(client)
    body = a_power_file()
    body["sessions"][0]["samples"][1]["frequency_hz"] = 3e9
    assert "range" in checks(measured(client, body))
    table = "frequency_hz,power_w\n600000,3\n800000,4\n"
    answer = sent(client, table, CSV)
    assert pointers(answer) == ["/lines/2/frequency_hz"]
    assert "is it in MHz?" in answer.text


def test_only_idle_samples_tell_nothing(client: httpx.Client) -> None:
    store_camera(client)
    answer = sent(client, "power_w,workload\n1,idle\n", CSV)
    assert pointers(answer) == [""]
    assert "all samples are idle" in answer.text


def test_a_bad_line_is_named_over_http(client: httpx.Client) -> None:
    store_camera(client)
    answer = sent(client, "clock_mhz,power_w\n600,3\n800,x\n", CSV)
    assert pointers(answer) == ["/lines/3"]
    assert "line 3: power_w must be a number" in answer.text


def test_a_text_says_its_format_and_json_its_wishes(client: httpx.Client) -> None:
    store_camera(client)
    answer = sent(client, log("maxn_slm"))
    assert answer.json()["errors"][0]["parameter"] == "format"
    answer = client.post(POWER, json=a_power_file(), params={"product": "levels"})
    assert answer.json()["errors"][0]["parameter"] == "product"
    assert slug(sent(client, b"", "application/xml")) == "unsupported-media-type"
    assert sent(client, b"{", JSON).status_code == 400


def test_what_is_not_there(client: httpx.Client) -> None:
    assert slug(client.post(POWER, json=a_power_file())) == "profile-not-found"
    assert slug(client.get(POWER)) == "profile-not-found"
    store_camera(client)
    assert client.get(POWER).json()["items"] == []
    assert slug(client.get(f"{POWER}/1")) == "measurement-not-found"
    assert "The device 'camera-cpu' has no measurement 1" in client.get(f"{POWER}/1/samples").text


def test_times_of_measuring(client: httpx.Client) -> None:
    store_camera(client)
    body = a_power_file()
    body["sessions"][0]["started_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert checks(measured(client, body)) == {"age"}
    body["sessions"][0]["started_at"] = "2020-01-01T00:00:00Z"
    old = measured(client, body)
    assert checks(old) == set()
    assert "age" in checks(old, "note")
    assert old["measured_at"].startswith("2020-01-01")


@pytest.mark.slow
def test_a_plan_counts_with_measured_power_and_says_where_it_is_doubtful(
    client: httpx.Client,
) -> None:
    store(client)
    assert client.post("/v1/timings", json=a_timing()).status_code == 201
    for collection, body in (("channels", a_channel()), ("servers", a_server(name="edge"))):
        assert client.post(f"/v1/{collection}", json=body).status_code == 201
    cell = a_cell(a_stored_user(gain_db=-160.0), channel="cell", server="edge-gpu")
    measured(client)
    good = plan(client, cell)
    assert good["status"] == "solved"
    assert good["result"]["users"][0]["energy_source"] == "law"
    two = "clock_mhz,power_w\n200,3\n200,3.1\n1000,5\n1000,5.1\n"
    assert sent(client, two, CSV, idle_power_w=1.0).status_code == 201
    doubtful = plan(client, cell)
    words = "power was measured, but is doubtful: clocks, intervals"
    assert any(words in one["message"] for one in doubtful["warnings"])
    assert not any(words in one["message"] for one in good.get("warnings", []))
    for document, revision in ((good, 2), (doubtful, 3)):
        law = client.get(f"{DEVICE}/revisions/{revision}").json()
        user = document["result"]["users"][0]
        clocked = law["power_coefficient"] * user["frequency_hz"] ** law["power_exponent"]
        computing = user["latency"]["device_s"]
        assert user["energy"]["static_j"] == pytest.approx(law["static_power_w"] * computing)
        start = law.get("energy_per_inference_j", 0.0)
        assert user["energy"]["compute_j"] == pytest.approx(clocked * computing + start)
        assert user["cut"] == 3
