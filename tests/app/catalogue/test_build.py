"""The shipped profiles hold together, and the generated ones are what their sources generate."""

import json
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.catalogue import build, measurements
from app.catalogue.build import device_timing, files, fit, shares
from app.catalogue.measurements import DEVICE_MEASUREMENTS, SERVER_MEASUREMENTS, DeviceMeasurement
from app.profiles.plausibility import warnings_of
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing

FOLDER = Path(build.__file__).parent
SCHEMAS: dict[str, type[Profile]] = {
    "devices": Device,
    "models": Model,
    "channels": Channel,
    "servers": Server,
    "timings": Timing,
}


def shipped(collection: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(
        (FOLDER / f"{collection}.json").read_text(encoding="utf-8")
    )
    return entries


def by_name(collection: str) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in shipped(collection)}


DEVICES, MODELS, SERVERS = by_name("devices"), by_name("models"), by_name("servers")
EVERY = [pytest.param(kind, entry, id=entry["name"]) for kind in SCHEMAS for entry in shipped(kind)]
each_device = pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
each_timing = pytest.mark.parametrize(
    "timing", shipped("timings"), ids=lambda timing: timing["name"]
)


def device_time_s(entry: dict[str, Any], flop: float, clock_hz: float) -> float:
    """What the planner makes of a device entry."""
    time_s: float = flop / entry["flop_per_cycle"] / clock_hz + entry["overhead_s"]
    return time_s


@pytest.mark.slow
@pytest.mark.parametrize("name", files())
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == files()[name], "run `make catalogue`"


@pytest.mark.parametrize(("collection", "entry"), EVERY)
def test_every_entry_is_a_valid_request_with_its_source(
    collection: str, entry: dict[str, Any]
) -> None:
    assert warnings_of(SCHEMAS[collection].model_validate(entry)) == ()
    assert len(entry["reference"]) > 20


@pytest.mark.parametrize("collection", SCHEMAS)
def test_names_are_unique(collection: str) -> None:
    assert Counter(entry["name"] for entry in shipped(collection)).most_common(1)[0][1] == 1


def test_names_say_whether_a_device_or_a_server_is_meant() -> None:
    assert not DEVICES.keys() & SERVERS.keys()


@each_device
def test_a_device_runs_at_the_clocks_it_lists(device: dict[str, Any]) -> None:
    levels = device["frequency_levels_hz"]
    assert levels == sorted(set(levels))
    assert (levels[0], levels[-1]) == (device["frequency_min_hz"], device["frequency_max_hz"])


@each_device
def test_a_device_draws_and_radiates_what_such_a_thing_can(device: dict[str, Any]) -> None:
    assert 0.1 < device["power_coefficient_w_per_hz3"] * device["frequency_max_hz"] ** 3 < 100
    assert device["tx_power_w"] in (0.1, 0.2)  # 20 and 23 dBm
    assert (
        max(model["cuts"][-1]["parameter_byte"] for model in MODELS.values())
        < device["memory_byte"]
    )


@pytest.mark.parametrize("channel", shipped("channels"), ids=lambda channel: channel["name"])
def test_a_channel_closes_the_link_nearby_and_not_far_away(channel: dict[str, Any]) -> None:
    profile = Channel.model_validate(channel)
    assert profile.path_loss is not None
    noise_dbm = profile.noise_psd_dbm_per_hz + 10 * math.log10(profile.bandwidth_hz)
    snr_db = {
        metres: 20.0 + profile.path_loss.gain_db(metres) - noise_dbm for metres in (1.0, 10.0, 1e5)
    }
    assert profile.min_snr_db is not None
    assert snr_db[1.0] > snr_db[10.0] > profile.min_snr_db > snr_db[1e5]
    assert profile.path_loss.gain_db(1.0) < 0


@each_timing
def test_a_timing_names_what_is_shipped_and_covers_every_cut(timing: dict[str, Any]) -> None:
    assert timing["processor"] in (DEVICES if timing["processor_kind"] == "device" else SERVERS)
    assert len(timing["cuts"]) == len(MODELS[timing["model"]]["cuts"])
    assert timing["name"] == f"{timing['processor']}.{timing['model']}"
    assert timing["provenance"] == "analytic"  # no source times the cuts themselves


@each_timing
def test_time_and_spread_grow_with_the_work(timing: dict[str, Any]) -> None:
    entries = timing["cuts"]
    if timing["processor_kind"] == "server":
        times = [entry["mean_s"] for entry in reversed(entries)]
        entries = entries[::-1]
    else:
        clock_hz = DEVICES[timing["processor"]]["frequency_max_hz"]
        flop = [cut["flop"] for cut in MODELS[timing["model"]]["cuts"]]
        times = [
            device_time_s(entry, work, clock_hz) for entry, work in zip(entries, flop, strict=True)
        ]
    assert (times[0], entries[0]["variance_s2"]) == (0, 0)
    assert all(before <= after for before, after in pairwise(times))
    assert all(before["variance_s2"] <= after["variance_s2"] for before, after in pairwise(entries))
    assert 0 < entries[-1]["variance_s2"] ** 0.5 < 0.15 * times[-1]


@pytest.mark.parametrize(
    "measurement", DEVICE_MEASUREMENTS, ids=lambda each: f"{each.device}.{each.model}"
)
def test_a_timing_gives_the_measured_time_back(measurement: DeviceMeasurement) -> None:
    whole = device_timing(measurement)["cuts"][-1]
    for clock_hz, mean_s in measurement.samples:
        flop = 2 * measurement.mac * measurement.width  # as if ours were as wide as the timed one
        assert device_time_s(whole, flop, clock_hz) == pytest.approx(mean_s, rel=0.03)


def test_the_fit_finds_cycles_and_overhead() -> None:
    samples = tuple((clock_hz, 5e6 / clock_hz + 2e-3) for clock_hz in (1e9, 1.5e9, 2e9, 3e9))
    assert fit(samples) == pytest.approx((5e6, 2e-3))
    assert fit(samples[:1]) == pytest.approx((7e6, 0.0))


def test_a_server_timing_is_the_measured_time_where_nothing_ran_before() -> None:
    for measurement in SERVER_MEASUREMENTS:
        (timing,) = (each for each in shipped("timings") if each["processor"] == measurement.server)
        assert timing["cuts"][0]["mean_s"] == pytest.approx(measurement.mean_s)
        assert timing["cuts"][-1]["mean_s"] == 0


def test_shares_run_from_nothing_to_everything() -> None:
    first, *_, last = shares("resnet18")
    assert (first, last) == (0.0, 1.0)


def test_ours_and_the_timed_networks_do_about_the_same_work() -> None:
    for measurement in DEVICE_MEASUREMENTS:
        ours = MODELS[measurement.model]["cuts"][-1]["flop"] / 2
        assert measurement.mac == pytest.approx(ours, rel=0.15)


def test_the_documentation_names_every_profile() -> None:
    page = (Path(__file__).parents[3] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    for collection in ("devices", "models", "channels", "servers"):
        assert [
            entry["name"] for entry in shipped(collection) if f"| {entry['name']} |" not in page
        ] == []
    for timing in shipped("timings"):
        assert f"| {timing['processor']} | {timing['model']} |" in page


def test_the_pairs_the_demonstration_needs_are_timed() -> None:
    timed = {(each.device, each.model) for each in measurements.DEVICE_MEASUREMENTS}
    assert {("jetson-xavier-nx-cpu", "alexnet"), ("jetson-xavier-nx-gpu", "resnet152")} <= timed
    assert {model for _, model in timed} == set(MODELS)
