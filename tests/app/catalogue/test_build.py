"""The shipped profiles hold together, and the generated ones are what their sources generate."""

import json
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.catalogue import build, measured_cuts, measurements
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
def test_generated_files_are_up_to_date() -> None:
    for name, content in files().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name}: `make catalogue`"


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
    assert 0.1 < power_w(device, device["frequency_max_hz"]) < 100
    assert device["tx_power_w"] in (0.1, 0.2)  # 20 and 23 dBm
    assert max(model["cuts"][-1]["parameter_byte"] for model in MODELS.values()) < device.get(
        "memory_byte", math.inf
    )


@each_device
def test_a_slower_clock_draws_less(device: dict[str, Any]) -> None:
    powers = [power_w(device, clock_hz) for clock_hz in device["frequency_levels_hz"]]
    assert powers == sorted(powers)


def power_w(device: dict[str, Any], clock_hz: float) -> float:
    """Above idle while computing, by whatever the profile says it with."""
    if "level_power_w" in device:
        at = device["frequency_levels_hz"].index(clock_hz)
        return float(device["level_power_w"][at])
    law = Device.model_validate(device).power_law
    return float(law.static_w + law.coefficient * clock_hz**law.exponent)


# Board power while VGG16's head runs on one core [W], from the energies and times of the whole
# network that the reference quotes, and the clock [MHz].
VGG16_BOARD = {600: 14.60 / 4.92, 1000: 10.41 / 3.01, 1400: 8.32 / 2.20, 1800: 7.85 / 1.75}


@pytest.mark.parametrize("clock_mhz", VGG16_BOARD)
def test_one_core_of_a_raspberry_pi_draws_what_its_board_did(clock_mhz: int) -> None:
    board = DEVICES["raspberry-pi-4-core"]
    whole_w = board["idle_power_w"] + power_w(board, 1e6 * clock_mhz)
    assert whole_w == pytest.approx(VGG16_BOARD[clock_mhz], rel=0.06)


# Module power of six clocks [MHz], as quoted in the reference.
XAVIER_NX_GPU = {114.75: 4.92, 306: 6.57, 510: 8.15, 701.25: 9.66, 905.25: 11.85, 1109.25: 14.53}


def test_the_xavier_nx_gpu_draws_what_its_module_did() -> None:
    device = DEVICES["jetson-xavier-nx-gpu"]
    for clock_mhz, module_w in XAVIER_NX_GPU.items():
        assert 4.39 + power_w(device, 1e6 * clock_mhz) == pytest.approx(module_w, rel=0.031)


@pytest.mark.parametrize(("clock_mhz", "board_w"), [(1017, 6.45), (611, 4.35)])
def test_the_orin_nano_gpu_draws_what_its_board_did(clock_mhz: int, board_w: float) -> None:
    assert power_w(DEVICES["jetson-orin-nano-gpu"], 1e6 * clock_mhz) == pytest.approx(
        board_w, rel=0.003
    )


def test_the_phone_is_cheapest_in_the_middle_of_its_clocks() -> None:
    phone = DEVICES["snapdragon-835-cpu"]
    per_cycle = {clock: power_w(phone, clock) / clock for clock in phone["frequency_levels_hz"]}
    assert min(per_cycle, key=lambda clock: per_cycle[clock]) == 1_132_800_000


RADIOS = [channel for channel in shipped("channels") if "path_loss" in channel]
CHAINS = [channel for channel in shipped("channels") if "path_loss" not in channel]


@pytest.mark.parametrize("channel", CHAINS, ids=lambda channel: channel["name"])
def test_a_recorded_uplink_says_its_outage_and_its_weakness(channel: dict[str, Any]) -> None:
    rates = channel["fading"]["rate_bps"]
    assert rates == sorted(rates)
    assert (rates[0] == 0) == ("min_rate_bps" in channel)
    assert channel.get("min_rate_bps", 0) < rates[1]
    assert channel["coherence_time_s"] == 1.0
    assert "forgets too fast" in channel["reference"]


@pytest.mark.parametrize("channel", RADIOS, ids=lambda channel: channel["name"])
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


