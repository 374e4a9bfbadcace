"""A cell that is solved, with what must hold of every answer."""

import pytest

from solvers.multiuser.check import check
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve import solve
from solvers.outcome import Options, Solution, Status


def solved(problem: Problem, gap: float = 1e-9) -> Solution:  # type: ignore[type-arg]
    """Solved, and what must hold of every answer."""
    answer = solve(problem, Options(gap=gap))
    if answer.decision is not None:
        certificate = check(problem, answer.decision)
        assert certificate.holds, certificate.violations
        assert certificate.objective == pytest.approx(answer.objective, rel=1e-12)
        assert answer.lower_bound <= answer.objective
        assert (answer.status is Status.OPTIMAL) == (answer.gap <= gap)
    return answer
