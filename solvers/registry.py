"""One question, one answer: the type of a problem says which family solves it, and no answer leaves
unchecked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import solvers.multiuser.check
import solvers.multiuser.problem
import solvers.multiuser.solve
import solvers.robust.check
import solvers.robust.problem
import solvers.robust.solve
import solvers.stopping.check
import solvers.stopping.problem
import solvers.stopping.solve
from solvers.multiuser.table import DecisionTable, TableProblem
from solvers.outcome import Certificate, Options, RefutedAnswer, Solution, Status
from solvers.progress import Progress

# What the check recomputes may differ from what the solver claims by rounding only ...
_ROUNDING = 1e-9
# ... or, where both integrate by quadratures of their own, by what these leave out.
_QUADRATURE = solvers.stopping.check.TOLERANCE


@dataclass(frozen=True, slots=True)
class Family:
    """What `answer` needs of a family, and how far apart their objectives may be,
    relatively.
    """

    solve: Callable[[Any, Options, Progress], Solution[Any, Any]]
    check: Callable[[Any, Any], Certificate]
    agreement: float = _ROUNDING
    # Adds the check's own lower bound to a certificate, where the family has one.
    prove: (
        Callable[[Any, Any, Certificate, float, Mapping[str, float], float], Certificate] | None
    ) = None


FAMILIES: dict[type, Family] = {
    solvers.multiuser.problem.Problem: Family(
        solvers.multiuser.solve.solve,
        solvers.multiuser.check.check,
        prove=solvers.multiuser.check.prove,
    ),
    solvers.robust.problem.Problem: Family(
        solvers.robust.solve.solve, solvers.robust.check.check, prove=solvers.robust.check.prove
    ),
    solvers.stopping.problem.Problem: Family(
        solvers.stopping.solve.solve, solvers.stopping.check.check, _QUADRATURE
    ),
}


def answer(
    problem: Any, options: Options | None = None, progress: Progress | None = None
) -> tuple[Solution[Any, Any], Certificate | None]:
    """Solve, then check.

    Returns
    -------
    The solution, and the check's certificate where there is a decision.

    Raises
    ------
    RefutedAnswer
        where the certificate does not hold, the objectives differ by more than rounding, or the
        check finds a plan below the bound that was claimed.
    """
    family, options = FAMILIES[type(problem)], options or Options()
    solution = family.solve(problem, options, progress or Progress())
    if solution.decision is None:
        return solution, None
    certificate = family.check(problem, solution.decision)
    assert solution.objective is not None
    agrees = abs(certificate.objective - solution.objective) <= family.agreement * abs(
        solution.objective
    )
    # A rule that proves nothing has no bound.
    bound = solution.lower_bound
    bounded = bound is None or bound <= certificate.objective + family.agreement * abs(
        certificate.objective
    )
    if not (certificate.holds and agrees and bounded):
        raise RefutedAnswer(solution, certificate)
    if family.prove is not None and bound is not None:
        certificate = family.prove(
            problem, solution.decision, certificate, bound, solution.prices, options.gap
        )
        if not certificate.holds:
            raise RefutedAnswer(solution, certificate)
    return solution, certificate


def tabulate(problem: TableProblem) -> tuple[DecisionTable, Certificate]:
    """Build a decision table, then check it; the certificate's objective is the largest relative
    excess it found.

    Raises
    ------
    RefutedAnswer
        where a row does not name the best allowed option.
    """
    table = solvers.multiuser.solve.build_table(problem)
    certificate = solvers.multiuser.check.check_table(problem, table)
    if not certificate.holds:
        solution = Solution[DecisionTable, None](
            status=Status.OPTIMAL, decision=table, objective=0.0, lower_bound=0.0
        )
        raise RefutedAnswer(solution, certificate)
    return table, certificate
