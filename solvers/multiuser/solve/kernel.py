"""A fleet as the compiled kernel reads it: everybody's best option at a pair of prices, and what
choices add up to, a stretch of users at a time by all processors.

The formulas are those of `fleet.py` and `chosen.py`, in `solvers/compiled/sources/multiuser.c`.
"""

import ctypes
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.compiled.crew import each, parts
from solvers.compiled.library import Library, address, library, required

if TYPE_CHECKING:
    from solvers.multiuser.solve.fleet import Fleet

# Users at a time: about a millisecond, so that whoever asks to stop does not wait.
_STRETCH = 8_192
_TERMS, _NEEDS = 6, 3


class _Record(ctypes.Structure):
    """`Fleet` of multiuser.c."""

    _fields_ = (
        ("users", ctypes.c_int64),
        ("options", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "kind",
                "real",
                "allowed",
                "root_share",
                "root_weight",
                "weight",
                "deadline_s",
                "root_bit",
                "root_server",
                "base",
                "fixed_s",
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """Everybody's best option by some measure."""

    total: float  # of the measure
    choice: Integers  # (users,)
    sums: Floats  # what the choices add up to


def kernel_of(fleet: "Fleet") -> "Kernel | None":
    """The kernel for a fleet; None where numpy computes: everywhere, or because some users hold a
    previous option.
    """
    found = library()
    return None if found is None or fleet.previous is not None else Kernel(found, fleet)


class Kernel:
    """A fleet at any prices."""

    def __init__(self, found: Library, fleet: "Fleet") -> None:
        self._library, self._fleet = found, fleet
        table = fleet.table
        self._held = [  # as long as the record points to them
            _column(fleet.kind, np.int64),
            _column(table.real.sum(axis=1), np.int64),
            None if fleet.allowed is None else _column(fleet.allowed, np.bool_),
            *(
                _column(values, np.float64)
                for values in (
                    fleet.root_share,
                    fleet.root_weight,
                    fleet.weight,
                    fleet.deadline_s,
                    table.root_bit,
                    table.root_server,
                    table.base,
                    table.fixed_s,
                )
            ),
        ]
        self._record = _Record(fleet.users, table.options, *map(address, self._held))

    def price(self, p: float, q: float) -> Found:
        """Least cost at prices (p², q²); sums of `Chosen.terms`."""
        return self._best("sp_multiuser_price", p, q, _TERMS)

    def need(self, p: float, q: float) -> Found:
        """What deadlines ask least of both budgets at prices (p², q²); sums of `shares.need`."""
        return self._best("sp_multiuser_need", p, q, _NEEDS)

    def terms(self, choice: Integers, p: float, q: float) -> Floats:
        """Sums of `Chosen.terms` (6,) of choices around (p², q²)."""
        return self._sums("sp_multiuser_terms", _TERMS, choice, p, q)

    def needs(self, choice: Integers) -> Floats:
        """Sums (3,) of what the deadlines of choices need, as `shares.need`."""
        return self._sums("sp_multiuser_needs", _NEEDS, choice)

    def allowed(self, *, uplink_grows: bool, server_grows: bool) -> Booleans:
        """As `Fleet.keeping_limits` (users, options)."""
        fleet = self._fleet
        loss, most = (_column(one, np.float64) for one in (fleet.table.loss, fleet.max_loss))
        allowed = np.empty((fleet.users, fleet.options), dtype=np.bool_)
        self._each(
            self._call("sp_multiuser_allowed", "iiaaiia"),
            (uplink_grows, server_grows, address(loss), address(most)),
            lambda _: (address(allowed),),
        )
        return allowed

    def _best(self, name: str, p: float, q: float, terms: int) -> Found:
        choice = np.empty(self._fleet.users, dtype=np.int64)
        totals: dict[int, Floats] = {}
        sums: dict[int, Floats] = {}

        def filled(start: int) -> tuple[int | None, ...]:
            totals[start], sums[start] = np.empty(2), np.empty(terms)
            return address(choice), address(totals[start]), address(sums[start])

        self._each(self._call(name, "nniiaaa"), (p, q), filled)
        total = math.fsum(float(part) for start in sorted(totals) for part in totals[start])
        return Found(total, choice, _sum(sums))

    def _sums(self, name: str, terms: int, choice: Integers, *prices: float) -> Floats:
        choice = _column(choice, np.int64)
        sums: dict[int, Floats] = {}

        def filled(start: int) -> tuple[int | None, ...]:
            sums[start] = np.empty(terms)
            return address(choice), address(sums[start])

        self._each(self._call(name, "n" * len(prices) + "iiaa"), prices, filled)
        return _sum(sums)

    def _call(self, name: str, arguments: str) -> Any:
        """A function of the library, of a fleet and what the letters say."""
        return self._library.function(name, "a" + arguments)

    def _each(self, call: Any, before: tuple[Any, ...], after: Any) -> None:
        """Call for all stretches of users, with what comes before and after these; looks up in
        between.
        """
        at = ctypes.addressof(self._record)

        def stretch(start: int, stop: int) -> None:
            required(call(at, *before, start, stop, *after(start)))

        progress = self._fleet.progress
        each(stretch, parts(self._fleet.users, _STRETCH), lambda _: progress.tick())


def _column(values: Any, kind: Any) -> Any:
    return np.ascontiguousarray(values, dtype=kind)


def _sum(parts_: dict[int, Floats]) -> Floats:
    """The same whatever the number of threads."""
    return np.asarray(np.sum([parts_[start] for start in sorted(parts_)], axis=0))