# Minimum sensitivity [dBm] of MCS 0 to 7 in 20 MHz and their rates [Mbit/s] (IEEE 802.11-2016).
WIFI = {
    -82: 6.5,
    -79: 13.0,
    -77: 19.5,
    -74: 26.0,
    -70: 39.0,
    -66: 52.0,
    -65: 58.5,
    -64: 65.0,
}


def rate_bps_per_hz(channel: str, snr_db: float) -> float:
    law = by_name("channels")[channel]["rate_law"]
    gap_db = law.get("snr_gap_db", 0.0)
    shannon = math.log2(1.0 + 10.0 ** ((snr_db - gap_db) / 10.0))
    return float(min(law["max_bps_per_hz"], law["efficiency"] * shannon))


def test_wifi_promises_no_rate_below_the_sensitivity_it_needs() -> None:
    for received_dbm, rate_mbps in WIFI.items():
        ratio = 20.0 * rate_bps_per_hz("wifi-20mhz", received_dbm + 94.0) / rate_mbps
        assert 0.76 < ratio < 1.001


@pytest.mark.parametrize(
    ("channel", "snr_db", "most"), [("lte-10mhz", 15.0, 2.0), ("nr-30mhz", 22.0, 2.93)]
)
def test_a_cell_reaches_its_highest_rate_at_the_snr_of_its_source(
    channel: str, snr_db: float, most: float
) -> None:
    assert rate_bps_per_hz(channel, snr_db) == pytest.approx(most, rel=2e-3)
    assert rate_bps_per_hz(channel, snr_db - 1.0) < 0.97 * most


def test_a_picture_is_smaller_the_more_it_may_lose() -> None:
    for model in MODELS.values():
        first = model["cuts"][0]
        if model["name"] == measured_cuts.MODEL:  # its input is the 8-bit picture already
            assert first["feature_byte"] == 224 * 224 * 3
            continue
        picture, *lossy = first["codecs"]
        assert (picture["name"], picture["byte"], picture["loss"]) == (
            "rgb8",
            first["feature_byte"] // 4,
            0.0,
        )
        assert all(0.0 < codec["loss"] < 0.2 for codec in lossy)
        webp = [codec for codec in lossy if codec["name"].startswith("webp")]
        assert all(
            one["byte"] < other["byte"] and one["loss"] > other["loss"]
            for one, other in pairwise(webp)
        )


def test_a_network_answers_a_thousand_classes() -> None:
    assert {model["result_byte"] for model in MODELS.values()} == {4 * 1000}


@each_timing
def test_a_timing_names_what_is_shipped_and_covers_every_cut(timing: dict[str, Any]) -> None:
    assert timing["processor"] in (DEVICES if timing["processor_kind"] == "device" else SERVERS)
    assert len(timing["cuts"]) == len(MODELS[timing["model"]]["cuts"])
    assert timing["name"] == f"{timing['processor']}.{timing['model']}"
    # Only one source times the cuts themselves.
    published = timing["model"] == measured_cuts.MODEL
    assert timing["provenance"] == ("published" if published else "analytic")


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
    if timing["model"] == measured_cuts.MODEL:
        return  # measured one by one: a cut may come out faster than the one before
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


def test_the_measured_cuts_are_followed_by_their_fit_and_by_the_work() -> None:
    (timing,) = (each for each in shipped("timings") if each["model"] == measured_cuts.MODEL)
    flop = [cut["flop"] for cut in MODELS[measured_cuts.MODEL]["cuts"]]
    for entry, work in zip(timing["cuts"][1:], flop[1:], strict=True):
        for level in entry["levels"]:
            fitted_s = device_time_s(entry, work, level["frequency_hz"])
            assert fitted_s == pytest.approx(level["mean_s"], rel=0.06)
    for clock_hz in DEVICES[measured_cuts.DEVICE]["frequency_levels_hz"]:
        times = [
            level["mean_s"]
            for entry in timing["cuts"]
            for level in entry["levels"]
            if level["frequency_hz"] == clock_hz
        ]
        assert all(after > 0.95 * before for before, after in pairwise(times))


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
    assert {model for _, model in timed} | {measured_cuts.MODEL} <= set(MODELS)
