"""Calls that wait for each other are carried out in one go."""

import threading
from collections.abc import Sequence

import pytest

from app.together import Together


class Acts:
    """Doubles numbers; the first time it waits to be let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.groups.append(list(asked))
        self.begun.set()
        assert self.go.wait(60.0)
        if 13 in asked:
            raise ValueError("13")
        return [2 * one for one in asked]


def carried_out(acts: Acts, most: int, numbers: range) -> dict[int, object]:
    """What each of some callers is told, the first of them before the others, these in order."""
    together, told = Together(acts, most), dict[int, object]()

    def call(number: int) -> None:
        try:
            told[number] = together.carry_out(number, 1)
        except ValueError as fault:
            told[number] = str(fault)

    threads = [threading.Thread(target=call, args=(number,)) for number in numbers]
    threads[0].start()
    assert acts.begun.wait(60.0)
    for n, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(together._waiting) < n:
            assert thread.is_alive()
    acts.go.set()
    for thread in threads:
        thread.join()
    return told


def test_who_comes_meanwhile_goes_together() -> None:
    acts = Acts()
    assert carried_out(acts, 100, range(6)) == {n: 2 * n for n in range(6)}
    assert acts.groups == [[0], [1, 2, 3, 4, 5]]


def test_no_more_than_the_most_go_together() -> None:
    acts = Acts()
    assert carried_out(acts, 2, range(6)) == {n: 2 * n for n in range(6)}
    assert acts.groups == [[0], [1, 2], [3, 4], [5]]


def test_one_that_fails_does_not_take_the_others_with_it() -> None:
    told = carried_out(Acts(), 100, range(10, 16))
    assert told == {n: "13" if n == 13 else 2 * n for n in range(10, 16)}


def test_one_larger_than_the_most_goes_alone() -> None:
    acts = Acts()
    acts.go.set()
    assert Together(acts, 2).carry_out(7, size=5) == 14
    with pytest.raises(ValueError, match="13"):
        Together(acts, 2).carry_out(13, size=1)
