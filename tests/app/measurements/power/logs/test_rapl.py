"""Readings of an energy counter."""

import pytest

from app.measurements.power.logs.lines import How
from app.measurements.power.logs.rapl import read_rapl
from tests.support.power import refused_at

HEADING = "time_s,energy_uj,frequency_mhz,max_energy_range_uj"


def test_two_readings_make_a_power() -> None:
    heading = "timestamp_ms,energy_uj,clock_khz"
    body = f"{heading}\n0,1000000,800000\n500,2000000,800000\n2500,5000000,804000"
    sheet = read_rapl(body.encode(), How())
    assert sheet.rows.power_w.tolist() == pytest.approx([2.0, 1.5])
    assert sheet.rows.frequency_hz.tolist() == [8e8, 8.04e8]
    assert sheet.lines == (3, 4)


def test_a_counter_that_begins_again_is_followed() -> None:
    """At 262,143,328,850 µJ, as the counters of many packages do."""
    body = f"{HEADING}\n0,262143000000,2000,262143328850\n1,12000000,2000,262143328850"
    sheet = read_rapl(body.encode(), How())
    assert sheet.rows.power_w.tolist() == pytest.approx([12.0 + 0.328850])


def test_where_the_clock_changed_there_is_no_power() -> None:
    body = f"{HEADING}\n0,0,1000,\n1,2000000,2000,\n2,6000000,2000,"
    sheet = read_rapl(body.encode(), How())
    assert sheet.rows.power_w.tolist() == [4.0]
    assert sheet.dropped == 1


def test_nothing_is_taken_across_marks() -> None:
    body = (
        "time_s,energy_uj\n# idle\n0,0\n1,1000000\n"
        "# run a frequency_hz=1e9 time_s=0.2\n9,90000000\n10,93000000\n"
    )
    sheet = read_rapl(body.encode(), How())
    assert sheet.rows.power_w.tolist() == pytest.approx([1.0, 3.0])
    assert sheet.idle().tolist() == [True, False]
    assert sheet.rows.time_s[1] == 0.2


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ("0,5,1000,\n1,4,1000,", 3, "add the column max_energy_range_uj"),
        ("0,900,1000,100\n1,4,1000,100", 3, "fell by more than its max_energy_range_uj"),
        ("1,4,1000,\n1,5,1000,", 3, "sort by time"),
        ("0,4,,\n1,5,,", 3, "does not say its clock"),
        ("0,,1000,", 2, "energy_j is missing"),
        ("0,4,1000,\n1e-9,1e18,1000,", 3, "the power since the line before must be"),
    ],
)
def test_a_bad_line_is_named(rows: str, line: int, words: str) -> None:
    pointer, detail = refused_at(lambda: read_rapl(f"{HEADING}\n{rows}".encode(), How()))
    assert pointer == f"/lines/{line}"
    assert words in detail


def test_one_reading_is_no_power() -> None:
    _, detail = refused_at(lambda: read_rapl(f"{HEADING}\n0,4,1000,".encode(), How()))
    assert "two readings" in detail
