"""Ticks at round numbers, and units with the prefix that makes them short."""

import pytest

from app.figures.scales import axis_unit, log_ticks, percent, plain, quantity, round_up, ticks


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0123, "s", "12.3 ms"),
        (0.9999, "s", "1 s"),
        (0.00099999, "s", "1 ms"),
        (4.38e11, "FLOP/s", "438 GFLOP/s"),
        (0.0, "J", "0 J"),
        (-0.002, "J", "-2 mJ"),
        (1e-15, "J", "0.001 pJ"),
        (80.88, "%", "80.9 %"),
        (123456.0, None, "123 456"),
        (float("nan"), "s", "– s"),
    ],
)
def test_quantities(value: float, unit: str | None, said: str) -> None:
    assert quantity(value, unit).replace("\u202f", " ") == said


def test_ticks_are_round_and_within_the_axis() -> None:
    assert [plain(tick) for tick in ticks(0.0, 0.7, 4)] == ["0", "0.2", "0.4", "0.6"]
    assert ticks(0.0, 3.0, 10, integers=True) == [0.0, 1.0, 2.0, 3.0]
    assert ticks(2.0, 2.0, 5) == [2.0]
    assert log_ticks(5e4, 2e6, 8) == [
        5e4, 1e5, 2e5, 5e5, 1e6, 2e6,
    ]  # fmt: skip
    assert log_ticks(1.0, 1e9, 4) == [1.0, 1e3, 1e6, 1e9]
    for value in (1e-12, 0.37, 1.0, 99.0, 3e9):
        assert value <= round_up(value) <= 1.6 * value


def test_parts_and_axes() -> None:
    assert percent(1.6e-9).replace("\u202f", " ") == "< 0.1 %"
    assert percent(0.167).replace("\u202f", " ") == "16.7 %"
    assert axis_unit(0.0, 0.4, "s") == (1e3, "ms")
    assert axis_unit(0.0, 1.0, "s") == (1e3, "ms")
    assert axis_unit(0.0, 100.0, "%") == (1.0, "%")
