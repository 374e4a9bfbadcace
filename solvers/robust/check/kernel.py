"""The check's bounds as its own part of the compiled kernel computes them: robust_check.c."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.library import Library, address, required

# The columns of options in the order of the kernel; None where no option needs one.
_COLUMNS = (
    "scale_hz",
    "unit_s",
    "left_s",
    "power_w",
    "kappa",
    "cycles",
    "overhead_s",
    "clock_min_hz",
    "clock_max_hz",
    "exponent",
    "static_w",
    "fixed_j",
    "uplink_end_s",
)
_Addresses = ctypes.c_void_p * len(_COLUMNS)


class Columns:
    """Options as the kernel reads them, for as long as this is held."""

    def __init__(self, options: Any) -> None:
        given = [getattr(options, name) for name in _COLUMNS]
        self._held = [None if each is None else _plain(each) for each in given]
        self._addresses = _Addresses(*map(address, self._held))
        self.at = ctypes.addressof(self._addresses)


def _plain(values: Floats) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float64)


def least_j(
    library: Library,
    options: Any,
    prices: Floats,
    least_u: Floats,
    most_u: Floats,
    shapes: tuple[Floats, Floats],
    *,
    own: bool,
) -> tuple[Floats, Floats]:
    """As `curves.least_j`, each option at its own prices or all at the same ones: bounds and
    shares, (options, prices).
    """
    count, columns = len(options.user), Columns(options)
    least_u, most_u, prices = _plain(least_u), _plain(most_u), _plain(prices)
    wide = prices.shape[-1] if prices.ndim else 1
    bound, share = np.empty((count, wide)), np.empty((count, wide))
    call: Callable[..., Any] = library.function("sp_check_least", "ainaaaiiaaiaa", "")
    call(
        columns.at,
        count,
        options.cap_u,
        *(address(least_u), address(most_u)),
        *(address(prices), wide, int(own)),
        *(address(shapes[0]), address(shapes[1]), len(shapes[0])),
        *(address(bound), address(share)),
    )
    return bound, share


@dataclass(frozen=True, slots=True)
class Root:
    """What the options of a small cell cost at least."""

    bound_j: float
    near: Integers
    """Options that may be in a plan below the goal."""
    detour_j: Floats  # of each of these, beyond its user's best
    least_u: Floats
    most_u: Floats


def root(
    library: Library,
    options: Any,
    bandwidth_hz: float,
    price: float,
    held: Integers,
    goal_j: float,
    shapes: tuple[Floats, Floats],
    columns: Columns | None = None,
) -> Root:
    """The bound at a price of a cell whose servers have no budgets, and what it leaves open beside
    a plan whose options are `held`. `columns` are those of the options, where they are at hand.
    """
    count, users, columns = len(options.user), len(held), columns or Columns(options)
    bound = np.empty(1)
    is_open, figures = np.empty(count, dtype=np.bool_), np.empty((4, count))
    of_users = np.empty((4, users))
    call = library.function("sp_check_root", "aaaiinnnianaaiaaaa", "")
    call(
        columns.at,
        *(address(options.user), address(options.option), count, users),
        *(options.cap_u, bandwidth_hz, price, int(options.plain)),
        *(address(held), goal_j),
        *(address(shapes[0]), address(shapes[1]), len(shapes[0])),
        *(address(is_open), address(figures), address(of_users), address(bound)),
    )
    near = np.flatnonzero(is_open)
    _, value, least_u, most_u = figures[:, near]
    return Root(float(bound[0]), near, value - of_users[0, options.user[near]], least_u, most_u)


def opened(
    library: Library,
    values_j: Floats,
    start: Integers,
    order: Integers,
    paid_j: Floats,
    goal_j: float,
    *,
    most: int,
    beam: int,
    unseen: int,
) -> tuple[Integers, Floats, bool]:
    """As `search._opened`, of a cell whose servers have no budgets. Raises OutOfMemory."""
    users, values_j, paid_j = len(order), _plain(values_j), _plain(paid_j)
    chosen, bound = np.empty((most, users), dtype=np.int64), np.empty(most)
    complete = np.empty(1, dtype=np.int64)
    call = library.function("sp_check_opened", "aiaaianiiiaaa", "i")
    count = required(
        call(
            *(address(values_j), values_j.shape[1], address(start), address(order), users),
            *(address(paid_j), goal_j, most, beam, unseen),
            *(address(chosen), address(bound), address(complete)),
        )
    )
    return chosen[:count], bound[:count], bool(complete[0])
