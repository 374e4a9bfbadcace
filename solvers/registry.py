"""One question, one answer: the type of a problem says which family solves it, and no answer leaves
unchecked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from solvers.outcome import (
    Certificate,
    Conflict,
    Infeasibility,
    Options,
    Proof,
    RefutedAnswer,
    Solution,
    Status,
    Violation,
)
from solvers.progress import Progress

if TYPE_CHECKING:
    from solvers.arrays import Floats, Integers
    from solvers.multiuser.table import DecisionTable, TableProblem
    from solvers.subsets.admission import Admission

# What the check recomputes may differ from what the solver claims by rounding only; a family whose
# two sides integrate by quadratures of their own says by how much more.
_ROUNDING = 1e-9
# Conflicts of at most so many users are planned without each of them.
_REMOVED = 32


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
    # What is wrong with a conflict over the one budget of a problem without `server_capacity`; None
    # where users share several: then they are planned without each of its members.
    refuted: Callable[[Any, "Integers"], tuple[Violation, ...]] | None = None
    # The check's own bound on the value of users who fit together, where the family has one.
    most_value: Callable[[Any, "Floats"], float] | None = None


def _multiuser() -> Family:
    from solvers.multiuser import check, solve

    return Family(solve.solve, check.check, prove=check.prove, most_value=check.most_value)


def _robust() -> Family:
    from solvers.robust import check, solve

    return Family(
        solve.solve,
        check.check,
        prove=check.prove,
        refuted=check.refuted,
        most_value=check.most_value,
    )


def _stopping() -> Family:
    from solvers.stopping import check, solve

    return Family(solve.solve, check.check, check.TOLERANCE)


class Families(dict[type, Family]):
    """The family that solves problems of a type; KeyError for a type that none solves.

    Who plans for one family loads no other: each is found by the module of its problem.
    """

    LOADED_BY: ClassVar[dict[str, Callable[[], Family]]] = {
        "solvers.multiuser.problem": _multiuser,
        "solvers.robust.problem": _robust,
        "solvers.stopping.problem": _stopping,
    }

    def __missing__(self, problem: type) -> Family:
        self[problem] = found = self.LOADED_BY[problem.__module__]()
        return found


FAMILIES = Families()


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


def confirmed(problem: Any, found: Infeasibility, progress: Progress) -> Conflict | None:
    """The conflict of a cell without a plan, its removals checked.

    Users who share one budget are held against least shares of the check's own. Others are planned
    without each member of a conflict, and the plan is checked: where it has at most 32, while there
    is time.

    Raises
    ------
    RefutedAnswer
        where the check finds that they do not collide, or collide without one of them too.
    """
    conflict = found.conflict
    if conflict is None or conflict.proof is Proof.FOUND:
        return conflict
    family = FAMILIES[type(problem)]
    if family.refuted is not None and not problem.server_capacity:
        violations = family.refuted(problem, conflict.users)
        if violations:
            _refute(found, violations)
        return replace(conflict, removals_checked=len(conflict.users))
    checked = 0
    for user in conflict.users.tolist() if len(conflict.users) <= _REMOVED else ():
        others = conflict.users[conflict.users != user]
        if len(others) and not progress.over():
            solution, _ = answer(problem.only(others), Options(gap=1.0), progress)
            if solution.decision is None and not solution.timed_out:
                _refute(found, ())
            checked += solution.decision is not None
    return replace(conflict, removals_checked=checked)


def admitted(
    problem: Any, value: "Floats", admit: "Callable[..., Admission]", progress: Progress
) -> "Admission":
    """The most valuable users of a problem who fit together, held against a bound of the check's
    own; that they fit is seen when they are planned.

    Parameters
    ----------
    value : (users,) what serving each is worth, not negative.
    admit : of the family's solver.

    Raises
    ------
    RefutedAnswer
        where they are told to be worth more than the check finds possible, or than they are.
    """
    family = FAMILIES[type(problem)]
    assert family.most_value is not None
    found = admit(problem, value, progress)
    most, worth = family.most_value(problem, value), float(value[found.users].sum())
    slack = _ROUNDING * (1.0 + worth)
    if worth > most + slack or abs(worth - found.value) > slack or found.at_most < worth - slack:
        told: Solution[Any, Any] = Solution(
            status=Status.OPTIMAL, objective=found.value, lower_bound=found.at_most
        )
        raise RefutedAnswer(told, Certificate(objective=worth, used={"most_value": most}))
    return replace(found, at_most=min(found.at_most, max(most, worth)), checked_at_most=most)


def _refute(found: Infeasibility, violations: tuple[Violation, ...]) -> NoReturn:
    solution: Solution[Any, Any] = Solution(status=Status.INFEASIBLE, infeasibility=found)
    raise RefutedAnswer(
        solution, Certificate(objective=float("nan"), used={}, violations=violations)
    )


def tabulate(problem: "TableProblem") -> "tuple[DecisionTable, Certificate]":
    """Build a decision table, then check it; the certificate's objective is the largest relative
    excess it found.

    Raises
    ------
    RefutedAnswer
        where a row does not name the best allowed option.
    """
    from solvers.multiuser import check, solve

    table = solve.build_table(problem)
    certificate = check.check_table(problem, table)
    if not certificate.holds:
        # A record that nobody can change takes no class from whoever calls it with one.
        solution: Solution[Any, None] = Solution(
            status=Status.OPTIMAL, decision=table, objective=0.0, lower_bound=0.0
        )
        raise RefutedAnswer(solution, certificate)
    return table, certificate
