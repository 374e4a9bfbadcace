"""Recorded uplinks as rates of equal periods."""

from pathlib import Path

import pytest

from app.catalogue.tools.lines import FileFault
from app.catalogue.tools.traces import mahimahi, table


def written(folder: Path, text: str) -> Path:
    path = folder / "trace"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_period_is_as_long_as_asked(tmp_path: Path) -> None:
    path = written(tmp_path, "1\n100\n101\n200\n200\n250\n")
    assert mahimahi(path, 0.1) == pytest.approx([240e3, 360e3])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\n-5\n", "line 2: '-5' is no whole number"),
        ("1.5\n", "line 1: '1.5' is no whole number"),
        ("5\n4\n", "line 2: 4 ms comes behind 5 ms"),
        ("", "within its first period"),
        ("999999999999999\n", "more than 1000000 periods"),
        ("9" * 200_000, "is longer than"),
    ],
)
def test_a_trace_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FileFault) as fault:
        mahimahi(written(tmp_path, text), 1.0)
    assert words in fault.value.detail


@pytest.mark.parametrize(
    ("header", "per"),
    [
        ("time_s,uplink_mbps", 1e6),
        ("Time [ms],Throughput (kbit/s)", 1e3),
        ("second,rate_bps", 1.0),
        ("timestamp_s,DL_bps_total,rate_gbps", None),
    ],
)
def test_a_column_names_its_unit(tmp_path: Path, header: str, per: float | None) -> None:
    step = 1000 if "ms" in header.partition(",")[0] else 1
    rows = "".join(f"{n * step},{n}.5,7\n" for n in range(4))
    rates, period_s = table(written(tmp_path, f"{header}\n{rows}"), None, None)
    assert period_s == 1.0
    assert rates == pytest.approx([per * (n + 0.5) for n in range(4)] if per else [7e9] * 4)


def test_rows_name_their_units(tmp_path: Path) -> None:
    path = written(tmp_path, "3.5,Mbits/sec\n700,Kbits/sec\n0,bits/sec\n")
    assert table(path, None, 1.0) == ([3.5e6, 7e5, 0.0], 1.0)
    with pytest.raises(FileFault, match="--period-s"):
        table(path, None, None)


def test_samples_are_averaged_over_longer_periods(tmp_path: Path) -> None:
    path = written(tmp_path, "time_s,r_mbps\n0,1\n0.5,3\n1,5\n1.5,7\n2,9\n")
    assert table(path, None, 1.0) == (pytest.approx([2e6, 6e6]), 1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_s,rate\n0,1\n1,2\n", "line 1: no column names a rate with its unit"),
        ("time_s,rate_MBps\n0,1\n1,2\n", "no column names a rate"),
        ("time_s,a_mbps,b_mbps\n0,1,1\n1,2,2\n", "--column"),
        ("time,a_mbps\n0,1\n1,2\n", "names a time with its unit"),
        ("time_s,a_mbps\n0,1\n1,2\n5,2\n6,2\n", "line 4: comes 4 s behind"),
        ("time_s,a_mbps\n0,1\n0,2\n", "line 3: is not later"),
        ("time_s,a_mbps\n0,1\n1,inf\n", "line 3: a_mbps is 'inf'"),
        ("time_s,a_mbps\n0,1\n1\n", "line 3: has 1 of 2 columns"),
        ("time_s,a_mbps\n0,1\n", "fewer than two samples"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FileFault) as fault:
        table(written(tmp_path, text), None, None)
    assert words in fault.value.detail
