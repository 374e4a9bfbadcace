"""Samples in, revisions of timings out."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from app.http.media import CSV, JSON, PARQUET
from app.measurements.schemas.files import MeasurementFile
from app.measurements.schemas.reports import Measurement, MeasurementPage
from app.profiles.schemas.revisions import TimingRevision
from tests.support.answers import pointers, slug
from tests.support.builders import Body, a_model, a_server, a_timing
from tests.support.robust.requests import a_cell, a_stored_user, plan, solved
from tests.support.sheets import (
    CLOCKS_HZ,
    FLOP_PER_CYCLE,
    OVERHEAD_S,
    STARTED_AT,
    a_file,
    a_server_file,
    at,
    device_mean_s,
    measured,
    server_mean_s,
    store,
)

pytestmark = pytest.mark.either

TIMING = "/v1/timings/camera-cpu.small-net"


def checks(measurement: Body, severity: str = "warning") -> set[str]:
    """The checks that found something of that weight."""
    return {
        finding["check"] for finding in measurement["quality"] if finding["severity"] == severity
    }


def refused(client: httpx.Client, body: Any) -> list[str]:
    """Where a file is at fault; nothing is stored."""
    answer = client.post(at(), json=body)
    found = pointers(answer)
    assert client.get(TIMING).status_code == 404
    return found


def test_samples_make_a_timing(client: httpx.Client) -> None:
    store(client)
    answer = client.post(at(), json=a_file(runtime={"onnxruntime": "1.31.1", "threads": 1}))
    assert answer.status_code == 201, answer.text
    measurement = answer.json()
    Measurement.model_validate(measurement)
    assert answer.headers["location"] == f"{at()}/1"
    assert (measurement["number"], measurement["revision"], measurement["samples"]) == (
        1,
        1,
        3 * 5 * 40 * 2,
    )
    assert measurement["doubts"] == []
    began = datetime.fromisoformat(STARTED_AT)
    assert measurement["age_s"] == pytest.approx(
        (datetime.now(UTC) - began).total_seconds(), abs=60.0
    )
    again = client.get(answer.headers["location"]).json()
    assert {**again, "age_s": 0} == {**measurement, "age_s": 0}

    timing = client.get(TIMING).json()
    TimingRevision.model_validate(timing)
    assert (timing["provenance"], timing["processor_kind"], timing["revision"]) == (
        "measured",
        "device",
        1,
    )
    assert "onnxruntime 1.31.1" in timing["reference"]
    assert timing["measured"] == {
        "measurement": 1,
        "samples": 1200,
        "sessions": 2,
        "measured_at": timing["measured"]["measured_at"],
    }
    assert datetime.fromisoformat(timing["measured"]["measured_at"]) == began
    assert timing["cuts"][0] == {"flop_per_cycle": 1.0, "variance_s2": 0.0}
    for cut, entry in enumerate(timing["cuts"][1:], start=1):
        assert entry["flop_per_cycle"] == pytest.approx(FLOP_PER_CYCLE, rel=0.02)
        assert entry["overhead_s"] == pytest.approx(OVERHEAD_S, rel=0.3)
        assert entry["samples"] == 400
        slowest = device_mean_s(cut, CLOCKS_HZ[0])
        assert entry["variance_s2"] == pytest.approx((0.02 * slowest) ** 2, rel=0.5)
        assert entry["worst_s"] > 0.0
        assert [level["frequency_hz"] for level in entry["levels"]] == list(CLOCKS_HZ)
        for level in entry["levels"]:
            assert level["mean_s"] == pytest.approx(
                device_mean_s(cut, level["frequency_hz"]), rel=0.02
            )
            assert level["samples"] == 80
    fit = measurement["cuts"][-1]["fit"]
    assert fit["flop_per_cycle_interval"][0] < FLOP_PER_CYCLE < fit["flop_per_cycle_interval"][1]
    assert fit["overhead_interval_s"][0] < OVERHEAD_S < fit["overhead_interval_s"][1]
    assert fit["misfit_p_value"] > 1e-4


def test_each_measurement_makes_the_next_revision(client: httpx.Client) -> None:
    store(client)
    assert client.post("/v1/timings", json=a_timing(provenance="analytic")).status_code == 201
    body = a_file(seed=1)
    del body["model"], body["processor"]
    assert measured(client, body)["revision"] == 2
    assert measured(client, a_file(seed=2))["revision"] == 3
    assert client.get(f"{TIMING}/revisions/1").json()["provenance"] == "analytic"
    page = client.get(at(), params={"limit": 1}).json()
    MeasurementPage.model_validate(page)
    assert [item["number"] for item in page["items"]] == [1]
    second = client.get(at(), params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert [item["revision"] for item in second["items"]] == [3]
    assert second["next_cursor"] is None


def test_a_plan_can_be_made_from_it(client: httpx.Client) -> None:
    store(client)
    measured(client)
    measured(client, a_server_file(), "edge-gpu.small-net")
    result = solved(client, a_cell(a_stored_user(), server="edge-gpu"))
    assert result["certificate"]["holds"]


def test_a_stored_timing_can_be_sent_back(client: httpx.Client) -> None:
    store(client)
    measured(client)
    timing = client.get(TIMING).json()
    kept = client.put(TIMING, json=timing, headers={"If-Match": '"1"'})
    assert (kept.status_code, kept.json()["revision"]) == (200, 1)
    changed = client.put(
        TIMING, json=timing | {"reference": "by hand"}, headers={"If-Match": '"1"'}
    )
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)


def test_a_server_has_means(client: httpx.Client) -> None:
    store(client)
    measurement = measured(client, a_server_file(), "edge-gpu.small-net")
    timing = client.get("/v1/timings/edge-gpu.small-net").json()
    assert timing["processor_kind"] == "server"
    assert timing["cuts"][-1] == {"mean_s": 0.0, "variance_s2": 0.0}
    for cut, entry in enumerate(timing["cuts"][:-1]):
        assert entry["mean_s"] == pytest.approx(server_mean_s(cut), rel=0.02)
        assert entry["variance_s2"] == pytest.approx((0.02 * server_mean_s(cut)) ** 2, rel=0.6)
        assert entry["worst_s"] >= entry["mean_s"]
    assert all(one["fit"] is None for one in measurement["cuts"])


@pytest.mark.slow
@pytest.mark.parametrize("media_type", [CSV, PARQUET])
def test_tables_say_the_same_as_json(client: httpx.Client, media_type: str) -> None:
    store(client)
    first = measured(client)
    rows = client.get(first["samples_url"], headers={"Accept": media_type})
    assert rows.headers["content-type"].startswith(media_type)
    answer = client.post(
        at("other"),
        content=rows.content,
        headers={"Content-Type": media_type},
        params={"model": "small-net", "processor": "camera-cpu", "processor_kind": "device"},
    )
    assert answer.status_code == 201, answer.text
    Measurement.model_validate(answer.json())
    assert answer.json()["cuts"] == first["cuts"]
    again = client.get(answer.json()["samples_url"], headers={"Accept": media_type})
    assert again.content == rows.content or media_type == PARQUET


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (f"{JSON}, {CSV};q=0", JSON),
        (f"{JSON};q=0.2, {CSV};q=0.1", JSON),
        (f"*/*, {PARQUET};q=0.9", JSON),
        ("image/png", JSON),
        (f"{CSV};q=0.5, {PARQUET};q=0.4", CSV),
        (f"{PARQUET}, {CSV}", CSV),
        ("TEXT/*", CSV),
        (f"{JSON};q=0.8, Application/Vnd.Apache.Parquet", PARQUET),
    ],
)
def test_samples_come_in_the_type_that_is_preferred(
    client: httpx.Client, accept: str, answered: str
) -> None:
    store(client)
    samples = client.get(measured(client)["samples_url"], headers={"Accept": accept})
    assert samples.headers["content-type"].partition(";")[0] == answered
    assert samples.headers["vary"] == "Accept"


def test_raw_samples_come_back_as_they_were_sent(client: httpx.Client) -> None:
    store(client)
    sent = a_file(runtime={"threads": 1})
    for entry in sent["sessions"][0]["samples"]:
        entry["requested_hz"] = entry["frequency_hz"]
        entry["cpu_time_s"] = [0.9 * time for time in entry["time_s"]]
        entry["involuntary_switches"] = [0] * len(entry["time_s"])
    told = client.get(measured(client, sent)["samples_url"]).json()
    MeasurementFile.model_validate(told)
    assert told == sent | {"processor_kind": "device"}


def test_few_clocks_are_levels_alone(client: httpx.Client) -> None:
    store(client)
    measurement = measured(client, a_file(clocks_hz=CLOCKS_HZ[:3]))
    assert checks(measurement, "note") == {"clocks"}
    for entry in client.get(TIMING).json()["cuts"][1:]:
        assert "flop_per_cycle" not in entry
        assert [level["frequency_hz"] for level in entry["levels"]] == list(CLOCKS_HZ[:3])


def test_clocks_are_gathered_to_the_levels_of_the_device(client: httpx.Client) -> None:
    """0.3 % off a level: the level; a throttled clock takes part in the fit, by what was
    measured.
    """
    store(client, frequency_levels_hz=list(CLOCKS_HZ))
    body = a_file()
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["requested_hz"] = entry["frequency_hz"]
            entry["frequency_hz"] *= 1.003
            if entry["requested_hz"] == CLOCKS_HZ[-1]:
                entry["frequency_hz"] = 9e8
    measurement = measured(client, body)
    assert "clock" in checks(measurement)
    levels = [level["frequency_hz"] for level in client.get(TIMING).json()["cuts"][1]["levels"]]
    assert levels == [*CLOCKS_HZ[:-1], 9e8]


def test_an_unknown_clock_is_the_only_one_or_the_one_asked_for(client: httpx.Client) -> None:
    store(client, frequency_min_hz=1e9)
    body = a_file(clocks_hz=(1e9,))
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["frequency_hz"] = None
    measurement = measured(client, body)
    assert checks(measurement, "note") == {"clock"}
    assert [level["frequency_hz"] for level in client.get(TIMING).json()["cuts"][1]["levels"]] == [
        1e9
    ]


def test_a_requested_clock_fits_no_law(client: httpx.Client) -> None:
    store(client)
    body = a_file()
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["requested_hz"], entry["frequency_hz"] = entry["frequency_hz"], None
    measurement = measured(client, body)
    assert checks(measurement) == {"clock"}
    assert all(one["fit"] is None for one in measurement["cuts"])


def test_an_unknown_clock_of_many_is_refused(client: httpx.Client) -> None:
    store(client)
    body = a_file()
    body["sessions"][1]["samples"][2]["frequency_hz"] = None
    assert refused(client, body) == ["/sessions/1/samples/2/frequency_hz"]


def test_pairs_say_how_the_parts_go_together(client: httpx.Client) -> None:
    store(client)
    rng = np.random.default_rng(0)
    body = a_file(sessions=1, clocks_hz=(1e9,), count=300)
    for entry in list(body["sessions"][0]["samples"]):
        device = np.array(entry["time_s"])
        noise = rng.normal(0.0, device.std(), len(device))
        shared = 0.7 * (device - device.mean()) + np.sqrt(1.0 - 0.49) * noise
        order = rng.permutation(len(device))
        body["sessions"][0]["samples"].append(
            {
                "cut": entry["cut"],
                "part": "server",
                "frequency_hz": 1e9,
                "time_s": (1.0 + shared)[order].tolist(),
                "order": np.array(entry["order"])[order].tolist(),
            }
        )
    measurement = measured(client, body)
    assert measurement["samples"] == 900, "the server's part is not the camera's"
    for one in measurement["cuts"]:
        low, high = one["correlation"]["interval"]
        assert one["correlation"]["pairs"] == 300
        assert low < 0.7 < high
    entries = client.get(TIMING).json()["cuts"][1:]
    assert [entry["correlation"] for entry in entries] == [
        one["correlation"]["correlation"] for one in measurement["cuts"]
    ]


@pytest.mark.slow
def test_a_cut_without_new_samples_keeps_its_entry(client: httpx.Client) -> None:
    store(client)
    measured(client)
    before = client.get(TIMING).json()["cuts"]
    body = a_file(seed=7)
    for session in body["sessions"]:
        session["samples"] = [entry for entry in session["samples"] if entry["cut"] == 2]
    measurement = measured(client, body)
    assert checks(measurement, "note") == {"kept"}
    after = client.get(TIMING).json()["cuts"]
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        True,
        True,
        False,
        True,
    ]


def test_numbers_nobody_measured_are_not_kept(client: httpx.Client) -> None:
    store(client)
    assert client.post("/v1/timings", json=a_timing()).status_code == 201
    body = a_file(sessions=1)
    body["sessions"][0]["samples"] = body["sessions"][0]["samples"][:5]
    assert pointers(client.post(at(), json=body)) == ["/sessions", "/sessions"]
    assert client.get(TIMING).json()["revision"] == 1


def drifting(body: Body) -> None:
    """The second half of every series takes 5 % longer."""
    for session in body["sessions"]:
        for entry in session["samples"]:
            half = len(entry["time_s"]) // 2
            entry["time_s"] = entry["time_s"][:half] + [
                1.05 * time for time in entry["time_s"][half:]
            ]
            entry["order"] = sorted(entry["order"])


def disagreeing(body: Body) -> None:
    """The second session is 5 % slower."""
    for entry in body["sessions"][1]["samples"]:
        entry["time_s"] = [1.05 * time for time in entry["time_s"]]


def two_ways(body: Body) -> None:
    """A third of the inferences of one series takes another way."""
    for session in body["sessions"]:
        entry = session["samples"][3]
        entry["time_s"] = [
            time * (1.3 if n % 3 == 0 else 1.0) for n, time in enumerate(entry["time_s"])
        ]


def in_milliseconds(body: Body) -> None:
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["time_s"] = [1e3 * time for time in entry["time_s"]]


def bent(body: Body) -> None:
    """No law of the form cycles/f + overhead."""
    for session in body["sessions"]:
        for entry in session["samples"]:
            if entry["frequency_hz"] == CLOCKS_HZ[2]:
                entry["time_s"] = [1.2 * time for time in entry["time_s"]]


def independent_of_the_clock(body: Body) -> None:
    rng = np.random.default_rng(3)
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["time_s"] = rng.gamma(2500.0, 1e-5 * entry["cut"], len(entry["time_s"])).tolist()


def tomorrow(body: Body) -> None:
    body["sessions"][1]["started_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def partly_outside(body: Body) -> None:
    for entry in body["sessions"][1]["samples"]:
        if entry["frequency_hz"] == CLOCKS_HZ[-1]:
            entry["frequency_hz"] = 1.5e9


def partly_short(body: Body) -> None:
    for session in body["sessions"]:
        del session["samples"][0]["time_s"][9:], session["samples"][0]["order"][9:]


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (drifting, "drift"),
        (disagreeing, "sessions"),
        (two_ways, "modes"),
        (in_milliseconds, "units"),
        (bent, "fit"),
        (independent_of_the_clock, "fit"),
        (tomorrow, "age"),
        (partly_outside, "clock"),
        (partly_short, "samples"),
    ],
)
def test_what_is_doubtful_is_told_and_plans_say_so(
    client: httpx.Client, spoil: Any, check: str
) -> None:
    store(client)
    body = a_file()
    spoil(body)
    measurement = measured(client, body)
    assert check in checks(measurement)
    assert check in measurement["doubts"]
    assert check in client.get(TIMING).json()["measured"]["doubts"]
    document = plan(client, a_cell(a_stored_user(deadline_s=500.0), server="edge-gpu"))
    assert any(check in w["message"] and "timing" in w["field"] for w in document["warnings"]), (
        document["warnings"]
    )


@pytest.mark.slow
def test_steady_samples_raise_no_doubt(client: httpx.Client) -> None:
    store(client)
    doubtful = sum(
        bool(measured(client, a_file(seed=seed, count=100))["doubts"]) for seed in range(10)
    )
    assert doubtful <= 1


def test_a_thousandfold_of_the_revision_before_is_doubted(client: httpx.Client) -> None:
    store(client)
    measured(client)
    body = a_file()
    in_milliseconds(body)
    (finding,) = (f for f in measured(client, body)["quality"] if "latest revision" in f["detail"])
    assert "milliseconds" in finding["detail"]


def test_time_that_does_not_depend_on_the_clock_has_no_speed(client: httpx.Client) -> None:
    store(client)
    body = a_file()
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["time_s"] = [
                0.01 + 1e-12 * entry["frequency_hz"] + 1e-5 * n for n in range(len(entry["time_s"]))
            ]
    measured(client, body)
    assert all("flop_per_cycle" not in entry for entry in client.get(TIMING).json()["cuts"][1:])


def changed(**places: Any) -> Any:
    """A change of the first set of samples."""

    def change(body: Body) -> None:
        body["sessions"][0]["samples"][0] |= places

    return change


def one_sample(body: Body) -> None:
    for session in body["sessions"]:
        for entry in session["samples"]:
            if entry["cut"] == 1:
                entry["time_s"], entry["order"] = entry["time_s"][:1], entry["order"][:1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (changed(cut=4), ["/sessions/0/samples/0/cut"]),
        (changed(cut=-1), ["/sessions/0/samples/0/cut"]),
        (changed(part="gpu"), ["/sessions/0/samples/0/part"]),
        (changed(time_s=[]), ["/sessions/0/samples/0/time_s"]),
        (changed(time_s=[0.1, -0.1]), ["/sessions/0/samples/0/time_s/1"]),
        (changed(time_s=["0.1"]), ["/sessions/0/samples/0/time_s/0"]),
        (changed(time_s=[1e7] * 40), [f"/sessions/0/samples/0/time_s/{n}" for n in range(40)]),
        (changed(time_s=[0.0] + [0.1] * 39), ["/sessions/0/samples/0/time_s/0"]),
        (changed(time_s=[1e-300] + [0.1] * 39), ["/sessions/0/samples/0/time_s/0"]),
        (changed(order=[1, 2]), ["/sessions/0/samples/0/order"]),
        (changed(frequency_hz=0.0), ["/sessions/0/samples/0/frequency_hz"]),
        (changed(frequency_hz=1e300), ["/sessions/0/samples/0/frequency_hz"]),
        (changed(cpu_time_s=[0.1]), ["/sessions/0/samples/0/cpu_time_s"]),
        (changed(colour="red"), ["/sessions/0/samples/0/colour"]),
        (one_sample, ["/sessions/0/samples/0/time_s"]),
        (lambda body: body.update(sessions=[]), ["/sessions"]),
        (lambda body: body.update(model="unknown"), ["/model"]),
        (lambda body: body.update(processor="unknown"), ["/processor"]),
        (lambda body: body.update(processor_kind="server"), ["/processor"]),
        (lambda body: body.pop("model"), ["/model"]),
        (lambda body: body.pop("processor"), ["/processor"]),
        (lambda body: body.update(schema_version=2), ["/schema_version"]),
        (lambda body: body.update(runtime={"depth": [1]}), ["/runtime/depth"] * 3),
        (
            lambda body: body["sessions"][0].update(started_at="yesterday"),
            ["/sessions/0/started_at"],
        ),
        (
            lambda body: body["sessions"][0].update(started_at="2026-11-01T08:00:00"),
            ["/sessions/0/started_at"],
        ),
        (lambda body: body["sessions"][0].update(samples=[]), ["/sessions/0/samples"]),
    ],
)
def test_what_cannot_be_used_is_refused(
    client: httpx.Client, change: Any, expected: list[str]
) -> None:
    store(client)
    body = a_file()
    change(body)
    assert refused(client, body)[: len(expected)] == expected


@pytest.mark.parametrize("body", [[], 3, "sessions", {}, {"plan": 3}])
def test_other_json_is_refused(client: httpx.Client, body: Any) -> None:
    store(client)
    assert refused(client, body)


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        ('Application/JSON ; charset="UTF-8"', 201),
        ('application/json; profile="a;charset=latin-1"', 201),
        ('application/json; charset="latin-1"', 415),
        ("application/jsonl", 415),
        ("json", 415),
    ],
)
def test_the_type_of_a_body_is_read_by_the_letter(
    client: httpx.Client, declared: str, status: int
) -> None:
    store(client)
    body = json.dumps(a_file()).encode()
    answer = client.post(at(), content=body, headers={"Content-Type": declared})
    assert answer.status_code == status, answer.text


def test_clocks_in_megahertz_are_refused_with_a_guess(client: httpx.Client) -> None:
    store(client)
    body = a_file()
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["frequency_hz"] /= 1e3
    answer = client.post(at(), json=body)
    assert pointers(answer) == ["/sessions/0/samples/0/frequency_hz"]
    assert "kHz?" in answer.json()["detail"]


def test_the_parts_of_another_kind_of_processor_carry_nothing(client: httpx.Client) -> None:
    store(client)
    assert refused(client, a_server_file(processor="camera-cpu")) == ["/sessions"]


def test_another_model_file_is_refused(client: httpx.Client) -> None:
    store(client)
    assert client.put(
        "/v1/models/small-net", json=a_model(source_sha256="a" * 64), headers={"If-Match": "*"}
    ).is_success
    assert refused(client, a_file(model_sha256="b" * 64)) == ["/model_sha256"]
    assert checks(measured(client, a_file()), "note") == {"model"}
    assert measured(client, a_file(model_sha256="a" * 64))["quality"] == []


def test_a_name_of_two_kinds_must_be_told(client: httpx.Client) -> None:
    store(client)
    assert client.post("/v1/servers", json=a_server(name="camera-cpu")).status_code == 201
    assert refused(client, a_file()) == ["/processor_kind"]
    assert measured(client, a_file(processor_kind="device"))["processor_kind"] == "device"


def test_a_timing_stays_with_its_processor_and_model(client: httpx.Client) -> None:
    store(client)
    measured(client)
    for body in (
        a_file(processor="edge-gpu"),
        a_file(model="other"),
        a_file(processor_kind="server"),
    ):
        assert len(pointers(client.post(at(), json=body))) == 1


def test_identical_samples_never_vary(client: httpx.Client) -> None:
    store(client)
    body = a_file()
    for session in body["sessions"]:
        for entry in session["samples"]:
            entry["time_s"] = [device_mean_s(entry["cut"], entry["frequency_hz"])] * len(
                entry["time_s"]
            )
    measurement = measured(client, body)
    assert measurement["doubts"] == []
    for one in measurement["cuts"]:
        assert one["fit"]["misfit_p_value"] is None
        assert one["fit"]["flop_per_cycle"] == pytest.approx(FLOP_PER_CYCLE, rel=1e-9)
    for entry in client.get(TIMING).json()["cuts"]:
        assert entry["variance_s2"] == pytest.approx(0.0, abs=1e-25)


@pytest.mark.slow
def test_a_hundred_thousand_samples(client: httpx.Client) -> None:
    store(client)
    rng = np.random.default_rng(0)
    rows = 100_000
    cut, clock = rng.integers(1, 4, rows), np.array(CLOCKS_HZ)[rng.integers(0, 5, rows)]
    mean = np.array([0.0, 1.5e7, 4.5e7, 5e7])[cut] / clock + OVERHEAD_S
    time_s = rng.gamma(2500.0, mean / 2500.0)
    lines = "\n".join(
        f"{c},device,{f:.0f},{t:.9g}"
        for c, f, t in zip(cut.tolist(), clock.tolist(), time_s.tolist(), strict=True)
    )
    answer = client.post(
        at(),
        content=f"cut,part,frequency_hz,time_s\n{lines}\n",
        headers={"Content-Type": CSV},
        params={"model": "small-net", "processor": "camera-cpu"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["samples"] == rows
    assert answer.json()["doubts"] == []
    assert answer.json()["cuts"][2]["fit"]["flop_per_cycle"] == pytest.approx(
        FLOP_PER_CYCLE, rel=3e-3
    )


@pytest.mark.slow
def test_several_measure_at_once(client: httpx.Client) -> None:
    store(client)
    bodies = [a_file(seed=seed) for seed in range(4)]
    start = threading.Barrier(4)

    def send(body: Body) -> httpx.Response:
        start.wait()
        with httpx.Client(
            base_url=client.base_url, timeout=60.0, trust_env=False, verify=False
        ) as own:
            return own.post(at(), json=body)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, bodies))
    assert {answer.status_code for answer in answers} == {201}, [
        answer.text[:200] for answer in answers
    ]
    assert sorted(answer.json()["number"] for answer in answers) == [1, 2, 3, 4]
    assert sorted(answer.json()["revision"] for answer in answers) == [1, 2, 3, 4]


def test_a_deleted_timing_keeps_its_measurements_and_can_be_measured_anew(
    client: httpx.Client,
) -> None:
    store(client)
    measured(client)
    assert client.delete(TIMING).status_code == 204
    assert client.get(f"{at()}/1").status_code == 200
    again = measured(client, a_file(seed=1))
    assert (again["number"], again["revision"]) == (2, 2)


def test_what_is_not_there_is_told(client: httpx.Client) -> None:
    store(client)
    assert slug(client.get(at())) == "profile-not-found"
    assert slug(client.get(f"{at()}/1")) == "profile-not-found"
    measured(client)
    assert slug(client.get(f"{at()}/2")) == "measurement-not-found"
    assert slug(client.get(f"{at()}/2/samples")) == "measurement-not-found"


def test_media_types(client: httpx.Client) -> None:
    store(client)
    assert (
        client.post(at(), content=b"<xml/>", headers={"Content-Type": "text/xml"}).status_code
        == 415
    )
    assert client.post(at(), content=b"{}").status_code == 415
    assert (
        client.post(at(), content=b"{", headers={"Content-Type": "application/json"}).status_code
        == 400
    )
    for number in ("NaN", "Infinity"):
        body = json.dumps(a_file() | {"runtime": {"threads": "here"}}).replace('"here"', number)
        assert (
            client.post(
                at(), content=body, headers={"Content-Type": "application/json"}
            ).status_code
            == 400
        )
    body = json.dumps(a_file() | {"runtime": {"threads": "here"}}).replace('"here"', "1e999")
    assert (
        client.post(at(), content=body, headers={"Content-Type": "application/json"}).status_code
        == 422
    )
    assert client.post(at(), json=a_file(), params={"colour": "red"}).status_code == 422
    latin = client.post(
        at(), json=a_file(), headers={"Content-Type": "application/json; charset=latin-1"}
    )
    assert latin.status_code == 415
