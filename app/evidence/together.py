"""Calls of several threads carried out by one of them: one transaction for all who wait."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(slots=True)
class _Turn(Generic[Asked, Told]):
    """A call that waits; carried out once it has an answer or a fault."""

    asked: Asked
    size: int
    told: Told | None = None
    fault: Exception | None = None
    done: bool = False


class Together(Generic[Asked, Told]):
    """Whoever comes while others are being carried out waits, and goes with all who wait too.

    A commit has to reach the disk before it is answered; this way many share one, and none of them
    has to look again and again whether the database is free.
    """

    def __init__(self, act: Callable[[Sequence[Asked]], Sequence[Told]], most: int) -> None:
        """`act` answers calls in their order, or raises and has done nothing."""
        self._act, self._most = act, most
        self._waiting: list[_Turn[Asked, Told]] = []
        self._guard, self._acting = threading.Lock(), threading.Lock()

    def carry_out(self, asked: Asked, size: int) -> Told:
        """Carry out a call, with others up to the most in size. Raises what `act` raises of it."""
        turn = _Turn[Asked, Told](asked, size)
        with self._guard:
            self._waiting.append(turn)
        while not turn.done:
            with self._acting:
                if not turn.done:
                    self._act_on(self._taken())
        if turn.fault is not None:
            raise turn.fault
        return turn.told  # type: ignore[return-value]  # it is done, and has no fault

    def _taken(self) -> list[_Turn[Asked, Told]]:
        """Those who have waited longest, at least one."""
        with self._guard:
            taken, size = 1, self._waiting[0].size
            while taken < len(self._waiting) and size + self._waiting[taken].size <= self._most:
                size += self._waiting[taken].size
                taken += 1
            turns, self._waiting = self._waiting[:taken], self._waiting[taken:]
            return turns

    def _act_on(self, turns: list[_Turn[Asked, Told]]) -> None:
        try:
            told = self._act([turn.asked for turn in turns])
        except Exception as fault:
            if len(turns) > 1:  # one that fails does not take the others with it
                for turn in turns:
                    self._act_on([turn])
            else:
                turns[0].fault, turns[0].done = fault, True
        else:
            for turn, answer in zip(turns, told, strict=True):
                turn.told, turn.done = answer, True
