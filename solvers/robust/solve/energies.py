"""Each option's energy as a convex curve of its share of the uplink.

The uplink takes tau(b) seconds over the share b (`rates`). The least clock that keeps the deadline
is f = max(f_low, c/(S - tau)), where f_low is the cheapest clock that the device and its stage
allow. So the energy (P_s + kappa f^alpha)(c/f + t0) + W tau, with what is constant, is one convex
decreasing function of b. It has a kink where the clock leaves f_low, unless that is where its
energy is least, and one where the rate law reaches its cap. All is told at x = ln s.
"""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.robust.solve.rates import log_cap_of, log_psi

_NO_TIME = 1e-300  # seconds; keeps a quotient defined where there are no cycles either
# Clocks are rounded up by this much, so that rounding never turns a deadline just met into one just
# missed.
_ROUND_UP = 1.0 + 4e-14
_CAP_ERROR = 8 * 2.0**-52  # of the share at the cap, for each unit of its x
_INFINITE = float("inf")


class _Column:
    """One row of the table, by its name."""

    def __set_name__(self, owner: "type[Energies]", name: str) -> None:
        self.index = len(owner.columns)
        owner.columns.append(name)

    def __get__(self, curves: "Energies", owner: object = None) -> Floats:
        row: Floats = curves.table[self.index]
        return row


