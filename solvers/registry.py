"""One question, one answer: the type of a problem says which family solves it, and no answer leaves unchecked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import solvers.robust.check
import solvers.robust.problem
import solvers.robust.solve
from solvers.outcome import Certificate, Options, Report, Solution, silent

# What the witness recomputes may differ from what the solver claims by rounding only.
_AGREEMENT = 1e-9


@dataclass(frozen=True, slots=True)
class Family:
    """The two rooms that `answer` needs of a family."""

    solve: Callable[[Any, Options, Report], Solution[Any, Any]]
    check: Callable[[Any, Any], Certificate]


FAMILIES: dict[type, Family] = {
    solvers.robust.problem.Problem: Family(solvers.robust.solve.solve, solvers.robust.check.check),
}


class RefutedAnswer(Exception):
    """The witness contradicts the solver: a fault of ours, kept with its evidence and never answered as a plan."""

    def __init__(self, solution: Solution[Any, Any], certificate: Certificate) -> None:
        broken = [(v.constraint, v.user, v.excess) for v in certificate.violations[:5]]
        super().__init__(
            f"objective {solution.objective} with bound {solution.lower_bound}, "
            f"recomputed as {certificate.objective}; broken constraints: {broken}"
        )
        self.solution = solution
        self.certificate = certificate


def answer(
    problem: Any, options: Options | None = None, report: Report = silent
) -> tuple[Solution[Any, Any], Certificate | None]:
    """Solve, then check.

    Returns
    -------
    The solution, and the witness's certificate where there is a decision.

    Raises
    ------
    RefutedAnswer
        where the certificate does not hold or the objectives differ by more than rounding.
    """
    family = FAMILIES[type(problem)]
    solution = family.solve(problem, options or Options(), report)
    if solution.decision is None:
        return solution, None
    certificate = family.check(problem, solution.decision)
    assert solution.objective is not None
    assert solution.lower_bound is not None
    agrees = abs(certificate.objective - solution.objective) <= _AGREEMENT * abs(solution.objective)
    bounded = solution.lower_bound <= certificate.objective + _AGREEMENT * abs(certificate.objective)
    if not (certificate.holds and agrees and bounded):
        raise RefutedAnswer(solution, certificate)
    return solution, certificate
