"""What every family answers with: a status that is proven or not claimed, and a certificate."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:  # who serves knows of outcomes long before there are arrays
    from solvers.arrays import Integers

DecisionT = TypeVar("DecisionT", covariant=True)
InfeasibilityT = TypeVar("InfeasibilityT", covariant=True)


class Status(StrEnum):
    """How far an answer is proven."""

    OPTIMAL = "optimal"  # the relative gap that was asked for is proven
    FEASIBLE = "feasible"  # a plan and a bound, but the gap stayed open
    INFEASIBLE = "infeasible"  # proven that no plan exists


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How hard to try; how long is a matter of the solve's `Progress`."""

    gap: float = 1e-6
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A constraint that a decision breaks: by how much, in the constraint's unit, and for whom
    (None: for all).
    """

    constraint: StrEnum  # one of the family's check
    user: int | None
    excess: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What an independent look at problem and decision found, with the objective recomputed from
    them alone.
    """

    objective: float
    used: dict[str, float]
    violations: tuple[Violation, ...] = ()
    lower_bound: float | None = None  # on every plan, where the check has one of its own

    @property
    def holds(self) -> bool:
        """Whether every constraint is met."""
        return not self.violations


class Proof(StrEnum):
    """What is proven of a set of users who cannot be served together."""

    SMALLEST = "smallest"  # no conflicting set has fewer users
    MINIMAL = "minimal"  # without any one of them the others can be served
    FOUND = "found"  # they conflict, perhaps with more users than it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Users who cannot be served together, though each of them can be served alone."""

    users: "Integers"  # rising
    proof: Proof
    at_least: int  # proven: no set with fewer users conflicts
    removals_checked: int = 0  # without so many of them, one at a time, an independent check agreed

    def of(self, positions: "Integers") -> "Conflict":
        """The same of users who are numbered otherwise: user n is `positions[n]`, rising."""
        return replace(self, users=positions[self.users])


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasibility:
    """Why there is no plan; what would help is each family's own."""

    users: "Integers"  # indices of those who fail even alone; none: only all together do
    proven: bool = True  # false where a plan was neither found nor excluded
    # Of those who do not fail alone; None: they have a plan without the others, or none was found.
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution(Generic[DecisionT, InfeasibilityT]):
    """A family's answer.

    `decision` is there unless the status is infeasible; `infeasibility` exactly then.
    """

    status: Status
    decision: DecisionT | None = None
    objective: float | None = None
    lower_bound: float | None = None
    prices: dict[str, float] = field(default_factory=dict)
    timed_out: bool = False
    infeasibility: InfeasibilityT | None = None

    @property
    def gap(self) -> float | None:
        """Proven relative gap between the objective and the lower bound."""
        if self.objective is None or self.lower_bound is None:
            return None
        return relative_gap(self.objective, self.lower_bound)


def relative_gap(objective: float, bound: float) -> float:
    """(objective - bound)/objective, never negative, 0 for 0/0."""
    excess = objective - bound
    return (
        max(0.0, excess / abs(objective)) if objective else (0.0 if excess <= 0 else float("inf"))
    )


class RefutedAnswer(Exception):
    """The check contradicts the solver: a fault of ours, kept with its evidence and never answered
    as a plan.
    """

    def __init__(self, solution: Solution[Any, Any], certificate: Certificate) -> None:
        broken = [(v.constraint, v.user, v.excess) for v in certificate.violations[:5]]
        super().__init__(
            f"objective {solution.objective} with bound {solution.lower_bound}, "
            f"recomputed as {certificate.objective}; broken constraints: {broken}"
        )
        self.solution = solution
        self.certificate = certificate
