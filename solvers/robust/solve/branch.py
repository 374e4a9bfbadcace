"""Branch and bound over the options that the bound could not rule out.

One table does the work of all nodes: the priced energies of every option on a grid of prices. For
any price, the sum of the chosen options so far plus the cheapest of the rest is a bound on every
plan below a node; the best over the grid is within the square of the grid's spacing of the node's
own dual. So a node is a row of partial sums, and a generation of nodes is one array operation.
Leaves are shared out exactly, many at a time, the most promising first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.primal import Plan, bound_of, bounds_of, shared_out
from solvers.robust.solve.shares import ROUNDING
from solvers.robust.solve.tree import Nodes, Tree

_PRICES = 41
BEND, SHARP_BEND = 3.0, 6.0  # how much denser the grid of prices is near the dual's
_SHARED_OUT = 4_000  # users in the leaves that are shared out at once
_BLOCK = 400_000  # curves priced at once, so that memory stays flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The best plan found and the bound that is proven, with what stopped the search before its
    end.
    """

    plan: Plan
    bound_j: float
    timed_out: bool = False
    stalled: bool = False


def price_grid(price: float, users: int, bend: float = 3.0) -> Floats:
    """Prices around the dual's, denser near it the larger `bend`; small cells move it far when one
    cut changes.
    """
    reach = min(4.0, 0.1 + 12.0 / users)
    steps = np.sinh(np.linspace(-bend, bend, _PRICES)) / np.sinh(bend)
    return np.asarray(price * np.exp(reach * steps))


def search(
    relaxation: Relaxation,
    plan: Plan,
    bound_j: float,
    price: float,
    alike: Integers,
    options: Options,
    *,
    bend: float = SHARP_BEND,
    patience: float = np.inf,
) -> Search:
    """Prove the plan optimal to `options.gap`, or find the better ones and prove those, until the
    relaxation's time ends.

    Parameters
    ----------
    bound_j, price : the dual's best bound, and the price that gave it.
    alike : (users,) a class for each user; users of a class are the same in everything, and only
        plans whose options do not fall along a class are looked at (any other is one of these with
        names exchanged).
    bend : of the grid of prices: sharp where the price is the dual's to the last digits.
    patience : stalled after so many nodes grown without an end in sight.

    Notes
    -----
    A choice that was shared out is done with only where its own dual, rounded outward, is beyond
    the plan less the gap; where the arithmetic cannot tell, the bound stays at that dual.
    """
    margin = 1.0 - 0.5 * options.gap
    # First the one price that rules out most, so that the table is made for what is left only.
    grids = (np.array([price]), price_grid(price, relaxation.options.users, bend))
    bound_j, rooted = _rooted(relaxation, grids, alike, bound_j, plan.energy_j * margin)
    if rooted is None:
        return Search(plan=plan, bound_j=max(bound_j, plan.energy_j * margin))
    return descend(relaxation, *rooted, plan, bound_j, margin, patience)


def descend(
    relaxation: Relaxation,
    tree: Tree,
    kept: Integers,
    plan: Plan,
    bound_j: float,
    margin: float,
    patience: float = np.inf,
) -> Search:
    """Look through a tree for plans below `margin` times the best; `kept` are the indices of its
    options in the relaxation.
    """
    progress = relaxation.progress
    stack = [tree.root()]
    undecided_j, grown = np.inf, 0
    while stack:
        nodes = stack.pop()
        nodes = tree.refined(nodes[nodes.bound_j < plan.energy_j * margin])
        nodes = nodes[nodes.bound_j < plan.energy_j * margin]
        if len(nodes.bound_j) == 0:
            continue
        late, stalled = progress.over(), grown > patience
        if late or stalled or progress.due():
            proven = max(
                bound_j, min(undecided_j, *(float(some.bound_j.min()) for some in (nodes, *stack)))
            )
            proven = min(proven, plan.energy_j * margin)
            if late or stalled:
                return Search(plan=plan, bound_j=proven, timed_out=late, stalled=not late)
            progress.objective, progress.bound = plan.energy_j, proven
            progress.tick_by_time()
        if nodes.taken.shape[1] == len(tree.open):
            plan, rest, doubt_j = _shared_leaves(tree, kept, relaxation, nodes, plan, margin)
            undecided_j = min(undecided_j, doubt_j)
            if len(rest.bound_j):
                stack.append(rest)
            continue
        children = tree.grow(nodes, plan.energy_j * margin)
        children = children[np.argsort(-children.bound_j, kind="stable")]
        grown += len(children.bound_j)
        size = tree.at_once(nodes.taken.shape[1] + 1)
        stack += [children[k : k + size] for k in range(0, len(children.bound_j), size)]
    return Search(plan=plan, bound_j=max(bound_j, min(undecided_j, plan.energy_j * margin)))


