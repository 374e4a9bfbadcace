"""Cells that the kernel plans in a few calls, each of them short."""

import ctypes
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from solvers.arrays import Booleans, Integers
from solvers.compiled.library import Library, OutOfMemory, address, required
from solvers.outcome import Options
from solvers.progress import Progress, Stage
from solvers.robust.problem import Problem
from solvers.robust.solve.alike import classes
from solvers.robust.solve.kernel.cell import Cell
from solvers.robust.solve.kernel.plan import Found

# The dual is driven to this part of the gap asked for.
_DUAL_TOLERANCE = 1e-2
# And the search to this part, as it is for numpy only where it is lucky: so that what is told to be
# proven is the best there is, or next to it.
_SEARCH_GAP = 0.1
_NODES = 100_000  # some 20 ms
_SMALL_CELL = 50
_SIGNATURES = {
    "sp_robust_open": ("aa",),
    "sp_robust_begin": ("ana",),
    "sp_robust_exchange": ("an",),
    "sp_robust_search": ("aana",),
    "sp_robust_descend": ("aia",),
    "sp_robust_told": ("aaaa", ""),
    "sp_robust_in_reach": ("aa", ""),
    "sp_robust_close": ("a", ""),
}


@cache
def _calls(library: Library) -> dict[str, Callable[..., Any]]:
    return {name: library.function(name, *signature) for name, signature in _SIGNATURES.items()}


class _Solve:
    """A solve within the library; its memory goes when it is closed."""

    def __init__(self, library: Library, cell: Cell) -> None:
        self._call = _calls(library)
        self.cell, self._handle = cell, ctypes.c_void_p()
        self._numbers = np.zeros(3)
        self.at = address(self._numbers)
        opened = self._call["sp_robust_open"](cell.address, ctypes.addressof(self._handle))
        self.fits = bool(opened)
        try:
            required(opened)
        except OutOfMemory:
            self.close()
            raise

    def close(self) -> None:
        """Give all memory back."""
        self._call["sp_robust_close"](self._handle)
        self._handle = ctypes.c_void_p()

    def begin(self, tolerance: float) -> tuple[float, float, float]:
        """The bound, its price and the energy of a plan beside it."""
        required(self._call["sp_robust_begin"](self._handle, tolerance, self.at))
        bound_j, price, energy_j = self._numbers.tolist()
        return bound_j, price, energy_j

    def exchange(self, enough_j: float) -> None:
        """Better the plan by single users."""
        required(self._call["sp_robust_exchange"](self._handle, enough_j))

    def search(self, alike: Integers, gap: float) -> bool:
        """Whether there is anything to search for, beside a plan of half the gap."""
        begun = self._call["sp_robust_search"](self._handle, address(alike), gap, self.at)
        return bool(required(begun))

    def descend(self) -> tuple[bool, float, float]:
        """Whether the search goes on, what it proves by now, and the plan's energy."""
        more = self._call["sp_robust_descend"](self._handle, _NODES, self.at)
        return bool(more), float(self._numbers[0]), float(self._numbers[1])

    def in_reach(self) -> Booleans:
        """Users whose law is at its cap over all that a cheaper plan may give them."""
        same = np.zeros(self.cell.problem.users, dtype=np.uint8)
        self._call["sp_robust_in_reach"](self._handle, address(same))
        return same.astype(bool)

    def told(self, price: float) -> Found:
        """The plan and its bound."""
        users = self.cell.problem.users
        rows, shares = np.empty(users, dtype=np.int64), np.empty(users)
        self._call["sp_robust_told"](self._handle, address(rows), address(shares), self.at)
        return Found(
            rows=rows,
            share_hz=shares,
            energy_j=float(self._numbers[0]),
            price_j_per_hz=float(self._numbers[1]),
            bound_j=float(self._numbers[2]),
            dual_price_j_per_hz=price,
        )


def planned(
    library: Library, cell: Cell, options: Options, progress: Progress, *, prove: bool
) -> Found | None:
    """A plan with its bound; None where least shares do not fit the uplink."""
    solve = _Solve(library, cell)
    try:
        return _planned(solve, options, progress, prove=prove) if solve.fits else None
    finally:
        solve.close()


def _planned(solve: _Solve, options: Options, progress: Progress, *, prove: bool) -> Found:
    progress.stage(Stage.PRICE, 0.5, 0.65)
    bound, price, energy = solve.begin(_DUAL_TOLERANCE * options.gap)
    progress.bound = bound
    progress.stage(Stage.COMPLETE, 0.65, 0.8)
    goal = bound / (1.0 - 0.5 * options.gap)
    small = solve.cell.problem.users <= _SMALL_CELL
    if energy > goal and not (small and prove) and not progress.over():
        solve.exchange(goal)
        energy = solve.told(price).energy_j
    if not (prove and energy > goal and price > 0.0):
        return solve.told(price)
    progress.stage(Stage.BRANCH, 0.8, 1.0)
    more = solve.search(_alike(solve), _SEARCH_GAP * options.gap)
    proven = bound
    while more:
        more, proven, energy = solve.descend()
        progress.bound, progress.objective = proven, energy
        if more:
            if progress.over():
                return replace(solve.told(price), bound_j=proven)
            progress.tick_by_time()
    return solve.told(price)


def _alike(solve: _Solve) -> Integers:
    """The same number for users who are the same to every cheaper plan: alike.py."""
    problem: Problem = solve.cell.problem
    alike = classes(problem)
    if not np.isfinite(solve.cell.record.cap):
        return alike
    # Who is at the cap takes long to tell: not where it makes nobody like another.
    most = classes(problem, np.ones(problem.users, dtype=np.bool_))
    return alike if most.max() == alike.max() else classes(problem, solve.in_reach())