class Energies:
    """Curves of any shape: one per feasible option to begin with, later one per user or per
    candidate plan.

    Kept as one table (columns, ...), because small cells spend their time picking curves, not
    computing. It ends with what all of them need: the columns of other power laws than a cube
    without constant parts, and the marginals at the cap of a rate law, are there for who has some.
    """

    columns: ClassVar[list[str]] = []

    scale_hz = _Column()  # p h/(N0 Gamma): the bandwidth at which s = 1
    radio_w = _Column()  # W: energy for each second that the uplink takes at the most
    tau_unit_s = _Column()  # 0 where nothing crosses
    left_s = _Column()  # S: deadline less what neither clock nor share changes
    cycles = _Column()
    overhead_s = _Column()
    kappa = _Column()
    clock_min_hz = _Column()  # f_low: no slower clock is cheaper, or allowed
    clock_max_hz = _Column()
    x_kink = _Column()  # ln s where the clock leaves its minimum; x_most where it never does
    x_most = _Column()  # ln s at the least share
    least_hz = _Column()  # least share that keeps the deadline, 0 where nothing crosses
    # ln(W tau_unit/scale): marginal energy over psi while the clock is at its minimum.
    log_weight = _Column()
    time_error_s = _Column()  # rounding of S and of the uplink time together
    log_marginal_kink = _Column()  # ln(-dE/db) just beyond the kink, and at the least share
    log_marginal_most = _Column()
    # Where the rate law has a cap: ln(-dE/db) just before the kink, and to both sides of the cap;
    # infinite where the least share comes first.
    log_marginal_to_kink = _Column()
    log_marginal_to_cap = _Column()
    log_marginal_cap = _Column()
    # Where power is no cube of the clock, or not all of it.
    static_w = _Column()  # P_s: drawn while computing, whatever the clock
    exponent = _Column()  # alpha
    constant_j = _Column()
    stage_s = _Column()  # most that the uplink may take beside the deadline; infinite if any
    doubt_j = _Column()  # what rounding of f_low may overstate the energy by

    _CUBIC: ClassVar[int] = 16
    _CUBIC_CAPPED: ClassVar[int] = 19

    __slots__ = ("cap", "table")

    def __init__(self, table: Floats, cap: float = _INFINITE) -> None:
        self.table = table
        self.cap = cap  # L [nat/s/Hz] of the rate law, the same for all

    @classmethod
    def of(cls, *, cap: float = _INFINITE, **columns: Floats) -> Self:
        """Curves from arrays of one shape; those left out are 0.

        All columns are laid out where one of the general power law is given (`static_w` speaks for
        them).
        """
        some = next(iter(columns.values()))
        count = len(cls.columns)
        if "static_w" not in columns:
            count = cls._CUBIC_CAPPED if np.isfinite(cap) else cls._CUBIC
        table = np.zeros((count, *some.shape))
        for row, name in zip(table, cls.columns, strict=False):  # the first ones only
            if name in columns:
                row[...] = columns[name]
        return cls(table, cap)

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """All curves of several lists of curves, one after the other."""
        if any(part.general for part in parts):
            parts = [part.generalised() for part in parts]
        return cls(np.concatenate([part.table for part in parts], axis=1), parts[0].cap)

    @property
    def general(self) -> bool:
        """Whether power may follow another law than kappa f³."""
        return len(self.table) == len(self.columns)

    @property
    def capped(self) -> bool:
        """Whether the rate law has a cap."""
        return self.cap < _INFINITE

    def generalised(self) -> Self:
        """The same curves with all columns."""
        if self.general:
            return self
        table = np.zeros((len(self.columns), *self.shape))
        table[: len(self.table)] = self.table
        table[self.columns.index("exponent")] = 3.0
        table[self.columns.index("stage_s")] = np.inf
        return type(self)(table, self.cap)

    def __getitem__(self, index: Any) -> Self:
        return type(self)(
            self.table[(slice(None), *index) if isinstance(index, tuple) else (slice(None), index)],
            self.cap,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of curves."""
        return self.table.shape[1:]

    def _taken(self, index: tuple[Integers, ...]) -> Self:
        """Curves at `index` of an array to whose last dimensions they broadcast."""
        return self[index[-len(self.shape) :]]

    def with_marginals(self) -> Self:
        """Fill in the marginal energies at both ends of the stretch where the clock is free, and at
        the cap.
        """
        table = self.table.copy()
        kink, most = (
            self.columns.index(name) for name in ("log_marginal_kink", "log_marginal_most")
        )
        with np.errstate(divide="ignore"):
            if self.capped:
                self._fill_capped(table)
            else:
                for row, x in ((kink, self.x_kink), (most, self.x_most)):
                    watts = self._total_power(self.uplink_s(x))[0]
                    table[row] = np.log(watts * self.tau_unit_s / self.scale_hz) + log_psi(x)[0]
        return type(self)(table, self.cap)

    def _fill_capped(self, table: Floats) -> None:
        x_cap = log_cap_of(self.cap)
        bends = self.x_kink < self.x_most
        caps = x_cap < self.x_most
        kink = self.marginal_j_per_hz(self.x_kink)
        cap = self.marginal_j_per_hz(np.full(self.shape, x_cap))
        values = {
            "log_marginal_to_kink": np.where(bends, np.log(kink[0]), np.inf),
            "log_marginal_kink": np.where(bends, np.log(kink[1]), np.inf),
            "log_marginal_to_cap": np.where(caps, np.log(cap[0]), np.inf),
            "log_marginal_cap": np.where(caps, np.log(cap[1]), np.inf),
            "log_marginal_most": np.log(self.marginal_j_per_hz(self.x_most)[0]),
        }
        for name, value in values.items():
            table[self.columns.index(name)] = value

    @property
    def sends(self) -> NDArray[np.bool_]:
        """Whether anything crosses the uplink."""
        return self.tau_unit_s > 0.0

    def x_at(self, share_hz: Floats | float) -> Floats:
        """Ln of the signal-to-noise ratio over a share, never beyond the least share."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(np.log(self.scale_hz / share_hz), self.x_most))

    def share_hz(self, x: Floats) -> Floats:
        """Share at x: exactly the least share at its end, 0 where nothing crosses."""
        share = np.where(x >= self.x_most, self.least_hz, self.scale_hz * np.exp(-x))
        return np.where(self.sends, share, 0.0)

    def uplink_s(self, x: Floats) -> Floats:
        """Uplink time at x."""
        return self.uplink_over_s(np.exp(x))

    def uplink_over_s(self, s: Floats) -> Floats:
        """Uplink time at a signal-to-noise ratio."""
        return self.tau_unit_s * s / self._carried(np.log1p(s))

    def _carried(self, log1p: Floats) -> Floats:
        """What the rate law makes of ln(1 + s)."""
        return np.minimum(log1p, self.cap) if self.capped else log1p

    def clock_hz(self, uplink_s: Floats) -> Floats:
        """Least clock that keeps the deadline with that uplink time, within the device's range."""
        # At the least share rounding may leave no time at all: the clock is then the largest by
        # construction.
        slack = np.maximum(self.left_s - uplink_s, 0.5 * self.cycles / self.clock_max_hz + _NO_TIME)
        return np.minimum(np.maximum(self.cycles / slack, self.clock_min_hz), self.clock_max_hz)

    def carried_out(self, share_hz: Floats) -> tuple[Floats, float]:
        """Clocks that a device can set beside these shares, and the energy [J] of these very
        numbers.
        """
        s = self.scale_hz / np.where(self.sends, share_hz, self.scale_hz)
        uplink = self.uplink_over_s(s)
        slack = np.maximum(
            self.left_s - uplink - self.time_error_s, 0.5 * self.cycles / self.clock_max_hz
        )
        least = np.where(self.cycles > 0.0, self.cycles / np.where(slack > 0.0, slack, 1.0), 0.0)
        clock = np.where(
            least > self.clock_min_hz,
            np.minimum(least * _ROUND_UP, self.clock_max_hz),
            self.clock_min_hz,
        )
        return clock, float(self.spent_j(clock, uplink).sum())

    def energy_j(self, x: Floats) -> Floats:
        """Energy of one inference at x."""
        uplink = self.uplink_s(x)
        return self.spent_j(self.clock_hz(uplink), uplink)

    def spent_j(self, clock: Floats, uplink_s: Floats) -> Floats:
        """Energy with a clock and an uplink time."""
        if not self.general:
            cycling = self.kappa * clock**2
            energy = cycling * (self.cycles + self.overhead_s * clock) + self.radio_w * uplink_s
            return np.asarray(energy)
        power = self.static_w + self.kappa * clock**self.exponent
        energy = power * (self.cycles / clock + self.overhead_s) + self.radio_w * uplink_s
        return np.asarray(energy + self.constant_j)

    def marginal_j_per_hz(self, x: Floats) -> tuple[Floats, Floats]:
        """-dE/db at x, for a larger and for a smaller share: they differ at kinks alone."""
        psi = beside = np.exp(log_psi(x)[0]) * self.tau_unit_s / self.scale_hz
        if self.capped:
            psi, beside, _ = self._beside_cap(x, np.exp(x), psi)
        return self._one_sided(x, self._total_power(self.uplink_s(x))[0], psi, beside)

    def _one_sided(
        self, x: Floats, total: Floats, psi: Floats, beside: Floats
    ) -> tuple[Floats, Floats]:
        """-dE/db at x for a larger and for a smaller share: `total` is dE/d(uplink time) where the
        clock is free, `psi` and `beside` the uplink time that one more hertz saves.
        """
        larger = np.where(x > self.x_kink, total, self.radio_w) * psi
        moves = (x >= self.x_kink) & (self.x_kink < self.x_most)
        return larger, np.where(moves, total, self.radio_w) * beside

    def _beside_cap(self, x: Floats, s: Floats, psi: Floats) -> tuple[Floats, Floats, Floats]:
        """Psi to a larger and to a smaller share where the rate law has a cap; and what their
        difference may cost where rounding hides on which side of the cap x lies, per watt and
        hertz.
        """
        x_cap = log_cap_of(self.cap)
        beyond = s * s / self.cap * (self.tau_unit_s / self.scale_hz)
        error = _CAP_ERROR * (1.0 + abs(x_cap))
        hidden = np.where(np.abs(x - x_cap) <= error, error * np.abs(beyond - psi), 0.0)
        return np.where(x > x_cap, beyond, psi), np.where(x >= x_cap, beyond, psi), hidden

    def _total_power(self, uplink_s: Floats) -> tuple[Floats, Floats]:
        """dE/d(uplink time) where the clock is free, and the derivative of its logarithm."""
        clock = self.clock_hz(uplink_s)
        cycles = np.where(self.cycles > 0.0, self.cycles, 1.0)
        stretch = self.overhead_s * clock / cycles
        if self.general:
            alpha = self.exponent
            power = np.where(self.cycles > 0.0, self.kappa * clock**alpha, 0.0)
            watts = self.radio_w + self._clock_power(clock)
            rising = alpha * ((alpha - 1.0) + (alpha + 1.0) * stretch)
            return watts, power / watts * rising * (clock / cycles)
        cube = np.where(self.cycles > 0.0, self.kappa * clock**3, 0.0)
        watts = self.radio_w + cube * (2.0 + 3.0 * stretch)
        return watts, cube / watts * (6.0 + 12.0 * stretch) * (clock / cycles)

    def _clock_power(self, clock: Floats) -> Floats:
        """Energy that a second more for the cycles saves, were the clock free; 0 without cycles."""
        cycles = np.where(self.cycles > 0.0, self.cycles, np.inf)
        if self.general:
            alpha = self.exponent
            rising = (alpha - 1.0) + alpha * (self.overhead_s / cycles) * clock
            # Less than nothing at its cheapest clock by rounding alone.
            power = np.maximum(self.kappa * clock**alpha * rising - self.static_w, 0.0)
        else:
            rising = 2.0 + 3.0 * (self.overhead_s / cycles) * clock
            power = self.kappa * clock * clock * clock * rising
        return np.where(self.cycles > 0.0, power, 0.0)