def _rooted(
    relaxation: Relaxation,
    grids: Iterable[Floats],
    alike: Integers,
    bound_j: float,
    cutoff_j: float,
) -> tuple[float, tuple[Tree, Integers] | None]:
    """The best bound over grids of prices, and a tree of the options (with their indices) that
    reduced costs leave below the cutoff; None where some user has none.
    """
    kept = np.arange(len(relaxation.options.option))
    for prices in grids:
        value, root, lifted = _reduced_costs(relaxation, prices)
        bound_j = max(bound_j, float(root.max()))
        keep = lifted < cutoff_j
        if np.any(np.add.reduceat(keep.astype(np.int64), relaxation.options.first[:-1]) == 0):
            return bound_j, None
        kept, relaxation = kept[keep], relaxation.keep(keep)
        value, lifted = value[:, keep], lifted[keep]
    return bound_j, (
        Tree(relaxation, value, prices, order_of(relaxation, lifted, alike), alike),
        kept,
    )


def _shared_leaves(
    tree: Tree, kept: Integers, whole: Relaxation, nodes: Nodes, plan: Plan, margin: float
) -> tuple[Plan, Nodes, float]:
    """The best plan after complete choices were shared out; those left; and the least bound of
    those that were, where arithmetic cannot tell whether they are better by the gap.

    The plan itself may be among them: it is shared out already, and only its own dual is asked.
    """
    undecided_j = np.inf
    same = np.all(kept[nodes.taken] == plan.choice[tree.open], axis=1) & tree.settled_as(
        kept, plan.choice
    )
    if same.any():
        own_j = max(bound_of(whole, plan), float(nodes.bound_j[same].min()))
        undecided_j = own_j if own_j < plan.energy_j * margin else np.inf
    found, rest, doubt_j = _best_leaf(tree, nodes[~same], plan, margin)
    if found is not None:
        plan = replace(found, choice=kept[found.choice])
    return plan, rest, min(undecided_j, doubt_j)


def _reduced_costs(relaxation: Relaxation, prices: Floats) -> tuple[Floats, Floats, Floats]:
    """Priced energies (prices, options), bounds (prices,), and the bound on any plan with an option
    (options,).
    """
    size = max(1, _BLOCK // len(relaxation.options.option))
    value = np.concatenate(
        [relaxation.priced_j(prices[k : k + size])[0] for k in range(0, len(prices), size)]
    )
    least = relaxation.options.least(value)
    paid = prices * relaxation.bandwidth_hz
    root = least.sum(axis=-1) - paid
    root -= ROUNDING * (np.abs(least).sum(axis=-1) + paid)
    lifted = (root[:, None] + value - least[:, relaxation.options.user()]).max(axis=0)
    return value, root, lifted


def order_of(relaxation: Relaxation, lifted: Floats, alike: Integers) -> list[int]:
    """Users with a choice left: those whose options differ most first, so that bad branches end
    early.
    """
    first = relaxation.options.first[:-1]
    spread = np.maximum.reduceat(lifted, first) - np.minimum.reduceat(lifted, first)
    widest = np.zeros(int(alike.max()) + 1)
    np.maximum.at(widest, alike, spread)  # users of a class stay together
    users = np.nonzero(np.diff(relaxation.options.first) > 1)[0]
    return [int(n) for n in users[np.lexsort((users, alike[users], -widest[alike[users]]))]]


def _best_leaf(
    tree: Tree, leaves: Nodes, plan: Plan, margin: float
) -> tuple[Plan | None, Nodes, float]:
    """Share out complete choices, the lowest bound first, until time is over or the rest, returned,
    is no better.

    The last is the least bound of a choice that was shared out and may yet be better by the gap;
    infinite if none.
    """
    leaves = leaves[np.argsort(leaves.bound_j, kind="stable")]
    log_price = plan.log_price if np.isfinite(plan.log_price) else 0.0
    best, found, least_j = plan.energy_j, None, [np.inf]
    done, size = 0, 4
    most = max(4, _SHARED_OUT // tree.relaxation.options.users)
    while (
        done < len(leaves.bound_j)
        and leaves.bound_j[done] < best * margin
        and not tree.relaxation.progress.over()
    ):
        choices = tree.choices(leaves[slice(done, done + size)])
        some, _, shares = shared_out(tree.relaxation, choices, log_price)
        bounds = np.maximum(
            bounds_of(tree.relaxation, choices, shares), leaves.bound_j[done : done + size]
        )
        least_j.append(float(bounds.min()))
        if some.energy_j < best:
            best, found = some.energy_j, some
        done, size = done + size, min(4 * size, most)
    doubt_j = min(least_j)
    return found, leaves[done:], doubt_j if doubt_j < best * margin else np.inf
