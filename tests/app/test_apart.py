"""Children that read for the service, and end in its place."""

from collections.abc import Iterator

import pytest

from app.apart import Apart, Broken, Busy, Late


@pytest.fixture
def apart() -> Iterator[Apart]:
    made = Apart("tests.support.dying", 2**31, time_s=60.0)
    yield made
    made.close()


def test_a_child_stays_until_it_ends_over_something(apart: Apart) -> None:
    first, content = apart.ask({"n": 1}, b"bytes")
    assert (first["told"], content) == ({"n": 1}, b"bytes")
    again, _ = apart.ask({}, b"")
    assert again["pid"] == first["pid"]
    for how in ("die", "fill"):  # told to end, and held to its memory
        with pytest.raises(Broken):
            apart.ask({"do": how}, b"")
    other, _ = apart.ask({}, b"x" * 10_000_000)
    assert other["pid"] != first["pid"]
    after, _ = apart.ask({}, b"")
    assert after["pid"] != other["pid"], "what was large leaves nothing behind"


@pytest.mark.slow
def test_who_takes_too_long_is_ended() -> None:
    hasty = Apart("tests.support.dying", 2**31, time_s=0.2)
    with pytest.raises(Late):
        hasty.ask({"do": "sleep"}, b"")
    none = Apart("tests.support.dying", 2**31, time_s=0.01, at_once=1)
    with none._turns, pytest.raises(Busy):
        none.ask({}, b"")
