"""Cells planned anew for an explanation, as far as that is quickly done; nothing is stored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from app.explanations import found
from solvers.outcome import Options
from solvers.progress import Progress
from solvers.registry import answer

Json = dict[str, Any]

# Cells of at most so many users are planned anew, as often as there is time for.
_USERS = 32
# Of this thread's processor: what is told must not depend on what else the machine does.
_TIME_S = 2.0


class Anew:
    """What a cell would spend if one thing was different.

    Parameters
    ----------
    problem : a cell of a family whose users share something.
    objective : of its plan.
    room : how far that lies above L at the prices; infinite where it is not known.
    whole : whether the problem is the whole cell.
    """

    def __init__(self, problem: Any, objective: float, room: float, *, whole: bool) -> None:
        self.problem, self.objective, self.room = problem, objective, room
        self._few = whole and problem.users <= _USERS and math.isfinite(room)
        self._time = Progress(time_limit_s=_TIME_S, clock=time.thread_time)

    def _solved(self, changed: Callable[[], Any]) -> tuple[float, float] | None:
        """Proven ends of the least objective of a changed cell, infinite where it has no plan; None
        where there is no time, and the cell is not laid out.
        """
        if not self._few or self._time.over():
            return None
        left = self._time.part()
        solution, _ = answer(changed(), Options(), left)
        if solution.objective is None or solution.lower_bound is None:
            proven = solution.infeasibility is not None and solution.infeasibility.proven
            return (math.inf, math.inf) if proven else None
        return solution.lower_bound, solution.objective

    def without(self, user: int, spent: float, least: float) -> Json:
        """What it would spend less without a user, who spends `spent` and at the prices `least`."""
        low, high = spent, self.room + least
        proof = "lagrangian" if math.isfinite(high) else "none"
        solved = self._solved_without(user)
        if solved is not None:
            low, high = max(low, self.objective - solved[1]), min(high, self.objective - solved[0])
            proof = "solved"
        return {"saved_without": found.interval(low, high), "proof": proof}

    def _solved_without(self, user: int) -> tuple[float, float] | None:
        if self._few and self.problem.users == 1:
            return 0.0, 0.0
        others = np.delete(np.arange(self.problem.users), user)
        return self._solved(lambda: self.problem.only(others))

    def with_cuts(self, cuts: Sequence[Json], held: Callable[[int], Any]) -> None:
        """Say of each cut that is feasible what it would spend more with the user at it; `held` is
        the same cell with the user held to a cut.
        """
        possible = [entry for entry in cuts if entry["feasible"]]
        least = min((entry["price_cost"] for entry in possible), default=0.0)
        for entry in possible:
            solved = self._solved(partial(held, entry["cut"]))
            entry |= self._more(entry["price_cost"] - least, solved)

    def _more(self, dearer_by: float, solved: tuple[float, float] | None) -> Json:
        """What it would spend more with a cut that is dearer by this at the prices."""
        low, high = dearer_by - self.room, math.inf
        if solved is not None:
            low = max(low, solved[0] - self.objective)
            high = solved[1] - self.objective
        if low == math.inf:  # proven: the cell has no plan with it
            return {"beside_others": False, "cell_more": found.interval(low, low)}
        known: Json = {"beside_others": True} if high < math.inf else {}
        if math.isfinite(low) or known:
            known["cell_more"] = found.interval(low, high)
        return known
