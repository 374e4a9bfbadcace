"""What is found, said in the words of the problem: its users, its shares, prices per unit."""

from solvers.arrays import Floats, Integers
from solvers.multiuser.problem import Decision, Infeasibility, Problem
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.primal import Incumbent
from solvers.multiuser.solve.shares import shares
from solvers.outcome import Solution

Answer = Solution[Decision, Infeasibility]


def with_best_shares(fleet: Fleet, incumbent: Incumbent) -> Decision:
    """The decision of an incumbent, its shares at their best."""
    return decision_of(fleet, incumbent.choice, *shares(fleet, incumbent.choice, *incumbent.root))


def decision_of(fleet: Fleet, choice: Integers, x: Floats, y: Floats) -> Decision:
    """Choices and shares of the sorted users as a decision of the problem."""
    return Decision(
        option=fleet.unsorted(fleet.table.number[fleet.kind, choice]),
        bandwidth_share=fleet.unsorted(x),
        server_share=fleet.unsorted(y),
    )


def prices_of(problem: Problem, root: tuple[float, float]) -> dict[str, float]:
    """Prices of one hertz and of one FLOP/s, from the roots of the prices of both whole budgets."""
    p, q = root
    return {
        "bandwidth_per_hz": p * p / problem.bandwidth_hz,
        "server_per_flop_per_s": q * q / problem.server_flop_per_s,
    }
