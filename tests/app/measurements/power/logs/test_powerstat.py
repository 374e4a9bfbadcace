"""What powerstat prints."""

import numpy as np
import pytest

from app.measurements.power.logs.lines import How
from app.measurements.power.logs.powerstat import read_powerstat
from tests.support.power import refused_at

HEADING = "  Time    User  Nice   Sys  Idle    IO  Run Ctxt/s  IRQ/s  Watts"
FORKS = "  Time    User  Nice   Sys  Idle    IO  Run Ctxt/s  IRQ/s Fork Exec Exit  Watts"
ROWS = """20:02:04  10.3   0.0   1.4  87.4   0.9    5  12285   4231  13.72
20:02:05  15.1   0.0   3.1  80.9   1.0    2  16479   8609  14.02"""
TAIL = """-------- ----- ----- ----- ----- ----- ---- ------ ------ ------
 Average   4.8   0.0   1.2  93.4   0.6  1.9 8394.3 3788.5  12.48
  StdDev   4.1   0.0   1.0   5.4   0.7  1.4 4870.4 2549.3   5.42
Summary:
System:  12.48 Watts on average with standard deviation 5.42"""
START = "Running for 300.0 seconds (300 samples at 1.0 second intervals).\n"


def test_rows_are_samples_and_means_are_not() -> None:
    body = f"{START}\n{HEADING}\n{ROWS}\n{TAIL}\n"
    sheet = read_powerstat(body.encode(), How(frequency_hz=1.8e9))
    assert sheet.rows.power_w.tolist() == [13.72, 14.02]
    assert sheet.rows.frequency_hz.tolist() == [1.8e9] * 2
    assert sheet.lines == (4, 5)


def test_more_columns_before_and_after_the_watts() -> None:
    row = "20:02:04  10.3   0.0   1.4  87.4   0.9    5  12285   4231    1    0    1  13.72"
    body = f"{FORKS}   pkg-0  CPU Freq\n{row}   9.11  2.41 GHz\n"
    sheet = read_powerstat(body.encode(), How())
    assert sheet.rows.power_w.tolist() == [13.72]
    assert sheet.rows.frequency_hz.tolist() == [2.41e9]


def test_marks_part_runs_at_clocks_from_idling() -> None:
    body = f"# idle\n{HEADING}\n{ROWS}\n# run fast frequency_hz=1.8e9 time_s=0.5\n{ROWS}\n"
    sheet = read_powerstat(body.encode(), How())
    assert sheet.idle().tolist() == [True, True, False, False]
    assert np.isnan(sheet.rows.frequency_hz[:2]).all()
    assert sheet.rows.time_s[2:].tolist() == [0.5, 0.5]


def test_estimates_are_left_out() -> None:
    body = f"{HEADING}\n{ROWS.replace('13.72', '13.72E')}\n20:02:06 1 0 1 9 0 5 1 4 N/A\n"
    sheet = read_powerstat(body.encode(), How(frequency_hz=1e9))
    assert sheet.rows.power_w.tolist() == [14.02]
    assert sheet.dropped == 2


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        (ROWS, 1, "keep the line above the rows"),
        (f"{HEADING}\n20:02:04  10.3   0.0", 2, "ends before its Watts"),
        (f"{HEADING}\n{ROWS}", 2, "does not say its clock: run powerstat with -f"),
        (f"# run frequency_hz=1e9\n{HEADING}\n{ROWS.replace('14.02', '-4')}", 4, "Watts must be"),
        (f"# run frequency_hz=1e9\n{HEADING}\n{ROWS.replace('14.02', 'x')}", 4, "not 'x'"),
    ],
)
def test_a_bad_line_is_named(body: str, line: int, words: str) -> None:
    pointer, detail = refused_at(lambda: read_powerstat(body.encode(), How()))
    assert pointer == f"/lines/{line}"
    assert words in detail


def test_without_rows_there_is_nothing() -> None:
    _, detail = refused_at(lambda: read_powerstat(START.encode(), How()))
    assert "has no row of powerstat" in detail
