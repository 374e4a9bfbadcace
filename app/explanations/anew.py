"""Cells planned anew for an explanation, as far as that is quickly done; nothing is stored."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.explanations import found
from solvers.arrays import Floats
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

    def _solved(self, problem: Any) -> tuple[float, float] | None:
        """Proven ends of the least objective of a cell, infinite where it has no plan; None where
        there is no time.
        """
        if not self._few or self._time.over():
            return None
        left = self._time.part()
        solution, _ = answer(problem, Options(), left)
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
        return self._solved(self.problem.only(others)) if self._few else None

    def with_cuts(self, problems: Sequence[Any], costs: Floats) -> list[Json]:
        """What it would spend more with a user at each of some cuts, which cost this at the prices;
        `problems` are the same cell with the user held to each.
        """
        told = []
        for problem, cost in zip(problems, costs.tolist(), strict=False):
            low, high = cost - float(costs.min()) - self.room, math.inf
            solved = self._solved(problem)
            if solved is not None:
                low = max(low, solved[0] - self.objective)
                high = solved[1] - self.objective
            if low == math.inf:  # proven: the cell has no plan with it
                told.append({"beside_others": False, "cell_more": found.interval(low, low)})
                continue
            known: Json = {"beside_others": True} if high < math.inf else {}
            if math.isfinite(low) or known:
                known["cell_more"] = found.interval(low, high)
            told.append(known)
        return told
