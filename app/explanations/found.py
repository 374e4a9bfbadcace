"""What the families find, in the form that is answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from solvers.arrays import Floats
from solvers.thresholds import Flip

Json = dict[str, Any]

# A tenth less and more of a deadline.
FACTORS = (0.9, 1.1)


class _Change(Protocol):
    @property
    def deadline_s(self) -> float: ...
    @property
    def at_least(self) -> float: ...
    @property
    def at_most(self) -> float: ...


def number(value: float | None) -> float | None:
    """JSON has no NaN or infinity: both are null."""
    return None if value is None or not math.isfinite(value) else float(value)


def interval(low: float, high: float) -> Json:
    """Proven ends; the lower one is never above the other but for rounding."""
    return {"at_least": number(min(low, high)), "at_most": number(high)}


def thresholds(quantity: str, now: float, found: Iterable[Flip], scale: Any = float) -> list[Json]:
    """Where cuts would win, as they are answered; `scale` makes the answer's unit of the
    solver's.
    """
    return [
        {
            "option": flip.option,
            "quantity": quantity,
            "direction": "higher" if flip.wins_at > now else "lower",
            "now": scale(now),
            "wins_at": scale(flip.wins_at),
            "loses_at": scale(flip.loses_at),
        }
        for flip in found
    ]


def of_cut(found: Iterable[Json], option: int) -> list[Json]:
    """Those of one cut."""
    return [
        {name: value for name, value in each.items() if name != "option"}
        for each in found
        if each["option"] == option
    ]


def dearer_by(costs: Floats | Sequence[float], k: int) -> float | None:
    """What a cut costs more than the cheapest other one."""
    others = [float(cost) for n, cost in enumerate(costs) if n != k]
    return number(float(costs[k]) - min(others, default=math.inf))


def deadlines(changes: Iterable[_Change]) -> list[Json]:
    """What other deadlines would change."""
    return [
        {"deadline_s": each.deadline_s, "change": interval(each.at_least, each.at_most)}
        for each in changes
    ]
