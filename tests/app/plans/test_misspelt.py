"""Ids that look like slips of others."""

import pytest

from app.plans.misspelt import fold, slip_of

KNOWN = dict.fromkeys(["camera-12", "lobby", "door-a", "door-b", "rack1-12", "north", "nortH-gate"])


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("CAMERA 12", "camera-12"),
        ("camera-I2", "camera-12"),
        ("camera12", None),
        ("cameras-12", "camera-12"),
        ("cmera-12", "camera-12"),
        ("acmera-12", "camera-12"),
        ("camera-21", None),
        ("door-c", None),
        ("rack11-2", None),
        ("lobbyist", None),
        ("", None),
        ("x" * 128, None),
    ],
)
def test_a_slip_is_of_one_letter_or_of_how_it_looks(key: str, meant: str | None) -> None:
    assert slip_of(key, KNOWN, {fold(known): known for known in KNOWN}) == meant
