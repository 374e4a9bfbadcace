"""Logs of Jetson boards."""

import re

import numpy as np
import pytest

from app.measurements.power.logs.lines import How
from app.measurements.power.logs.tegrastats import read_tegrastats
from tests.support.power import LOGS, log, refused_at

LINE = (
    "06-12-2026 04:17:53 RAM 2222/7607MB (lfb 17x4MB) SWAP 196/3804MB (cached 1MB)"
    " CPU [0%@1497,0%@1190,54%@1497,off,off,45%@729] EMC_FREQ 4%@2133 GR3D_FREQ 91%@[611]"
    " cpu@46.937C VDD_IN 5861mW/5561mW VDD_CPU_GPU_CV 1395mW/1300mW VDD_SOC 1515mW/1515mW"
)
OLD = (
    "RAM 1181/3964MB (lfb 2x1MB) IRAM 0/252kB(lfb 252kB) CPU [2%@102,1%@102,off,off]"
    " EMC_FREQ 0% GR3D_FREQ 40%@76 PLL@25C POM_5V_IN 2250/2100 POM_5V_GPU 125/80 POM_5V_CPU 250/99"
)


def by_hand(name: str, rail: str, least_load: int) -> list[int]:
    """Milliwatts of the lines with at least that load, cut out of the text another way."""
    found = []
    for line in (LOGS / f"{name}.tegra").read_text().splitlines():
        load = int(line.split("GR3D_FREQ ")[1].split("%")[0])
        if load >= least_load:
            found.append(int(line.split(f" {rail} ")[1].split("mW/")[0]))
    return found


@pytest.mark.parametrize("rail", ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"])
def test_a_real_log_is_read(rail: str) -> None:
    sheet = read_tegrastats(log("maxn_slm"), How(rail=rail))
    assert sheet.rows.power_w.tolist() == [1e-3 * mw for mw in by_hand("maxn_slm", rail, 30)]
    assert sheet.dropped == 34 - len(sheet.rows)
    assert sheet.part_of_device == (rail != "VDD_IN")
    assert np.all(np.abs(sheet.rows.frequency_hz - 1.007e9) < 7e6)


def test_runs_and_idle_stretches_are_told_apart() -> None:
    sheet = read_tegrastats(log("15w_idle", "15w_slm", "25w_slm"), How())
    assert sheet.runs == ("15w_idle", "15w_slm", "25w_slm")
    assert sheet.idle().sum() == 25
    assert sheet.rows.power_w[sheet.idle()].mean() == pytest.approx(4.9776)
    assert sheet.rows.power_w[sheet.rows.run == 1].mean() == pytest.approx(11.1796, rel=1e-5)
    assert sheet.rows.power_w[sheet.rows.run == 2].mean() == pytest.approx(15.8762, rel=1e-5)
    assert sheet.pointer(0, "power_w") == "/lines/2/power_w"


def test_both_forms_are_read() -> None:
    new, old = read_tegrastats(LINE.encode(), How()), read_tegrastats(OLD.encode(), How())
    assert (new.rows.power_w[0], new.rows.frequency_hz[0]) == (5.861, 611e6)
    assert (old.rows.power_w[0], old.rows.frequency_hz[0]) == (2.25, 76e6)
    assert not old.part_of_device


def test_the_busiest_core_of_the_cpu_counts() -> None:
    sheet = read_tegrastats(LINE.encode(), How(clock="cpu"))
    assert sheet.rows.frequency_hz.tolist() == [1.497e9]
    common = LINE.replace("CPU [0%@1497,0%@1190,54%@1497,off,off,45%@729]", "CPU [2%,off,80%]@1734")
    assert read_tegrastats(common.encode(), How(clock="cpu")).rows.frequency_hz[0] == 1.734e9


def test_a_mark_says_clock_time_and_workload() -> None:
    body = f"# run first frequency_hz=1.02e9 time_s=0.028 workload=decode\n{LINE}\n"
    sheet = read_tegrastats(body.encode(), How(frequency_hz=5e8))
    assert sheet.rows.frequency_hz.tolist() == [1.02e9]
    assert sheet.rows.time_s.tolist() == [0.028]
    assert (sheet.runs, sheet.workloads) == (("first",), ("decode",))


@pytest.mark.parametrize(
    ("line", "how", "words"),
    [
        ("RAM 2222/7607MB CPU [0%@1497]", How(), "has no power of a rail"),
        (LINE.replace("VDD_IN 5861mW/5561mW", ""), How(), "say rail, one of VDD_CPU_GPU_CV, VDD_S"),
        (LINE, How(rail="VDD_CV"), "has no rail 'VDD_CV': say rail, one of VDD_CPU_GPU_CV"),
        (LINE.replace("GR3D_FREQ 91%@[611]", ""), How(), "has no GR3D_FREQ"),
        (re.sub(r"CPU \[.*?\]", "", LINE), How(clock="cpu"), "has no CPU"),
        (LINE.replace("@[611]", ""), How(), "does not say the clock of the GPU: say frequency_hz"),
        (LINE.replace("@[611]", "@[0]"), How(), "does not say the clock"),
    ],
)
def test_a_bad_line_is_named(line: str, how: How, words: str) -> None:
    good = LINE if how.rail is None else LINE.replace("VDD_SOC", "VDD_CV")
    pointer, detail = refused_at(lambda: read_tegrastats(f"{good}\n\n{line}\n".encode(), how))
    assert pointer == "/lines/3"
    assert detail.startswith("line 3: ")
    assert words in detail


def test_a_log_that_was_cut_off_is_refused() -> None:
    body = log("maxn_slm")[:-60]
    pointer, detail = refused_at(lambda: read_tegrastats(body, How(rail="VDD_SOC")))
    assert pointer == "/lines/35"
    assert "delete it if it was cut off" in detail


def test_a_device_that_was_never_busy_is_refused() -> None:
    body = LINE.replace("91%@", "3%@").encode()
    _, detail = refused_at(lambda: read_tegrastats(body, How()))
    assert "at least 30 % busy; 1 lines were not" in detail
    assert len(read_tegrastats(body, How(busy_percent=0.0)).rows) == 1
