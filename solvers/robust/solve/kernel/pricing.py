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


@dataclass(slots=True)
class Kept:
    """Rows of the workload table, those of user n from `first[n]` to `first[n + 1]`; all of its
    workload where there are none.
    """

    first: Integers
    rows: Integers | None
    # (rows, 2) where each was found last, and how that moves with ln price; changes with every use
    hint_s: Floats
    price: float  # of the last use

    def moved_to(self, price: float) -> float:
        """The change of ln price since the last use."""
        moved = float(np.log(price / self.price)) if price > 0.0 and self.price > 0.0 else 0.0
        self.price = price
        return moved


@dataclass(frozen=True, slots=True)
class Point:
    """One price: its bound, the excess demand and what users choose."""

    price: float
    bound_j: float
    excess_hz: float
    mobile_hz: float  # -d demand/d ln price, where nobody's choice changes
    choice: Integers  # (users,) rows
    share_hz: Floats
    rate: Floats  # (users,) -d ln share/d ln price


@dataclass(frozen=True, slots=True)
class Swept:
    """What may be somebody's best between two prices; and the demand at one in between, for which
    the choices are not told.
    """

    kept: Kept
    point: Point
    widest_hz: float  # of all shares at it


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
        self._each(
            lambda start, stop: required(call(at, start, stop, address(least), address(surely)))
        )
        return least, surely

    def everything(self) -> Kept:
        """All options."""
        first = self.cell.first
        counts = first[self.cell.workload + 1] - first[self.cell.workload]
        ends = np.concatenate(([0], np.cumsum(counts)))
        return Kept(ends, None, np.zeros((int(ends[-1]), 2)), 0.0)

    def at(self, price: float, most_hz: Floats, kept: Kept | None = None) -> Point:
        """Every user's best option at a price, of all or of those kept."""
        kept = self.everything() if kept is None else kept
        choice = np.empty(self.users, dtype=np.int64)
        share, rate = np.empty(self.users), np.empty(self.users)
        call = self._call("sp_robust_price", "nnaiiaaaaaaa")
        moved = kept.moved_to(price)

        def stretch(start: int, stop: int) -> Floats:
            sums = np.empty(5)
            required(
                call(
                    self.cell.address,
                    price,
                    moved,
                    address(most_hz),
                    start,
                    stop,
                    address(kept.first),
                    address(kept.rows),
                    address(kept.hint_s),
                    address(choice),
                    address(share),
                    address(rate),
                    address(sums),
                )
            )
            return sums

        return self._point(price, np.sum(self._each(stretch), axis=0), choice, share, rate)

    def _point(
        self, price: float, sums: Floats, choice: Integers, share: Floats, rate: Floats
    ) -> Point:
        value_j, size_j, demand_hz, without, mobile_hz = (float(one) for one in sums)
        paid_j = price * self.bandwidth_hz
        bound_j = value_j - paid_j - ROUNDING * (size_j + paid_j)
        excess_hz = demand_hz - self.bandwidth_hz
        # What rounding overdraws fits: least shares that leave nothing at all are still a plan.
        if 0.0 < excess_hz <= ROUNDING * self.bandwidth_hz:
            excess_hz = 0.0
        assert without == 0.0, "a user without an option was priced"
        return Point(price, bound_j, excess_hz, mobile_hz, choice, share, rate)

    def between(self, low: float, price: float, high: float, most_hz: Floats) -> Swept | None:
        """The options that may be somebody's best between two prices, and the demand at one in
        between; None where somebody has no option.
        """
        call = self._call("sp_robust_sweep", "nnnaiiaaaa")
        counts = self.cell.first[self.cell.workload + 1] - self.cell.first[self.cell.workload]

        def stretch(start: int, stop: int) -> tuple[Integers, Integers, Floats, Floats]:
            first = np.empty(stop - start + 1, dtype=np.int64)
            room = int(counts[start:stop].sum())
            rows, hint, sums = np.empty(room, dtype=np.int64), np.empty((room, 2)), np.empty(6)
            kept = required(
                call(
                    self.cell.address,
                    price,
                    low,
                    high,
                    address(most_hz),
                    start,
                    stop,
                    address(first),
                    address(rows),
                    address(hint),
                    address(sums),
                )
            )
            return first, rows[:kept].copy(), hint[:kept].copy(), sums

        found = self._each(stretch)
        told = np.array([sums for *_, sums in found])
        sums = told.sum(axis=0)
        if sums[3] > 0.0:
            return None
        before = np.cumsum([0, *(len(one[1]) for one in found)])
        first = np.concatenate(
            [one[0][:-1] + begin for one, begin in zip(found, before[:-1], strict=True)]
            + [before[-1:]]
        )
        rows, hint = (np.concatenate([one[k] for one in found]) for k in (1, 2))
        nothing = np.empty(0)
        point = self._point(price, sums[:5], nothing.astype(np.int64), nothing, nothing)
        return Swept(Kept(first, rows, hint, price), point, float(told[:, 5].max()))

    def hand_out(self, point: Point, off: float, share: Floats) -> tuple[float, float]:
        """Move the shares of a point's choices by a part `off` of its price, down to the least
        ones at most: what they are together, and the energy over them.
        """
        call = self._call("sp_robust_hand_out", "niiaaaa")

        def stretch(start: int, stop: int) -> Floats:
            sums = np.empty(2)
            call(
                self.cell.address,
                off,
                start,
                stop,
                address(point.choice),
                address(point.rate),
                address(share),
                address(sums),
            )
            return sums

        total, energy = np.sum(self._each(stretch), axis=0).tolist()
        return total, energy

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

    def option(self, user: int, row: int, price: float, most_hz: float) -> Floats | None:
        """Value, share, rate, least share and energy of one option at a price; None where it
        cannot keep its limits.
        """
        told = np.empty(5)
        call = self._call("sp_robust_option", "iinna")
        found = call(self.cell.address, user, row, price, most_hz, address(told))
        return told if found else None


def equally(library: Library, cell: Cell) -> Floats:
    """Each user's least energy with an equal share of the uplink; infinite where no row keeps its
    limits.
    """
    users = cell.problem.users
    energy = np.empty(users)
    call = library.function("sp_robust_equal", "aniia")
    call(cell.address, cell.problem.bandwidth_hz / users, 0, users, address(energy))
    return energy
