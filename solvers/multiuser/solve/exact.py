"""The exact method: prices, path relinking, exchanges, branch and bound where the gap is open."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.solve.branch import Tree, search, symmetry_classes
from solvers.multiuser.solve.chosen import Chosen, capped_cost
from solvers.multiuser.solve.dual import ascend, first_root
from solvers.multiuser.solve.fleet import ROUNDING, Fleet, Priced
from solvers.multiuser.solve.primal import Incumbent, cleared, exchange, relink, when_permitted
from solvers.multiuser.solve.rules import alternating
from solvers.multiuser.solve.shares import clear
from solvers.multiuser.solve.switching import with_switches_priced
from solvers.outcome import Options, relative_gap
from solvers.progress import Progress, Stage

_RELINKED = 8  # most recent choices whose paths to the best are followed
_ALTERNATING_USERS = 10_000  # more have a gap near rounding anyway
_TREE = 20_000_000  # priced options that fit in memory comfortably
_GRID = 9
# Of fewer, branch and bound closes the gap sooner than the last digits of the prices.
_BRANCHED_USERS = 200


@dataclass(frozen=True, slots=True)
class Proven:
    """The best plan found and the best bound proven; whether time ran out before the gap closed."""

    incumbent: Incumbent
    bound: float
    timed_out: bool


def exact(
    fleet: Fleet,
    start: Integers | None,
    options: Options,
    progress: Progress,
    rng: np.random.Generator,
) -> Proven:
    """Best plan and bound, from choices known to fit (needed only where there are deadlines)."""
    plan = descend(fleet, start, progress, rng, options)
    if not _open(plan.incumbent.cost, plan.bound, options.gap):
        return plan
    best, bound = plan.incumbent, plan.bound
    if fleet.users <= _ALTERNATING_USERS and fleet.max_switches is None:
        best = min(best, alternating(fleet), key=lambda incumbent: incumbent.cost)

    def enough(incumbent: Incumbent) -> bool:
        _note(progress, incumbent.cost, bound)
        progress.tick()
        return progress.over() or not _open(incumbent.cost, bound, options.gap)

    _note(progress, best.cost, bound)
    progress.stage(Stage.EXCHANGES, 0.5, 0.6)
    best = exchange(fleet, best, enough)
    if enough(best) or (_GRID**2 + 2) * fleet.users * fleet.options > _TREE:
        return Proven(best, bound, progress.over() and _open(best.cost, bound, options.gap))
    return _branch(fleet, best, bound, options, progress)


def descend(
    fleet: Fleet,
    start: Integers | None,
    progress: Progress,
    rng: np.random.Generator,
    options: Options,
) -> Proven:
    """Prices and path relinking: the whole method for large cells, whose gap closes as one over the
    square of the users.
    """

    def enough(priced: Priced) -> bool:
        _note(progress, None, priced.bound)
        progress.tick()
        return progress.over()

    if start is None:
        best = Incumbent(np.inf, np.zeros(fleet.users, dtype=np.int64), first_root(fleet))
    else:
        best = cleared(fleet, start, (0.0, 0.0))
    visited = [fleet.price(*best.root)]
    for tangents in (False, True):
        progress.stage(Stage.PRICES, 0.1, 0.3)
        visited = ascend(fleet, visited, 0.1 * options.gap, enough, tangents=tangents)
        top = visited[-1]
        best = min(best, cleared(fleet, top.choice, top.root), key=lambda incumbent: incumbent.cost)
        _note(progress, best.cost, top.bound)
        progress.stage(Stage.WALKS, 0.3, 0.5)
        for other in reversed(visited[-_RELINKED:]):
            _note(progress, best.cost, top.bound)
            progress.tick()
            if not _open(best.cost, top.bound, options.gap) or progress.over():
                break
            best = relink(fleet, best, other.choice, rng)
        if fleet.users <= _BRANCHED_USERS or not _open(best.cost, top.bound, options.gap):
            break
    return Proven(best, top.bound, progress.over() and _open(best.cost, top.bound, options.gap))


def _note(progress: Progress, cost: float | None, bound: float) -> None:
    progress.objective = cost if cost is not None and np.isfinite(cost) else None
    progress.bound = bound


def _open(cost: float, bound: float, gap: float) -> bool:
    return not np.isfinite(cost) or relative_gap(cost, bound) > gap


def _branch(
    fleet: Fleet, best: Incumbent, bound: float, options: Options, progress: Progress
) -> Proven:
    def go_on(cost: float, proven: float) -> bool:
        _note(progress, cost, max(bound, proven))
        progress.tick_by_time()
        return not progress.over()

    def value(choice: Integers) -> Floats:
        return when_permitted(fleet, choice, clear(fleet.chosen(choice), *best.root)[0])

    progress.stage(Stage.BRANCH_AND_BOUND, 0.6)
    cost, offset = _priced_grid(fleet, best.root)
    tree = Tree(cost=cost, offset=offset, symmetry_class=symmetry_classes(fleet), value=value)
    # Half of the gap is left to the prices at which the winner is cleared and the sums are rounded.
    found = search(tree, best.cost, 0.5 * options.gap, go_on)
    if found.choice is not None:
        best = min(
            best, cleared(fleet, found.choice, best.root), key=lambda incumbent: incumbent.cost
        )
    bound = max(bound, min(found.bound, best.cost * (1.0 - ROUNDING)))
    return Proven(best, bound, not found.complete and _open(best.cost, bound, options.gap))


def _priced_grid(fleet: Fleet, root: tuple[float, float]) -> tuple[Floats, Floats]:
    """Capped costs of all options at prices around the best ones, wider for fewer users, who each
    move prices more.
    """
    reach = min(2.5, 6.0 / fleet.users)
    factor = np.exp(np.linspace(-reach, reach, _GRID))
    span = [max(value, 1e-6 * max(root), 1e-12) for value in root]
    p, q = (grid.ravel() for grid in np.meshgrid(span[0] * factor, span[1] * factor))
    # At no price at all the capped costs bound a user alone in the cell exactly.
    p, q = np.append(p, [root[0], 0.0]), np.append(q, [root[1], 0.0])
    option = np.broadcast_to(np.arange(fleet.options), (fleet.users, fleet.options))
    every = fleet.chosen(option.T)  # (options, users)
    flat = Chosen(*(np.asarray(getattr(every, name)).T for name in Chosen.__slots__))
    cost = capped_cost(flat, p[:, None, None], q[:, None, None])
    cost = np.where(
        fleet.table.real[fleet.kind] if fleet.allowed is None else fleet.allowed, cost, np.inf
    )
    return with_switches_priced(fleet, cost, p * p + q * q)
