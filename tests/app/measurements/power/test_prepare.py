"""From rows as they were sent to samples above idle."""

import numpy as np
import pytest

from app.measurements.power.logs.columns import read_columns
from app.measurements.power.logs.lines import How
from app.measurements.power.logs.tegrastats import read_tegrastats
from app.measurements.power.prepare import from_json, prepared, steadied
from app.measurements.power.schemas import PowerFile
from app.profiles.schemas.device import Device
from tests.support.builders import a_device
from tests.support.power import a_power_file, log, refused_at


def a_camera(**fields: object) -> Device:
    return Device.model_validate(a_device(**fields))


def test_clocks_of_a_run_that_wander_are_one() -> None:
    rows = read_tegrastats(log("25w_slm", "maxn_slm"), How()).rows
    assert len(np.unique(rows.frequency_hz)) > 5
    clock = steadied(rows)
    assert len(np.unique(clock[rows.run == 0])) == 1
    assert np.unique(clock[rows.run == 0])[0] == np.median(rows.frequency_hz[rows.run == 0])


def test_clocks_of_a_run_that_were_set_apart_stay_apart() -> None:
    table = "clock_mhz,power_w,run\n" + "".join(
        f"{mhz},2,a\n" for mhz in (600, 605, 700, 1000, 990)
    )
    clock = steadied(read_columns(table.encode(), How()).rows)
    assert clock.tolist() == [602.5e6, 602.5e6, 700e6, 995e6, 995e6]


def test_idle_of_the_nearest_clock_is_taken_off() -> None:
    table = (
        "clock_mhz,power_w,idle_w,workload\n200,1,,idle\n1000,2,,idle\n"
        "200,5,,a\n980,5,,a\n600,5,,a\n600,5,0.5,a\n"
    )
    sheet = read_columns(table.encode(), How())
    ready = prepared(sheet, a_camera(idle_power_w=9.0), above_idle=False, idle_power_w=None)
    assert ready.samples.above_idle().tolist() == [4.0, 3.0, 3.5, 4.5]
    assert ready.idle_power_w == 1.5
    assert ready.found == []
    above = prepared(sheet, a_camera(), above_idle=True, idle_power_w=None)
    assert above.samples.above_idle()[:3].tolist() == [5.0] * 3


def test_where_a_part_is_measured_the_profile_does_not_say_its_idle_power() -> None:
    sheet = read_tegrastats(log("maxn_slm"), How(rail="VDD_SOC"))
    device = a_camera(frequency_max_hz=1.02e9, idle_power_w=1.0)
    ready = prepared(sheet, device, above_idle=False, idle_power_w=None)
    assert ready.samples.idle_w.max() == 0.0
    assert [(one.check, one.severity) for one in ready.found] == [("idle", "warning")]


def test_a_long_log_becomes_ten_means_of_each_run() -> None:
    sheet = read_tegrastats(log("25w_slm", "maxn_slm"), How())
    device = a_camera(frequency_max_hz=1.02e9)
    ready = prepared(sheet, device, above_idle=True, idle_power_w=None)
    assert np.bincount(ready.samples.run).tolist() == [10, 10]


def test_energies_that_are_no_more_than_idle_are_refused_where_they_stand() -> None:
    body = a_power_file()
    body["sessions"][0]["samples"][4]["energy_j"] = [5.0, 0.3, 0.2]
    sheet = from_json(PowerFile.model_validate(body))
    pointer, detail = refused_at(
        lambda: prepared(sheet, a_camera(), above_idle=False, idle_power_w=None)
    )
    assert pointer == "/sessions/0/samples/4/energy_j/1"
    assert "no more than the 1.25 W of the idle device" in detail
    assert "2 samples are so" in detail


@pytest.mark.parametrize("above_idle", [True, False])
def test_a_power_of_nothing_is_refused(above_idle: bool) -> None:
    sheet = read_columns(b"clock_mhz,power_w\n600,2\n600,0\n", How())
    pointer, detail = refused_at(
        lambda: prepared(sheet, a_camera(), above_idle=above_idle, idle_power_w=None)
    )
    assert pointer == "/lines/3/power_w"
    assert detail.startswith("is no more than nothing")


def test_a_long_table_without_runs_is_one_run() -> None:
    table = "clock_mhz,power_w\n" + "".join(f"{600 + 200 * (n % 3)},2\n" for n in range(2001))
    sheet = read_columns(table.encode(), How())
    ready = prepared(sheet, a_camera(), above_idle=True, idle_power_w=None)
    assert len(ready.samples) == 30
    assert ready.runs == ("all",)
    assert [one.check for one in ready.found] == ["samples"]


def test_more_combinations_than_are_fitted_are_refused() -> None:
    rows = "".join(f"600,2,w{n},a\n" for n in range(20_001))
    sheet = read_columns(f"clock_mhz,power_w,workload,run\n{rows}".encode(), How())
    _, detail = refused_at(lambda: prepared(sheet, None, above_idle=True, idle_power_w=None))
    assert "more than the 20000 that are fitted" in detail
