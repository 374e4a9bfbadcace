"""Linear programs over mixtures of columns: one of each group, within budgets."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.later import optimize, sparse

_EXACT = 1e-9  # of the program, whose numbers are near 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """The least cost and its duals: prices of the budgets, and what one more of a group costs."""

    value: float
    weight: Floats  # (columns,)
    missing: Floats  # (budgets,) what the mixture exceeds each budget by
    prices: Floats  # (budgets,) not negative
    worth: Floats  # (groups,)


def mix(
    cost: Floats, used: Floats, group: Integers, room: Floats, missing_cost: float | None
) -> Mixture | None:
    """The cheapest mixture of columns; None where there is none.

    Parameters
    ----------
    cost, group : (columns,), the groups numbered without gaps.
    used : (budgets, columns), of which the mixture has `room` (budgets,) in all.
    missing_cost : what a unit beyond a budget costs; None: budgets are kept.
    """
    budgets, count = used.shape
    groups = int(group.max()) + 1
    row, column = np.nonzero(used)
    entries, slack = used[row, column], np.arange(0 if missing_cost is None else budgets)
    within = sparse.coo_matrix(
        (
            np.concatenate((entries, -np.ones(len(slack)))),
            (np.concatenate((row, slack)), np.concatenate((column, count + slack))),
        ),
        shape=(budgets, count + len(slack)),
    )
    one_each = sparse.coo_matrix(
        (np.ones(count), (group, np.arange(count))), shape=(groups, count + len(slack))
    )
    found = optimize.linprog(  # type: ignore[call-overload]  # its stubs know no sparse matrices
        np.concatenate((cost, np.full(len(slack), missing_cost or 0.0))),
        A_ub=within.tocsc(),
        b_ub=room,
        A_eq=one_each.tocsc(),
        b_eq=np.ones(groups),
        method="highs",
        options={"primal_feasibility_tolerance": _EXACT, "dual_feasibility_tolerance": _EXACT},
    )
    if found.x is None:
        return None
    missing = np.zeros(budgets)
    missing[slack] = found.x[count:]
    return Mixture(
        value=float(found.fun),
        weight=found.x[:count],
        missing=missing,
        prices=np.maximum(-found.ineqlin.marginals, 0.0),
        worth=np.asarray(found.eqlin.marginals),
    )
