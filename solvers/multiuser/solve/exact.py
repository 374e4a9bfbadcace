"""The exact method: prices, walks, exchanges, and branch and bound where the gap is still open."""

from dataclasses import dataclass

import numpy as np

from solvers.multiuser.problem import Floats, Integers
from solvers.multiuser.solve import budget
from solvers.multiuser.solve.branch import Tree, search
from solvers.multiuser.solve.dual import ascend, first_root
from solvers.multiuser.solve.fleet import ROUNDING, Chosen, Fleet, Priced, capped_cost
from solvers.multiuser.solve.primal import Incumbent, cleared, exchange, permitted, walk
from solvers.multiuser.solve.rules import alternating
from solvers.multiuser.solve.shares import clear, need
from solvers.outcome import Options, Progress, Report, relative_gap

_WALKS = 8  # most recent choices that are walked between
_ALTERNATING_USERS = 10_000  # more have a gap near rounding anyway
_TREE = 20_000_000  # priced options that fit in memory comfortably
_GRID = 9
_BRANCHED_USERS = 200  # of fewer, branch and bound closes the gap sooner than the last digits of the prices
_ANGLES = 25


@dataclass(frozen=True, slots=True)
class Proven:
    """The best plan found and the best bound proven; whether time ran out before the gap closed."""

    incumbent: Incumbent
    bound: float
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """Choices whose deadlines fit in the budgets, None where none were found; whether there are none."""

    choice: Integers | None
    excluded: bool


class Clock:
    """Says when to stop and passes on progress."""

    def __init__(self, options: Options, report: Report) -> None:
        self._options = options
        self._report = report
        self._began = options.clock()

    @property
    def late(self) -> bool:
        """Whether the time limit has come."""
        return self._options.clock() - self._began >= self._options.time_limit_s

    def tell(self, stage: str, fraction: float, objective: float | None = None, bound: float | None = None) -> None:
        """Report progress; may raise `Cancelled`."""
        finite = objective if objective is not None and np.isfinite(objective) else None
        self._report(Progress(stage=stage, fraction=fraction, objective=finite, bound=bound))


def fit(fleet: Fleet, rng: np.random.Generator, clock: Clock) -> Fit:
    """Look for choices that keep all deadlines within both budgets; in a small cell until it is settled."""

    def enough(need: budget.Need) -> bool:
        clock.tell("deadlines", 0.0)
        return need.found < 1.0 or need.bound >= 1.0 or clock.late

    found = budget.least(fleet, budget.FACTOR, rng, enough)
    if found.found < 1.0:
        return Fit(found.choice, excluded=False)
    if found.bound >= 1.0 or clock.late or _ANGLES * fleet.users * fleet.options > _TREE:
        return Fit(None, excluded=found.bound >= 1.0)
    angle = np.linspace(0.0, np.pi / 2, _ANGLES)
    everyone = slice(0, fleet.users)
    tree = Tree(
        cost=np.stack(
            [fleet.need(everyone, float(p), float(q)) for p, q in zip(np.cos(angle), np.sin(angle), strict=True)]
        ),
        offset=np.zeros(_ANGLES),
        twin=_twins(fleet),
        value=lambda choice: _if_permitted(fleet, choice, budget.factor(np.stack(need(fleet.chosen(choice))))),
    )
    found_one = search(tree, 1.0, 0.0, lambda best, _: best >= 1.0 and not clock.late)
    return Fit(found_one.choice, excluded=found_one.complete and found_one.choice is None)


def exact(fleet: Fleet, start: Integers | None, options: Options, clock: Clock, rng: np.random.Generator) -> Proven:
    """Best plan and bound, from choices known to fit (needed only where there are deadlines)."""
    plan = descend(fleet, start, clock, rng, options)
    if not _open(plan.incumbent.cost, plan.bound, options.gap):
        return plan
    best, bound = plan.incumbent, plan.bound
    if fleet.users <= _ALTERNATING_USERS and fleet.max_switches is None:
        best = min(best, alternating(fleet), key=lambda incumbent: incumbent.cost)

    def enough(incumbent: Incumbent) -> bool:
        clock.tell("exchanges", 0.5, incumbent.cost, bound)
        return clock.late or not _open(incumbent.cost, bound, options.gap)

    best = exchange(fleet, best, enough)
    if enough(best) or (_GRID**2 + 2) * fleet.users * fleet.options > _TREE:
        return Proven(best, bound, clock.late and _open(best.cost, bound, options.gap))
    return _branch(fleet, best, bound, options, clock)


