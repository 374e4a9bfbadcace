"""Lower envelope of the options' costs over all rates: the decision table of RAP, exact."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats
from solvers.multiuser.table import DecisionTable, TableProblem

# An envelope from the highest rate down: (rate from which the piece holds, option).
Pieces = list[tuple[float, int]]


def build_table(problem: TableProblem) -> DecisionTable:
    """Best option at every rate, in O(n log n).

    The cost of an option over 1/R is a straight line, and a deadline cuts it to the segment of
    rates at which it arrives in time. All segments begin at 1/R = 0, so two of them change places
    at most twice and the envelope of n has at most 2n - 1 pieces (a Davenport-Schinzel sequence of
    order 2), and one row below where nothing fits. Envelopes of halves are merged by divide and
    conquer; a convex hull would be wrong as soon as a segment ends.

    Returns
    -------
    DecisionTable with rates rising from 0. At equal cost the option that sends less is taken, then
    the first.
    """
    least = least_rate_bps(problem)
    lines = _Lines(
        problem.fixed_cost.tolist(), problem.cost_per_inverse_rate.tolist(), least.tolist()
    )
    fits = np.flatnonzero(
        (problem.loss <= problem.max_loss) & np.isfinite(least) & np.isfinite(problem.fixed_cost)
    )
    pieces = lines.envelope(fits.tolist())
    if not pieces or pieces[-1][0] > 0.0:
        pieces.append((0.0, -1))
    rate_from, option = (np.array(column[::-1]) for column in zip(*pieces, strict=True))
    return DecisionTable(
        rate_from_bps=rate_from,
        option=option,
        late_below_bps=np.where(option >= 0, least[option], np.inf),
    )


def pin(problem: TableProblem, table: DecisionTable, row: int, option: int) -> DecisionTable:
    """The table that names the option of a plan in the row of the planned rate, dearer as it is.

    A plan that is held to an earlier one, or made by a simple rule, may choose what is not the
    best for one device at its share. In that row the plan's option takes the place of the best,
    from where it keeps the deadline on: the best is the same all over the row, and so is the
    plan's reason not to follow it. All other rows stay.

    Returns
    -------
    A table of the same rows, or one more where the plan's option is late at the row's lower rates;
    `pinned` says which.

    Raises
    ------
    ValueError
        where the option is late at every rate of the row.
    """
    start = float(table.rate_from_bps[row])
    end = float(table.rate_from_bps[row + 1]) if row + 1 < len(table.option) else np.inf
    least = float(least_rate_bps(problem)[option])
    if not least < end:
        raise ValueError(f"option {option} is late at every rate of row {row}")
    columns: list[NDArray[Any]] = [table.rate_from_bps, table.option, table.late_below_bps]
    late = least > start  # at the row's lower rates, which stay as they are
    at = row + late
    rate_from, options, late_below = (
        np.insert(column, at, column[row]) if late else column.copy() for column in columns
    )
    rate_from[at], options[at], late_below[at] = max(start, least), option, least
    return DecisionTable(
        rate_from_bps=rate_from, option=options, late_below_bps=late_below, pinned=at
    )


def least_rate_bps(problem: TableProblem) -> Floats:
    """Rate from which each option keeps the deadline [bit/s]: d/(D - t0); infinite where no rate
    does.
    """
    fixed, crossing, deadline = problem.fixed_s, problem.crossing_bit, problem.deadline_s
    slack = np.where(np.isfinite(fixed), deadline, -np.inf) - np.where(
        np.isfinite(fixed), fixed, 0.0
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        at_least = np.where(crossing > 0.0, crossing / np.maximum(slack, 0.0), 0.0)
        rate = np.where(slack >= 0.0, at_least, np.inf)
        # A rate rounded down would be late by a rounding error: step up until the sum itself keeps
        # the deadline.
        while np.any(
            late := np.isfinite(rate) & (crossing > 0.0) & (fixed + crossing / rate > deadline)
        ):
            rate = np.where(late, np.nextafter(rate, np.inf), rate)
    return np.asarray(rate)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Costs intercept + slope/R, each for R >= least; plain floats, since pieces are few and looked
    at one by one.
    """

    intercept: list[float]
    slope: list[float]
    least: list[float]

    def envelope(self, options: list[int]) -> Pieces:
        if len(options) <= 1:
            return [(self.least[option], option) for option in options]
        half = len(options) // 2
        return self._merge(self.envelope(options[:half]), self.envelope(options[half:]))

    def _merge(self, one: Pieces, other: Pieces) -> Pieces:
        merged: Pieces = []
        i = j = 0
        top = np.inf
        while i < len(one) and j < len(other):
            bottom = max(one[i][0], other[j][0])
            for piece in self._lower(one[i][1], other[j][1], bottom, top):
                _push(merged, piece)
            i += one[i][0] == bottom
            j += other[j][0] == bottom
            top = bottom
        for piece in (
            one[i:] + other[j:]
        ):  # one of them is spent: it has ended at a higher rate than the other
            _push(merged, piece)
        return merged

    def _lower(self, i: int, j: int, bottom: float, top: float) -> Pieces:
        """The lower of two lines on [bottom, top): at high rates the lower intercept, at low rates
        the lower slope.
        """
        if (self.intercept[j], self.slope[j]) < (self.intercept[i], self.slope[i]):
            i, j = j, i
        if self.slope[j] >= self.slope[i]:
            return [(bottom, i)]
        rise = self.intercept[j] - self.intercept[i]
        crossing = (self.slope[i] - self.slope[j]) / rise if rise > 0.0 else np.inf
        if crossing >= top:
            return [(bottom, j)]
        if crossing <= bottom:
            return [(bottom, i)]
        return [(crossing, i), (bottom, j)]


def _push(pieces: Pieces, piece: tuple[float, int]) -> None:
    if pieces and pieces[-1][1] == piece[1]:
        pieces[-1] = piece
    else:
        pieces.append(piece)
