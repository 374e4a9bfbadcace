"""The two prices: a concave dual in two variables, every value of which is a proven lower bound.

    L(lambda, mu) = sum_i min_o cost_io(lambda, mu) - lambda - mu,   lambda = p², mu = q²

Each evaluation leaves two cuts of one form: the priced cost of its choices, quadratic in (p, q),
which carries the curvature but may dip below L where other deadlines begin to bind; and its tangent
in (lambda, mu), which never does. The next prices maximise the least of the curved cuts; where
these see nothing to gain, the tangents decide. Cuts only steer: what is claimed is the largest L
that was evaluated.
"""

from collections.abc import Callable

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.solve.chosen import peak
from solvers.multiuser.solve.fleet import Fleet, Priced

_CUTS = 14
_STEPS = 60
_REACH = 8.0  # a step goes at most this factor beyond the best prices known
_ANGLES = np.linspace(0.0, 1.0, 25)
_ZOOMS = 9


def first_root(fleet: Fleet) -> tuple[float, float]:
    """Prices to begin with: half of those that clear both budgets where everyone chooses as though
    they were free.
    """
    free = fleet.price(0.0, 0.0)
    _, p, q = peak(free.sums)
    return 0.5 * float(p), 0.5 * float(q)


def ascend(
    fleet: Fleet,
    visited: list[Priced],
    tolerance: float,
    enough: Callable[[Priced], bool],
    *,
    tangents: bool = False,
) -> list[Priced]:
    """Go on from some evaluations to the largest bound, which comes last; `enough` is told each and
    may end it.

    Without `tangents` the way ends where the curved cuts promise no more than the relative
    `tolerance`, which is nearly always the top; with them, where nothing can promise more.
    """
    visited = list(visited)
    best = max(visited, key=lambda cut: cut.bound)
    while len(visited) < _STEPS and not enough(visited[-1]):
        root = _next(visited, best, tolerance, tangents=tangents)
        if root is None:
            break
        visited.append(fleet.price(*root))
        if visited[-1].bound > best.bound:
            best = visited[-1]
    return [cut for cut in visited if cut is not best] + [best]


def _next(
    visited: list[Priced], best: Priced, tolerance: float, *, tangents: bool
) -> tuple[float, float] | None:
    """The most promising prices; None where nothing promises more than the tolerance."""
    cuts = [[cut.sums for cut in visited]]
    if tangents:
        cuts.append([_tangent(cut) for cut in visited if min(cut.root) > 0.0])
    for kind in filter(None, cuts):
        near = sorted(kind, key=lambda sums: _value(sums, *best.root))[:_CUTS]
        root, height = _top(np.stack(near, axis=1), best.root)
        if height - best.bound > tolerance * abs(best.bound) and all(
            root != cut.root for cut in visited
        ):
            return root
    return None


def _tangent(cut: Priced) -> Floats:
    """The supergradient cut in the form of sums: constant + lambda (X - 1) + mu (Y - 1), X and Y
    the demands.
    """
    _, s, t, u, v, w = cut.sums
    p, q = cut.root
    up, on = (s + w * q) / p + u, (t + w * p) / q + v
    level = cut.bound + p * p * (1.0 - up) + q * q * (1.0 - on)
    return np.array([level, 0.0, 0.0, up, on, 0.0])


def _value(sums: Floats, p: float, q: float) -> float:
    a, s, t, u, v, w = sums
    return float(a + 2 * p * s + 2 * q * t + p * p * (u - 1.0) + q * q * (v - 1.0) + 2 * p * q * w)


def _top(sums: Floats, centre: tuple[float, float]) -> tuple[tuple[float, float], float]:
    """Highest point of the least of some cuts (6, cuts): unimodal in the direction of (p, q), exact
    along each.
    """
    _, own_p, own_q = peak(sums)
    span = np.array(
        [
            at if at > 0.0 else max(float(own.max()), 1e-9)
            for at, own in zip(centre, (own_p, own_q), strict=True)
        ]
    )
    low, high = 0.0, np.pi / 2
    for _ in range(_ZOOMS):
        angle = low + (high - low) * _ANGLES
        direction = span[:, None] * np.stack([np.cos(angle), np.sin(angle)])
        radius, height = _along(sums, direction)
        at = int(np.argmax(height))
        low, high = float(angle[max(at - 1, 0)]), float(angle[min(at + 1, len(angle) - 1)])
    # Where every deadline binds a curved cut falls from zero prices on: a step down is bounded like
    # a step up.
    p, q = np.maximum(radius[at] * direction[:, at], np.array(centre) / _REACH)
    return (float(p), float(q)), float(min(_value(cut, p, q) for cut in sums.T))


def _along(sums: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Best radius and height on rays (2, rays): at the top of one parabola or where two cross."""
    a, s, t, u, v, w = sums[:, None, :]
    p, q = direction[:, :, None]
    slope = p * s + q * t  # (rays, cuts)
    bend = p * p * (1.0 - u) + q * q * (1.0 - v) - 2.0 * p * q * w
    with np.errstate(divide="ignore", invalid="ignore"):
        tops = np.where(bend > 0.0, slope / bend, 0.0)
        i, j = np.triu_indices(a.shape[-1], k=1)
        da, ds, db = a[..., i] - a[..., j], slope[:, i] - slope[:, j], bend[:, i] - bend[:, j]
        root = ds + np.copysign(np.sqrt(ds * ds + db * da), ds)
        crossings = np.concatenate([root / db, -da / root], axis=1)
    radius = np.concatenate([tops, crossings, np.full((len(tops), 1), _REACH)], axis=1)
    radius = np.clip(np.nan_to_num(radius, nan=0.0, posinf=0.0, neginf=0.0), 0.0, _REACH)
    height = np.min(
        a[:, None]
        + radius[:, :, None] * (2.0 * slope[:, None] - radius[:, :, None] * bend[:, None]),
        axis=2,
    )
    at = np.argmax(height, axis=1)
    row = np.arange(len(at))
    return radius[row, at], height[row, at]
