"""From visits to the file, and what is said of the clock."""

import json
from pathlib import Path

import pytest

from profiler.journal import Journal, Reading, Sitting, Visit
from profiler.measurement import document, steadiness, times, write


def a_visit(
    order: int,
    cut: int = 1,
    hz: tuple[float | None, float | None] = (1e9, 1e9),
    asked: float | None = None,
) -> Visit:
    device, server = Reading(1.0 + order, 0.01, 0), Reading(2.0 + order, 0.02, order)
    return Visit(0, 0, order, 0, cut, order, asked, *hz, device, server)


def test_the_file_groups_samples_by_cut_part_and_clock(tmp_path: Path) -> None:
    visits = [
        a_visit(0),
        a_visit(1, hz=(1.003e9, 1.004e9)),
        a_visit(2, hz=(1.2e9, 1.2e9)),
        a_visit(3, hz=(1e9, 1.2e9)),
        a_visit(4, cut=2)._replace(server=None),
    ]
    with Journal(tmp_path / "j", {}) as journal:
        journal.sit(Sitting(0, "2026-11-20T09:00:00+00:00"))
        for visit in visits:
            journal.add(visit)
        journal.sit(Sitting(1, "2026-11-20T09:01:00+00:00"))
    content = document(journal, "net", "0" * 64, "box", {"threads": "1"})
    (session,) = content["sessions"]  # the second sitting has no samples
    assert session["started_at"] == "2026-11-20T09:00:00+00:00"
    told = {
        (s["cut"], s["part"], s["frequency_hz"]): (s["order"], s["time_s"])
        for s in session["samples"]
    }
    assert told == {
        (1, "device", None): ([3], [4.0]),
        (1, "server", None): ([3], [5.0]),
        (1, "device", 1.00175e9): ([0, 1], [1.0, 2.0]),
        (1, "server", 1.00175e9): ([0, 1], [2.0, 3.0]),
        (1, "device", 1.2e9): ([2], [3.0]),
        (1, "server", 1.2e9): ([2], [4.0]),
        (2, "device", 1e9): ([4], [5.0]),
    }
    assert session["samples"][1]["involuntary_switches"] == [3]
    assert "requested_hz" not in session["samples"][0]


@pytest.mark.parametrize(
    ("visits", "steady", "said"),
    [
        ([a_visit(0), a_visit(1)], True, "the clock was steady: 1e+09 to 1e+09 Hz in 2 visits"),
        ([a_visit(0), a_visit(1, hz=(1e9, 1.1e9))], False, "changed during 1"),
        ([a_visit(0), a_visit(1, hz=(1.1e9, 1.1e9))], False, "wandered between them"),
        ([a_visit(0, asked=1e9), a_visit(1, asked=1.1e9, hz=(1.1e9, 1.1e9))], True, "steady"),
        ([a_visit(0, asked=1e9), a_visit(1, asked=1.1e9)], False, "was not the requested one in 1"),
        ([a_visit(0, hz=(None, None))], True, "cannot be read: whether it was steady is not known"),
    ],
)
def test_what_is_said_of_the_clock(visits: list[Visit], steady: bool, said: str) -> None:
    found = steadiness(visits)
    assert found.steady is steady
    assert said in found.told()


def test_halves_that_vary_together_correlate() -> None:
    (found,) = times([a_visit(order) for order in range(5)])
    assert found.correlation() == pytest.approx(1.0)
    (alone,) = times([a_visit(0)._replace(server=None)])
    assert alone.correlation() is None
    assert len(alone.server_s) == 0


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write({"a": 1}, path)
    with pytest.raises(TypeError):
        write({"a": object()}, path)
    assert json.loads(path.read_text()) == {"a": 1}
