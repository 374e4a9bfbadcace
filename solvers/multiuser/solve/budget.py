"""Whether deadlines fit in the budgets at all, and which budget is short by how much.

The deadlines of chosen options need (B - a)(F - c) >= s² of the budgets (see `shares.need`). For
any two prices, sum_i min_o (p sqrt(A) + q sqrt(C))²/(D - t0) bounds p² X + q² Y from below over
everything users can do. The best such bound on the amount asked for is found by bisection on the
angle of (p, q), and path relinking between the choices on the two sides of it gives
a plan.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.solve import shares
from solvers.multiuser.solve.branch import Tree, search, symmetry_classes
from solvers.multiuser.solve.fleet import ROUNDING, Fleet
from solvers.multiuser.solve.primal import best_between, when_permitted
from solvers.multiuser.solve.switching import with_switches_priced

_HALVINGS = 50
_ENOUGH = 1e-9
TREE = 20_000_000  # priced options that fit in memory comfortably
_PRICES = 25
_REACH = 4.0  # of the logarithm of q/p to both sides of the best


@dataclass(frozen=True, slots=True)
class Ask:
    """An amount to keep small, as a fraction of the budgets there are.

    A total at prices (p², q²) bounds it by (total - paid(p, q))/scale(p, q): what the fixed budget
    pays is taken off.
    """

    amount: Callable[[Floats], Floats]  # of the needs (a, c, s)
    scale: Callable[[Floats, Floats], Floats]
    paid: Callable[[Floats, Floats], Floats]
    # Whether the bound rises with q/p, given the demands for uplink and server.
    rises: Callable[[float, float], bool]
    uplink_grows: bool
    server_grows: bool

    def bound(self, total: float, p: float, q: float) -> float:
        """What the amount is at least, from a total at prices (p², q²)."""
        root = np.float64(p), np.float64(q)
        return float((total - self.paid(*root)) / self.scale(*root))  # type: ignore[arg-type]

    @property
    def fixed(self) -> tuple[float, float] | None:
        """Prices of the budget that stays alone: a total above 1 there says that no amount is
        enough.
        """
        if self.uplink_grows and self.server_grows:
            return None
        return (0.0, 1.0) if self.uplink_grows else (1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Need:
    """The amount needed at least (proven), the amount that `choice` makes do with; the prices of
    the best bound.
    """

    bound: float
    found: float
    choice: Integers
    root: tuple[float, float] = (1.0, 1.0)

    @property
    def closed(self) -> bool:
        """Whether bound and amount are the same, or no amount is enough."""
        return self.bound == np.inf or (
            self.found < np.inf and self.found - self.bound <= _ENOUGH * self.found
        )


def factor(sums: Floats) -> Floats:
    """Least k with (k - a)(k - c) >= s²."""
    a, c, s = sums
    return np.asarray(0.5 * (a + c + np.hypot(a - c, 2.0 * s)))


def uplink(sums: Floats) -> Floats:
    """Least B with (B - a)(1 - c) >= s²; infinite where the server alone is too small."""
    a, c, s = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(c < 1.0, a + s * s / (1.0 - c), np.inf)


def server(sums: Floats) -> Floats:
    """Least F with (1 - a)(F - c) >= s²; infinite where the uplink alone is too small."""
    a, c, s = sums
    return uplink(np.stack([c, a, s]))


def _nothing(p: Floats, _: Floats) -> Floats:
    return np.zeros_like(p)


FACTOR = Ask(factor, lambda p, q: p * p + q * q, _nothing, lambda up, on: on > up, True, True)
UPLINK = Ask(uplink, lambda p, _: p * p, lambda _, q: q * q, lambda _, on: on > 1.0, True, False)
SERVER = Ask(server, lambda _, q: q * q, lambda p, _: p * p, lambda up, _: up < 1.0, False, True)


def least(
    fleet: Fleet,
    ask: Ask,
    rng: np.random.Generator,
    enough: Callable[[Need], bool] = lambda _: False,
) -> Need:
    """The least amount with which all deadlines can be kept, or until `enough` is known.

    Only options that `fleet` allows are looked at: for the least amount of all, those of
    `fleet.growing`.
    """

    def found(sums: Floats) -> float:
        return float(ask.amount(sums))

    def total(p: float, q: float) -> tuple[float, Integers, Floats]:
        value, choice = fleet.least_need(p, q)
        return value * (1.0 - ROUNDING), choice, shares.needs(fleet, choice)

    best = Need(0.0, np.inf, np.zeros(fleet.users, dtype=np.int64))
    low, high = 0.0, np.pi / 2
    sides: dict[bool, Integers] = {}
    for _ in range(_HALVINGS):
        angle = 0.5 * (low + high)
        p, q = float(np.cos(angle)), float(np.sin(angle))
        value, choice, sums = total(p, q)
        best = _better(best, found(sums), choice, ask.bound(value, p, q), (p, q))
        if enough(best) or best.closed:
            return best
        a, c, s = sums
        rises = ask.rises(float(a + s * q / p), float(c + s * p / q))
        sides[rises] = choice
        low, high = (angle, high) if rises else (low, angle)
    if len(sides) == 2:
        between = best_between(
            fleet,
            sides[False],
            sides[True],
            rng,
            lambda choice, users: _terms(fleet, choice, users),
            lambda choice: shares.needs(fleet, choice),
            ask.amount,
        )
        best = _better(best, found(shares.needs(fleet, between)), between)
    if best.found == np.inf and ask.fixed is not None:
        value, choice, sums = total(*ask.fixed)
        best = _better(best, found(sums), choice, np.inf if value > 1.0 else 0.0)
    return best


def settle(
    fleet: Fleet,
    ask: Ask,
    need: Need,
    go_on: Callable[[Need], bool],
    *,
    below: float = np.inf,
    gap: float = _ENOUGH,
) -> Need:
    """Search choices for one that makes do with less, until none does by more than `gap` or `go_on`
    says no.

    Choices that need `below` or more are of no use. Returns `need` as it is where the cell is too
    large.
    """
    most = min(need.found, below)
    if not np.isfinite(most) or _PRICES * fleet.users * fleet.options > TREE:
        return need
    slope = need.root[1] / need.root[0] * np.exp(np.linspace(-_REACH, _REACH, _PRICES))
    p, q = 1.0 / np.hypot(1.0, slope), slope / np.hypot(1.0, slope)
    scale = ask.scale(p, q)
    everyone = slice(0, fleet.users)
    total = np.stack(
        [fleet.need(everyone, *root) for root in zip(p.tolist(), q.tolist(), strict=True)]
    )
    cost, offset = with_switches_priced(fleet, total / scale[:, None, None], ask.paid(p, q) / scale)
    tree = Tree(
        cost=cost,
        offset=offset,
        symmetry_class=symmetry_classes(fleet),
        value=lambda choice: when_permitted(
            fleet, choice, ask.amount(np.stack(shares.need(fleet.chosen(choice))))
        ),
    )
    found = search(
        tree, most, gap, lambda best, bound: go_on(replace(need, bound=bound, found=best))
    )
    if found.choice is not None:
        need = replace(need, found=found.value, choice=found.choice)
    return replace(need, bound=max(need.bound, found.bound))


def _better(
    need: Need,
    found: float,
    choice: Integers,
    bound: float = 0.0,
    root: tuple[float, float] | None = None,
) -> Need:
    if found < need.found:
        need = replace(need, found=found, choice=choice)
    if bound > need.bound:
        need = replace(need, bound=bound, root=need.root if root is None else root)
    return need


def _terms(fleet: Fleet, choice: Integers, users: Integers) -> Floats:
    """What the deadlines of chosen options need, (3, users): a, c, s."""
    chosen = fleet.chosen(choice, users)
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(chosen.root_uplink > 0.0, chosen.root_uplink**2 / chosen.slack_s, 0.0)
        on = np.where(chosen.root_server > 0.0, chosen.root_server**2 / chosen.slack_s, 0.0)
    return np.stack([up, on, np.sqrt(up * on)])
