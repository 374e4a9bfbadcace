"""Plain CSV with units in the heading."""

import numpy as np
import pytest

from app.measurements.power.logs.columns import read_columns
from app.measurements.power.logs.lines import LONGEST_LINE, How
from app.measurements.power.sheet import as_csv
from tests.support.power import refused_at


def read(text: str, how: How | None = None) -> object:
    return read_columns(text.encode(), how or How())


def test_units_are_those_of_the_heading() -> None:
    sheet = read_columns(
        b"\xef\xbb\xbfclock_MHz, time_ms, energy_mJ, wait_us, idle_mW, workload, run\r\n"
        b'600,200,500,1000,1500,"cut 1, whole",a\r\n# a comment\r\n\r\n1200,100,400,0,,,\r\n',
        How(),
    )
    assert sheet.rows.frequency_hz == pytest.approx([6e8, 1.2e9])
    assert sheet.rows.time_s == pytest.approx([0.2, 0.1])
    assert sheet.rows.energy_j == pytest.approx([0.5, 0.4])
    assert sheet.rows.wait_s == pytest.approx([1e-3, 0.0])
    assert sheet.rows.idle_w[0] == pytest.approx(1.5)
    assert np.isnan(sheet.rows.idle_w[1])
    assert sheet.workloads == ("cut 1, whole", "busy")
    assert sheet.runs == ("a", "line 5")
    assert sheet.pointer(1, "energy_j") == "/lines/5/energy_j"


def test_powers_and_idle_rows() -> None:
    sheet = read_columns(b"power_w,frequency_hz,workload\n2,1e9,\n1,,idle\n", How())
    assert sheet.idle().tolist() == [False, True]
    assert np.isnan(sheet.rows.energy_j).all()


def test_a_clock_said_once_is_that_of_all() -> None:
    sheet = read_columns(b"power_w\n2\n3\n", How(frequency_hz=1e9))
    assert sheet.rows.frequency_hz.tolist() == [1e9, 1e9]


def test_what_is_written_can_be_read() -> None:
    sheet = read_columns(
        b"clock_ghz,time_s,energy_j,wait_s,workload,run\n0.6,0.2,0.5,0.1,a,x\n1.2,0.1,0.4,0,b,y\n",
        How(),
    )
    again = read_columns(
        b"".join(as_csv(sheet.rows, list(sheet.workloads), list(sheet.runs))), How()
    )
    for name in ("frequency_hz", "time_s", "energy_j", "power_w", "idle_w", "wait_s", "run"):
        assert np.array_equal(getattr(sheet.rows, name), getattr(again.rows, name), equal_nan=True)
    assert again.workloads == sheet.workloads


HEAD = "clock_mhz,time_ms,energy_mj\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("clock,time_s,energy_j\n", 1, "names no unit: one of clock_hz, clock_khz, clock_mhz"),
        ("clock_mhz,time_min,energy_j\n", 1, "names no unit: one of time_s"),
        ("clock_mhz,voltage,energy_j\n", 1, "there is no column 'voltage'; those read here are"),
        ("clock_mhz,frequency_hz\n", 1, "two columns of frequency_hz"),
        (HEAD + "1,2\n", 2, "has 2 cells under a heading of 3"),
        (HEAD + '1,"2,3\n', 2, "is no CSV"),
        (HEAD + "600,200,x\n", 2, "energy_j must be a number, not 'x'"),
        (HEAD + "600,nan,2\n", 2, "time_s must be from"),
        (HEAD + "600,0,2\n", 2, "time_s must be from 1e-12"),
        (HEAD + "600,-3,2\n", 2, "time_s must be from 1e-12"),
        (HEAD + "6e9,3,2\n", 2, "frequency_hz must be from 1000"),
        (HEAD + "600,,2\n", 2, "time_s is missing"),
        (HEAD + ",2,2\n", 2, "frequency_hz is missing"),
        (HEAD + "600,2,\n", 2, "give one of energy and power"),
        ("clock_mhz,power_w,wait_s\n600,2,1\n", 2, "wait_s belongs to an energy"),
        ("clock_mhz,time_s,energy_j,workload\n6,2,1,idle\n", 2, "where nothing runs"),
        (HEAD + "600,2," + "9" * LONGEST_LINE + "\n", 2, "is longer than"),
    ],
)
def test_a_bad_line_is_named(text: str, line: int, words: str) -> None:
    pointer, detail = refused_at(lambda: read(text))
    if line:
        assert pointer == f"/lines/{line}"
        assert detail.startswith(f"line {line}: ")
    assert words in detail


def test_what_is_no_text_is_refused() -> None:
    pointer, detail = refused_at(lambda: read_columns(b"clock_mhz\n\xff\xfe\n", How()))
    assert (pointer, "no UTF-8" in detail) == ("/lines/2", True)


@pytest.mark.parametrize("text", ["", "\n\n", HEAD])
def test_an_empty_file_is_refused(text: str) -> None:
    assert refused_at(lambda: read(text)) == ("", "has no rows")


def test_no_more_is_read_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.measurements.power.logs.lines.MOST_SAMPLES", 3)
    pointer, detail = refused_at(lambda: read(HEAD + "600,2,2\n" * 5))
    assert pointer == "/lines/5"
    assert "more than 3 samples" in detail


def test_a_body_of_nothing_but_lines_is_refused_before_it_is_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.measurements.power.logs.lines.MOST_LINES", 10)
    assert "more than 10 lines" in refused_at(lambda: read("#\n" * 11))[1]
