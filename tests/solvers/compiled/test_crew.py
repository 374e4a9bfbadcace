"""Stretches of work, by however many threads."""

import threading

import pytest

from solvers.compiled.crew import each, parts


def test_stretches_cover_all_once() -> None:
    assert parts(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert parts(0, 4) == []


def test_answers_come_in_order_and_progress_reaches_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("solvers.compiled.crew.processors", lambda: 4)
    told: list[float] = []
    found = each(lambda start, stop: (start, threading.get_ident()), parts(64, 1), told.append)
    assert [start for start, _ in found] == list(range(64))
    assert told == sorted(told)
    assert each(lambda start, stop: start, [], told.append) == []


@pytest.mark.parametrize("where", ["here", "anywhere"])
def test_what_fails_ends_all_and_is_told(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solvers.compiled.crew.processors", lambda: 4)
    me, done, failing = threading.get_ident(), [], threading.Event()

    def call(start: int, stop: int) -> None:
        done.append(start)
        if where == "anywhere" or threading.get_ident() == me:
            failing.set()
            raise MemoryError("no room")
        # On a busy machine the others had done all before this thread came to anything.
        assert failing.wait(60.0)

    with pytest.raises(MemoryError, match="no room"):
        each(call, parts(100_000, 1), lambda _: None)
    assert len(done) < 100_000
