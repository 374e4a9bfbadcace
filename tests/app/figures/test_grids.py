"""Units of axes and measures."""

import pytest

from app.figures.grids import unit_of


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("deadline_s", "s"),
        ("bandwidth_used_hz", "Hz"),
        ("memory_byte", "B"),
        ("capacity_flop_per_s", "FLOP/s"),
        ("noise_psd_dbm_per_hz", None),
        ("energy_cost_per_j", None),
        ("objective", None),
    ],
)
def test_a_unit_is_what_the_whole_suffix_says(name: str, unit: str | None) -> None:
    assert unit_of(name) == unit
