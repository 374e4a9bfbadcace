"""What the families find, in the form that is answered."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

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


def _of_cut(found: Iterable[Json], option: int) -> list[Json]:
    """Those of one cut."""
    return [
        {name: value for name, value in each.items() if name != "option"}
        for each in found
        if each["option"] == option
    ]


def priced(costs: Floats, k: int, flips: Iterable[Json], *, feasible: bool) -> Json:
    """How a cut stands among the others, of which these are the costs at the prices, and what
    would have it win.
    """
    others = np.delete(costs, k)
    dearer = number(float(costs[k] - others.min(initial=math.inf))) if feasible else None
    return {
        "wins": bool(feasible and costs[k] <= costs.min()),
        "price_cost": number(float(costs[k])),
        "dearer_by": dearer,
        "wins_if": _of_cut(flips, k),
    }


def deadlines(changes: Iterable[_Change]) -> list[Json]:
    """What other deadlines would change."""
    return [
        {"deadline_s": each.deadline_s, "change": interval(each.at_least, each.at_most)}
        for each in changes
    ]
