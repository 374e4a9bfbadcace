"""Turns are given in the order in which they were asked for."""

import threading
from collections.abc import Callable
from functools import partial

from app.turns import Turns

PATIENCE_S = 20.0


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_whoever_comes_first_goes_first() -> None:
    turns, served = Turns(), list[int]()
    assert turns.take(PATIENCE_S)
    asked = [threading.Event() for _ in range(8)]

    def wait(number: int) -> None:
        asked[number].set()
        assert turns.take(PATIENCE_S)
        served.append(number)
        turns.hand_on()

    threads = []
    for number in range(8):
        threads.append(begun(partial(wait, number)))
        asked[number].wait(PATIENCE_S)
        while len(turns) < number + 1:  # until it waits
            threading.Event().wait(0.001)
    assert served == []
    turns.hand_on()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert served == list(range(8))
    assert turns.take(0.0), "and the last one gave it back"


def test_who_does_not_wait_any_more_is_passed_over() -> None:
    turns = Turns()
    assert turns.take(0.0)
    assert not turns.take(0.01)
    assert len(turns) == 0
    turns.hand_on()
    assert turns.take(0.0)
