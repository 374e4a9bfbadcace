"""Calls of several threads carried out by one of them: one transaction for all who wait."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.hands import resting

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
    bell: threading.Event = field(default_factory=threading.Event)
    """Rings when it is done, or is to carry out those who wait."""


class Together(Generic[Asked, Told]):
    """Whoever comes while others are being carried out waits, and goes with all who wait too.

    A commit has to reach the disk before it is answered; this way many share one, and none of them
    has to look again and again whether the database is free.
    """

    def __init__(
        self,
        act: Callable[[Sequence[Asked]], Sequence[Told]],
        most: int,
        of_all: tuple[type[Exception], ...] = (),
    ) -> None:
        """`act` answers calls in their order, or raises and has done nothing; `of_all`: what it
        raises whatever it is asked, so that none of them is tried by itself.
        """
        self._act, self._most, self._of_all = act, most, of_all
        self._waiting: list[_Turn[Asked, Told]] = []
        self._guard, self._acting = threading.Lock(), False

    def carry_out(self, asked: Asked, size: int) -> Told:
        """Carry out a call, with others up to the most in size. Raises what `act` raises of it."""
        turn = _Turn[Asked, Told](asked, size)
        with self._guard:
            self._waiting.append(turn)
            mine, self._acting = not self._acting, True
        if not mine:
            resting()
            turn.bell.wait()
        if not turn.done:
            try:
                self._act_on(self._taken())
            finally:
                self._hand_on()
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

    def _hand_on(self) -> None:
        """Have whoever waits longest carry out the next."""
        with self._guard:
            self._acting = bool(self._waiting)
            if self._waiting:
                self._waiting[0].bell.set()

    def _act_on(self, turns: list[_Turn[Asked, Told]]) -> None:
        try:
            told = self._act([turn.asked for turn in turns])
        except Exception as fault:
            if len(turns) > 1 and not isinstance(fault, self._of_all):
                for turn in turns:  # one that fails does not take the others with it
                    self._act_on([turn])
                return
            for turn in turns:
                turn.fault, turn.done = fault, True
        except BaseException as stopped:  # none of them may wait for ever
            for turn in turns:
                turn.fault, turn.done = RuntimeError(f"stopped by {stopped!r}"), True
            raise
        else:
            for turn, answer in zip(turns, told, strict=True):
                turn.told, turn.done = answer, True
        finally:
            for turn in turns:
                if turn.done:
                    turn.bell.set()
