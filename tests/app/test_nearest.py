"""Names near one that does not exist."""

import pytest

from app.nearest import nearest

BOARDS = ["jetson-xavier-nx-cpu", "jetson-xavier-nx-gpu", "raspberry-pi-4-cpu", "nvidia-t4"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("jetson-xavir-nx-cpu", ["jetson-xavier-nx-cpu", "jetson-xavier-nx-gpu"]),
        ("Raspberry", ["raspberry-pi-4-cpu"]),
        ("t4", ["nvidia-t4"]),
        ("camera-cpu", []),
        ("n", []),
        ("", []),
    ],
)
def test_slips_and_parts_of_names_are_found_and_other_names_are_not(
    name: str, near: list[str]
) -> None:
    assert nearest(name, BOARDS) == near


def test_the_nearest_of_thousands_comes_first() -> None:
    names = [f"camera-{n}" for n in range(20_000)]
    assert nearest("kamera-12345", names)[0] == "camera-12345"