def descend(fleet: Fleet, start: Integers | None, clock: Clock, rng: np.random.Generator, options: Options) -> Proven:
    """Prices and walks: the whole method for large cells, whose gap closes as one over the square of the users."""

    def enough(priced: Priced) -> bool:
        clock.tell("prices", 0.1, None, priced.bound)
        return clock.late

    if start is None:
        best = Incumbent(np.inf, np.zeros(fleet.users, dtype=np.int64), first_root(fleet))
    else:
        best = cleared(fleet, start, (0.0, 0.0))
    visited = [fleet.price(*best.root)]
    for tangents in (False, True):
        visited = ascend(fleet, visited, 0.1 * options.gap, enough, tangents=tangents)
        top = visited[-1]
        best = min(best, cleared(fleet, top.choice, top.root), key=lambda incumbent: incumbent.cost)
        for other in reversed(visited[-_WALKS:]):
            clock.tell("walks", 0.3, best.cost, top.bound)
            if not _open(best.cost, top.bound, options.gap) or clock.late:
                break
            best = walk(fleet, best, other.choice, rng)
        if fleet.users <= _BRANCHED_USERS or not _open(best.cost, top.bound, options.gap):
            break
    return Proven(best, top.bound, clock.late and _open(best.cost, top.bound, options.gap))


def _open(cost: float, bound: float, gap: float) -> bool:
    return not np.isfinite(cost) or relative_gap(cost, bound) > gap


def _branch(fleet: Fleet, best: Incumbent, bound: float, options: Options, clock: Clock) -> Proven:
    def go_on(cost: float, proven: float) -> bool:
        clock.tell("branch and bound", 0.6, cost, max(bound, proven))
        return not clock.late

    def value(choice: Integers) -> Floats:
        return _if_permitted(fleet, choice, clear(fleet.chosen(choice), *best.root)[0])

    cost, offset = _priced_grid(fleet, best.root)
    tree = Tree(cost=cost, offset=offset, twin=_twins(fleet), value=value)
    # Half of the gap is left to the prices at which the winner is cleared and the sums are rounded.
    found = search(tree, best.cost, 0.5 * options.gap, go_on)
    if found.choice is not None:
        best = min(best, cleared(fleet, found.choice, best.root), key=lambda incumbent: incumbent.cost)
    bound = max(bound, min(found.bound, best.cost * (1.0 - ROUNDING)))
    return Proven(best, bound, not found.complete and _open(best.cost, bound, options.gap))


def _priced_grid(fleet: Fleet, root: tuple[float, float]) -> tuple[Floats, Floats]:
    """Capped costs of all options at prices around the best ones, wider for fewer users, who each move prices more."""
    reach = min(2.5, 6.0 / fleet.users)
    factor = np.exp(np.linspace(-reach, reach, _GRID))
    span = [max(value, 1e-6 * max(root), 1e-12) for value in root]
    p, q = (grid.ravel() for grid in np.meshgrid(span[0] * factor, span[1] * factor))
    p, q = np.append(p, [root[0], 0.0]), np.append(q, [root[1], 0.0])
    option = np.broadcast_to(np.arange(fleet.options), (fleet.users, fleet.options))
    every = fleet.chosen(option.T)  # (options, users)
    flat = Chosen(*(np.asarray(getattr(every, name)).T for name in Chosen.__slots__))
    cost = capped_cost(flat, p[:, None, None], q[:, None, None])
    cost = np.where(fleet.real[fleet.kind] if fleet.allowed is None else fleet.allowed, cost, np.inf)
    offset = p * p + q * q
    if fleet.max_switches is not None and fleet.home is not None:
        settled = np.flatnonzero(fleet.home >= 0)
        stay = cost[:, settled, fleet.home[settled]]
        gain = np.sort(np.maximum(stay - cost[:, settled].min(axis=2), 0.0), axis=1)[:, ::-1]
        # The price of a switch at which just as many are worth it as are allowed.
        switch = gain[:, fleet.max_switches] if fleet.max_switches < len(settled) else np.zeros(len(p))
        switch = np.where(np.isfinite(switch), switch, 0.0)
        away = (fleet.home[:, None] >= 0) & (fleet.home[:, None] != np.arange(fleet.options))
        cost = cost + switch[:, None, None] * away
        offset = offset + switch * fleet.max_switches
    return cost, offset


def _twins(fleet: Fleet) -> Integers:
    home = np.full(fleet.users, -1) if fleet.home is None else fleet.home
    features = np.stack([fleet.kind, fleet.root_share, fleet.weight, fleet.deadline_s, fleet.max_loss, home], axis=1)
    return np.asarray(np.unique(features, axis=0, return_inverse=True)[1]).ravel()


def _if_permitted(fleet: Fleet, choice: Integers, value: Floats) -> Floats:
    if fleet.max_switches is None:
        return value
    return np.where([permitted(fleet, row) for row in choice], value, np.inf)
