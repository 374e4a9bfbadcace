"""A block of users on a channel of independent looks, by the compiled kernel.

The formulas are those of `inverse_rate.py`, `look.py` and `independent.py`, in
`solvers/compiled/sources/stopping_looks.c` and `stopping_rules.c`. What numpy integrates once for
many users, the kernel is given.
"""

import ctypes
from typing import Any

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.library import Library, address, library, required
from solvers.stopping.problem import Waiting
from solvers.stopping.solve.costs import Costs
from solvers.stopping.solve.inverse_rate import Faded, InverseRate, Sampled
from solvers.stopping.solve.look import CutOff
from solvers.stopping.solve.table import Table

_COUNTS = ("users", "cuts", "always", "stays", "faded", "nodes")
_NUMBERS = ("scale", "floor", "spacing", "width")
_COSTS = ("ahead", "zeta", "eta", "xi", "waiting", "up")
_FADED = (
    *("gain", "step", "above", "below", "density", "cap", "beyond"),
    *("under", "over", "mean_snr", "share", "top", "x_low", "x_high"),
)
_TRACE = ("level", "suffix", "snr", "row", "start", "counted")


class _Block(ctypes.Structure):
    """`Block` of stopping_looks.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _COUNTS),
        *((name, ctypes.c_double) for name in _NUMBERS),
        *((name, ctypes.c_void_p) for name in (*_COSTS, *_FADED, *_TRACE)),
    )


def kernel_of(costs: Costs, channel: InverseRate, waiting: Waiting) -> "Kernel | None":
    """The kernel for a block; None where numpy computes: everywhere, or because the channel has no
    least SNR or SNRs that floating point hardly holds.
    """
    found = library()
    bare, floor = (
        (channel.channel, channel.floor) if isinstance(channel, CutOff) else (channel, 0.0)
    )
    if found is None:
        return None
    if isinstance(bare, Sampled):
        looks = _of_trace(bare)
    elif isinstance(bare, Faded) and bare.truncated and _held(bare):
        looks = _of_fading(bare)
    else:
        return None
    return Kernel(found, costs, channel, waiting, {"floor": floor, **looks})


def _held(channel: Faded) -> bool:
    """Whether every number that the kernel divides by is one."""
    fastest = channel.mean_snr.max() * np.exp(channel.grid.log_gain[0])
    usable = channel.x_low.min() > 1e-200 and channel.cap.min() > 1e-100 and fastest < 1e200
    return bool(usable and channel.cap.max() < 1e100)


def _of_fading(channel: Faded) -> dict[str, Any]:
    grid = channel.grid
    return {
        "faded": 1,
        "nodes": len(grid.log_gain),
        "scale": channel.scale,
        "spacing": grid.spacing,
        "width": channel.width,
        "gain": np.exp(grid.log_gain),
        "step": grid.step,
        "above": grid.above,
        "below": grid.below,
        "density": channel.above_slope,
        **{name: getattr(channel, name) for name in ("cap", "beyond", "under", "over", "mean_snr")},
        **{name: getattr(channel, name) for name in ("share", "top", "x_low", "x_high")},
    }


def _of_trace(channel: Sampled) -> dict[str, Any]:
    return {
        "faded": 0,
        "nodes": channel.samples,
        "scale": channel.scale,
        "level": channel.level,
        "suffix": channel.suffix,
        "snr": channel.mean_snr,
        "row": channel.rows,
        "start": channel.start,
        "counted": channel.counted,
    }


class Kernel:
    """The stopping problem of a block of users of one workload, for every horizon at once."""

    def __init__(
        self,
        found: Library,
        costs: Costs,
        channel: InverseRate,
        waiting: Waiting,
        looks: dict[str, Any],
    ) -> None:
        self._library, self.channel = found, channel
        self.shape = (len(channel.up), len(costs.ahead))
        told = {
            **{name: getattr(costs, name) for name in _COSTS[:-1]},
            "up": channel.up,
            "users": self.shape[0],
            "cuts": self.shape[1],
            "always": int(waiting is Waiting.ALWAYS),
            "stays": int(costs.stays),
            **looks,
        }
        self._held: list[Any] = []  # as long as the record points to them
        self._record = _Block(**{name: self._plain(value) for name, value in told.items()})
        self.fixed = np.empty(0)

    def _plain(self, value: Any) -> Any:
        """A number as it is, an array as its address."""
        if not isinstance(value, np.ndarray):
            return value
        kind = np.int64 if value.dtype.kind in "iu" else np.float64
        self._held.append(np.ascontiguousarray(value, dtype=kind))
        return address(self._held[-1])

    def curves(self, *, late: bool) -> tuple[Floats, Floats]:
        """Expected running cost under each horizon, (horizons, users): of the look-ahead rule, and
        the least there is, not a number where it is late. Finds `fixed`, (cuts, users), as well.
        """
        fixed, by_look = np.empty((2, *self.shape))
        running = np.full(self.shape, np.nan) if late else np.empty(self.shape)
        asked = None if late else address(running)
        self._call("sp_stopping_curves", "aaa", address(fixed), address(by_look), asked)
        self.fixed = fixed.T
        return by_look.T, running.T

    def table(self, placement: Integers, *, by_look: bool) -> Table:
        """The table under each user's placement."""
        at = np.ascontiguousarray(placement, dtype=np.int64)
        cap, ends, waits, sending = np.empty((4, *self.shape))
        wait = np.empty(self.shape, dtype=np.bool_)
        filled = [address(one) for one in (cap, wait, ends, waits, sending)]
        self._call("sp_stopping_tables", "aiaaaaa", address(at), int(by_look), *filled)
        with np.errstate(divide="ignore"):
            threshold = 1.0 / cap.T
        return Table(
            threshold_bps=threshold, wait=wait.T, ends=ends.T, waits=waits.T, sending=sending.T
        )

    def _call(self, name: str, letters: str, *arguments: int | None) -> None:
        call = self._library.function(name, "aii" + letters)
        required(call(ctypes.addressof(self._record), 0, self.shape[0], *arguments))
