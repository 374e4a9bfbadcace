"""What users ask for at a price, a stretch of them at a time by all processors."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.crew import each, parts
from solvers.compiled.library import Library, address, required
from solvers.progress import Progress
from solvers.robust.solve.kernel.cell import Cell
from solvers.robust.solve.shares import ROUNDING

# Users at a time: a few milliseconds, so that whoever asks to stop does not wait.
_STRETCH = 4_096


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of the workload table, those of user n from `first[n]` to `first[n + 1]`."""

    first: Integers
    rows: Integers
    hint_s: Floats  # where each was found last; changes with every use


@dataclass(frozen=True, slots=True)
class Point:
    """One price: its bound, the excess demand and what users choose."""

    price: float
    bound_j: float
    excess_hz: float
    choice: Integers  # (users,) rows


class Pricing:
    """The users of a cell at any price."""

    def __init__(self, library: Library, cell: Cell, progress: Progress) -> None:
        self.cell, self._library, self.progress = cell, library, progress
        self.users, self.bandwidth_hz = cell.problem.users, cell.problem.bandwidth_hz
        self._parts = parts(self.users, _STRETCH)

    def _call(self, name: str, arguments: str, answer: str = "i") -> Any:
        """A function of the library, of a cell and what the letters say."""
        return self._library.function(name, "a" + arguments, answer)

    def _each(self, call: Any) -> list[Any]:
        """What a call returns for all stretches; looks up in between."""
        return each(call, self._parts, lambda _: self.progress.tick())

    def least(self) -> tuple[Floats, Floats]:
        """The least share of every user, infinite where it has none, and what it surely is."""
        least, surely = np.empty(self.users), np.empty(self.users)
        call = self._call("sp_robust_least", "iiaa")
        at = self.cell.address
        self._each(lambda start, stop: call(at, start, stop, address(least), address(surely)))
        return least, surely

    def at(
        self, price: float, most_hz: Floats, kept: Kept | None = None, shares: Floats | None = None
    ) -> Point:
        """Every user's best option at a price.

        shares : filled with what each asks for.
        """
        choice = np.empty(self.users, dtype=np.int64)
        call = self._call("sp_robust_price", "naiiaaaaaa")

        def stretch(start: int, stop: int) -> Floats:
            sums = np.empty(4)
            required(
                call(
                    self.cell.address,
                    price,
                    address(most_hz),
                    start,
                    stop,
                    address(None if kept is None else kept.first),
                    address(None if kept is None else kept.rows),
                    address(None if kept is None else kept.hint_s),
                    address(choice),
                    address(shares),
                    address(sums),
                )
            )
            return sums

        return self._point(price, np.sum(self._each(stretch), axis=0), choice)

    def _point(self, price: float, sums: Floats, choice: Integers) -> Point:
        value_j, size_j, demand_hz, without = (float(one) for one in sums)
        paid_j = price * self.bandwidth_hz
        bound_j = value_j - paid_j - ROUNDING * (size_j + paid_j)
        excess_hz = demand_hz - self.bandwidth_hz
        # What rounding overdraws fits: least shares that leave nothing at all are still a plan.
        if 0.0 < excess_hz <= ROUNDING * self.bandwidth_hz:
            excess_hz = 0.0
        assert without == 0.0, "a user without an option was priced"
        return Point(price, bound_j, excess_hz, choice)

    def between(self, low: float, high: float, most_hz: Floats) -> tuple[Kept, tuple[Point, Point]]:
        """The options that may be somebody's best between two prices; and both of these, without
        choices.
        """
        call = self._call("sp_robust_sweep", "nnaiiaaa")
        counts = self.cell.first[self.cell.workload + 1] - self.cell.first[self.cell.workload]

        def stretch(start: int, stop: int) -> tuple[Integers, Integers, Floats]:
            first = np.empty(stop - start + 1, dtype=np.int64)
            rows = np.empty(int(counts[start:stop].sum()), dtype=np.int64)
            sums = np.empty(8)
            kept = required(
                call(
                    self.cell.address,
                    low,
                    high,
                    address(most_hz),
                    start,
                    stop,
                    address(first),
                    address(rows),
                    address(sums),
                )
            )
            return first, rows[:kept].copy(), sums

        found = self._each(stretch)
        sums = np.sum([one[2] for one in found], axis=0)
        before = np.cumsum([0, *(len(rows) for _, rows, _ in found)])
        first = np.concatenate(
            [one[0][:-1] + begin for one, begin in zip(found, before[:-1], strict=True)]
            + [before[-1:]]
        )
        nobody = np.empty(0, dtype=np.int64)
        kept = Kept(first, np.concatenate([rows for _, rows, _ in found]), np.zeros(first[-1]))
        ends = (self._point(low, sums[:4], nobody), self._point(high, sums[4:], nobody))
        return kept, ends

    def respond(
        self, price: float, choice: Integers, hint_s: Floats, least_hz: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """What chosen rows ask for at a price; the rates at which that falls with the price; the
        sums of the shares, of what is beyond the least shares and of shares times rates.

        hint_s : where each was found last, 0 to begin with.
        least_hz : NaN where it is not known yet, and filled in.
        """
        share, rate = np.empty(self.users), np.empty(self.users)
        call = self._call("sp_robust_respond", "niiaaaaaa")

        def stretch(start: int, stop: int) -> Floats:
            sums = np.empty(3)
            call(
                self.cell.address,
                price,
                start,
                stop,
                address(choice),
                address(hint_s),
                address(share),
                address(rate),
                address(least_hz),
                address(sums),
            )
            return sums

        return share, rate, np.sum(self._each(stretch), axis=0)

    def energy_j(self, choice: Integers, share_hz: Floats) -> float:
        """What chosen rows spend at their shares, all together."""
        call = self._call("sp_robust_energy", "iiaa", "n")
        parts_j = self._each(
            lambda start, stop: call(
                self.cell.address, start, stop, address(choice), address(share_hz)
            )
        )
        return float(np.sum(parts_j))

    def equally(self, each_hz: float) -> tuple[Integers, Floats]:
        """Each user's best row with one share for everybody, and its energy; -1 and infinite where
        none keeps its limits.
        """
        choice, energy = np.empty(self.users, dtype=np.int64), np.empty(self.users)
        call = self._call("sp_robust_equal", "niiaa")
        self._each(
            lambda start, stop: call(
                self.cell.address, each_hz, start, stop, address(choice), address(energy)
            )
        )
        return choice, energy

    def option(self, user: int, row: int, price: float, most_hz: float) -> Floats | None:
        """Value, share, rate, least share and energy of one option at a price; None where it
        cannot keep its limits.
        """
        told = np.empty(5)
        call = self._call("sp_robust_option", "iinna")
        found = call(self.cell.address, user, row, price, most_hz, address(told))
        return told if found else None
