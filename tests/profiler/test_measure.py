"""What is visited, and what is kept of it."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from profiler.clocks import Clock
from profiler.journal import Journal
from profiler.measure import Plan, free_byte, measure
from profiler.measurement import document, steadiness
from profiler.network import Network, load_feeds, open_network
from tests.support.profiler import nets


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return open_network(nets.saved(nets.a_classifier(), tmp_path), folder=tmp_path)


class Wobbling(Clock):
    """A board that slows down and speeds up again."""

    def __init__(self, *readings_hz: float) -> None:
        super().__init__()
        self._readings: Iterator[float] = cycle(readings_hz)

    def read_hz(self) -> float:
        return next(self._readings)


def measured(
    network: Network, plan: Plan, path: Path, clock: Clock | None = None
) -> tuple[Journal, list[float]]:
    """The journal of a run, and its pauses."""
    pauses: list[float] = []
    with Journal(path, {}, resume=True) as journal:
        measure(network, plan, clock or Clock(), journal, lambda done, total: None, pauses.append)
    return journal, pauses


@pytest.mark.slow
def test_a_clock_that_changes_during_a_visit_is_no_clock(network: Network, tmp_path: Path) -> None:
    # Two readings a visit: steady, slowing down, slow.
    clock = Wobbling(2e9, 2e9, 2e9, 1e9, 1e9, 1e9)
    journal, _ = measured(
        network, Plan(repetitions=6, sessions=1, warm_up=0), tmp_path / "j", clock
    )
    found = steadiness(journal.visits)
    assert (found.visits, found.moved, found.wandered, found.steady) == (48, 16, True, False)
    samples = document(journal, "net", network.sha256, "box", {})["sessions"][0]["samples"]
    counts = {
        hz: sum(len(s["time_s"]) for s in samples if s["frequency_hz"] == hz)
        for hz in (None, 1e9, 2e9)
    }
    assert sum(counts.values()) == 6 * 14
    assert min(counts.values()) > 0
    (sent,) = document(journal, "net", network.sha256, "box", {}, moved=False)["sessions"]
    assert sent["samples"] == [sample for sample in samples if sample["frequency_hz"] is not None]


@pytest.mark.slow
def test_sessions_are_apart_and_what_is_done_stays_done(network: Network, tmp_path: Path) -> None:
    plan = Plan(repetitions=2, sessions=3, warm_up=0, gap_s=7.0)
    journal, pauses = measured(network, plan, tmp_path / "j")
    assert pauses == [7.0, 7.0]
    assert [sitting.session for sitting in journal.sittings] == [0, 1, 2]
    assert len(journal.visits) == 48
    again, pauses = measured(network, plan, tmp_path / "j")
    assert (again.visits, again.sittings, pauses) == (journal.visits, journal.sittings, [])


@pytest.mark.slow
@pytest.mark.parametrize("kept", [1, 17, 30, 47])
def test_an_interrupted_run_visits_what_is_missing(
    network: Network, tmp_path: Path, kept: int
) -> None:
    plan = Plan(repetitions=3, sessions=2, warm_up=0, gap_s=0.0)
    measured(network, plan, tmp_path / "j")
    lines = (tmp_path / "j").read_text().splitlines(keepends=True)
    places = [n for n, line in enumerate(lines) if '"visit"' in line]
    (tmp_path / "j").write_text("".join(lines[: places[kept - 1] + 1]))
    journal, _ = measured(network, plan, tmp_path / "j")
    assert len(journal.visits) == 48
    assert len({(visit.session, visit.round, visit.cut) for visit in journal.visits}) == 48
    for number, sitting in enumerate(journal.sittings):
        visits = [visit for visit in journal.visits if visit.sitting == number]
        assert {visit.session for visit in visits} <= {sitting.session}
        assert [visit.order for visit in visits] == list(range(len(visits)))


@pytest.mark.slow
def test_little_memory_changes_the_order_and_nothing_else(network: Network, tmp_path: Path) -> None:
    journal, _ = measured(
        network, Plan(repetitions=2, sessions=1, warm_up=1, memory_byte=1), tmp_path / "j"
    )
    assert len({(visit.round, visit.cut) for visit in journal.visits}) == len(journal.visits) == 16
    cuts = [visit.cut for visit in journal.visits]
    assert len(set(cuts[:8])) == 8  # a round of each cut in each of the two passes


@pytest.mark.slow
def test_several_threads_are_all_counted(network: Network, tmp_path: Path) -> None:
    journal, _ = measured(network, Plan(repetitions=1, sessions=1, threads=2), tmp_path / "j")
    readings = [visit.device for visit in journal.visits if visit.device is not None]
    assert all(reading.cpu_time_s > 0 for reading in readings)


def test_given_inputs_are_what_runs(tmp_path: Path) -> None:
    path = nets.saved(nets.a_classifier(), tmp_path)
    np.savez(tmp_path / "in.npz", image=nets.an_image(5)["image"], other=np.zeros(1))
    network = open_network(path, feeds=load_feeds(tmp_path / "in.npz"))
    assert network.feeds.keys() == {"image"}
    np.testing.assert_array_equal(network.feeds["image"], nets.an_image(5)["image"])
    for wrong, said in (
        ({}, "inputs image are not among"),
        ({"image": np.zeros((1, 3), np.float32)}, "has the shape"),
        ({"image": np.zeros(nets.IMAGE)}, "is float64, not float32"),
    ):
        with pytest.raises(ValueError, match=said):
            open_network(path, feeds=wrong)


def test_free_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 8 kB\nMemAvailable:   5 kB\n")
    assert free_byte(tmp_path / "meminfo") == 5120
    assert free_byte() > 1e6
    (tmp_path / "meminfo").write_text("MemTotal: 8 kB\n")
    with pytest.raises(OSError, match="give --memory-mb"):
        free_byte(tmp_path / "meminfo")
