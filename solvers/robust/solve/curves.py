"""Each option's energy as a convex curve of its share of the uplink, and the share it asks for at a
price.

With s = p h/(N0 b), the signal-to-noise ratio over the share b, the uplink takes tau = tau_unit
s/ln(1 + s) seconds, where tau_unit = d N0 ln 2/(p h) is what unlimited bandwidth would need. The
least clock that keeps the deadline is f = max(f_min, c/(S - tau)), so the energy kappa f² (c + t0
f) + p tau is one convex decreasing function of b, with a kink where the clock leaves f_min.
Everything is solved in x = ln s, where the logarithm of the marginal energy
-dE/db is close to a straight line of slope 2: Newton's method needs a handful of steps.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers

_NEWTON_STEPS = 80
# Least shares are rounded up by this part, so that rounding never misses a deadline that is just
# met.
PAD = 1e-13
_NO_TIME = 1e-300  # seconds; keeps a quotient defined where there are no cycles either


class _Column:
    """One row of the table, by its name."""

    def __set_name__(self, owner: "type[Curves]", name: str) -> None:
        self.index = len(owner.columns)
        owner.columns.append(name)

    def __get__(self, curves: "Curves", owner: object = None) -> Floats:
        row: Floats = curves.table[self.index]
        return row


class Curves:
    """Curves of any shape: one per feasible option to begin with, later one per user or per
    candidate plan.

    Kept as one table (columns, ...), because small cells spend their time picking curves, not
    computing.
    """

    columns: ClassVar[list[str]] = []

    scale_hz = _Column()  # p h/N0: the bandwidth at which s = 1
    tx_power_w = _Column()
    tau_unit_s = _Column()  # 0 where nothing crosses
    left_s = _Column()  # S: deadline less what neither clock nor share changes
    cycles = _Column()
    overhead_s = _Column()
    kappa = _Column()
    clock_min_hz = _Column()
    clock_max_hz = _Column()
    x_kink = _Column()  # ln s where the clock leaves its minimum; x_most where it never does
    x_most = _Column()  # ln s at the least share
    least_hz = _Column()  # least share that keeps the deadline, 0 where nothing crosses
    # ln(p tau_unit/scale): marginal energy over psi while the clock is at its minimum.
    log_weight = _Column()
    time_error_s = _Column()  # rounding of S and of the uplink time together
    log_marginal_kink = _Column()  # ln(-dE/db) just beyond the kink, and at the least share
    log_marginal_most = _Column()

    __slots__ = ("table",)

    def __init__(self, table: Floats) -> None:
        self.table = table

    @classmethod
    def of(cls, **columns: Floats) -> "Curves":
        """Curves from arrays of one shape; those left out are 0."""
        some = next(iter(columns.values()))
        return cls(np.stack([columns.get(name, np.zeros(some.shape)) for name in cls.columns]))

    def __getitem__(self, index: Any) -> "Curves":
        return Curves(
            self.table[(slice(None), *index) if isinstance(index, tuple) else (slice(None), index)]
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of curves."""
        return self.table.shape[1:]

    def _taken(self, index: tuple[Integers, ...]) -> "Curves":
        """Curves at `index` of an array to whose last dimensions they broadcast."""
        return self[index[-len(self.shape) :]]

    def with_marginals(self) -> "Curves":
        """Fill in the marginal energies at both ends of the stretch where the clock is free."""
        with np.errstate(divide="ignore"):
            kink, most = (
                np.log(self._marginal_power(x)[0] * self.tau_unit_s / self.scale_hz) + _psi(x)[0]
                for x in (self.x_kink, self.x_most)
            )
        return Curves(np.concatenate((self.table[:-2], [kink, most])))

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
        s = np.exp(x)
        return self.tau_unit_s * s / np.log1p(s)

    def clock_hz(self, uplink_s: Floats) -> Floats:
        """Least clock that keeps the deadline with that uplink time, within the device's range."""
        # At the least share rounding may leave no time at all: the clock is then the largest by
        # construction.
        slack = np.maximum(self.left_s - uplink_s, 0.5 * self.cycles / self.clock_max_hz + _NO_TIME)
        return np.minimum(np.maximum(self.cycles / slack, self.clock_min_hz), self.clock_max_hz)

    def energy_j(self, x: Floats) -> Floats:
        """Energy of one inference at x."""
        uplink = self.uplink_s(x)
        clock = self.clock_hz(uplink)
        return (
            self.kappa * clock**2 * (self.cycles + self.overhead_s * clock)
            + self.tx_power_w * uplink
        )

    def marginal_j_per_hz(self, x: Floats) -> tuple[Floats, Floats]:
        """-dE/db at x, for a larger and for a smaller share: they differ at the kink alone."""
        psi = np.exp(_psi(x)[0]) * self.tau_unit_s / self.scale_hz
        watts = self._marginal_power(x)[0]
        larger = np.where(x > self.x_kink, watts, self.tx_power_w) * psi
        smaller = (
            np.where((x >= self.x_kink) & (self.x_kink < self.x_most), watts, self.tx_power_w) * psi
        )
        return larger, smaller

    def _marginal_power(self, x: Floats) -> tuple[Floats, Floats]:
        """dE/d(uplink time) where the clock is free, and the derivative of its logarithm."""
        return self._total_power(self.uplink_s(x))

    def _total_power(self, uplink_s: Floats) -> tuple[Floats, Floats]:
        clock = self.clock_hz(uplink_s)
        cycles = np.where(self.cycles > 0.0, self.cycles, 1.0)
        stretch = self.overhead_s * clock / cycles
        cube = np.where(self.cycles > 0.0, self.kappa * clock**3, 0.0)
        watts = self.tx_power_w + cube * (2.0 + 3.0 * stretch)
        return watts, cube / watts * (6.0 + 12.0 * stretch) * (clock / cycles)

    def _clock_power(self, clock: Floats) -> Floats:
        """Energy that a second more for the cycles saves, were the clock free; 0 without cycles."""
        cycles = np.where(self.cycles > 0.0, self.cycles, np.inf)
        power = (
            self.kappa * clock * clock * clock * (2.0 + 3.0 * (self.overhead_s / cycles) * clock)
        )
        return np.where(self.cycles > 0.0, power, 0.0)

    def respond(self, log_price: Floats | float, x_least: Floats) -> tuple[Floats, Floats]:
        """Where each curve's E(b) + price b is least: x, and dx/d ln(price) (0 where x does not
        move).

        Parameters
        ----------
        log_price : broadcast against the curves; ln of a price in J/Hz.
        x_least : ln s at the largest share allowed.
        """
        # With the clock at its minimum the marginal energy is p tau_unit psi(s)/(p h/N0): one
        # function for all.
        x, slope = _inverse_psi(log_price - self.log_weight)
        rate = 1.0 / slope
        free = x > self.x_kink
        x = np.minimum(x, self.x_most)
        most = free & (log_price >= self.log_marginal_most)
        kink = free & ~most & (log_price <= self.log_marginal_kink)
        np.copyto(x, self.x_most, where=most)
        np.copyto(x, self.x_kink, where=kink)
        inside = np.nonzero(free & ~most & ~kink)
        if len(inside[0]):
            # Beyond the kink the clock adds to the marginal energy, so the root lies left of the
            # one just found.
            curves = self._taken(inside)
            x[inside], rate[inside] = _free_clock(
                curves, np.broadcast_to(log_price, x.shape)[inside], x[inside]
            )
        still = most | kink | (x <= x_least) | (x >= self.x_most) | ~self.sends
        x = np.maximum(x, np.minimum(x_least, self.x_most))
        return np.minimum(x, self.x_most), np.where(still, 0.0, rate)

    def beyond_hz(self, x: Floats) -> Floats:
        """Share at x less the least share, without their cancellation."""
        with np.errstate(invalid="ignore"):  # where nothing crosses the two may be infinite
            return np.where(self.sends, self.least_hz * np.expm1(self.x_most - x), 0.0)

    def x_beyond(self, beyond_hz: Floats) -> Floats:
        """The x of a share given by what it is beyond the least share."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.sends, self.x_most - np.log1p(beyond_hz / self.least_hz), 0.0)

    def surely_least_hz(self) -> Floats:
        """What no share that keeps the deadline lies below: the least share with its own error
        taken off.

        The logarithm of tau/tau_unit - 1 changes with x at a rate of at least 0.81, so that an
        error of the time left moves x_most by no more than 1.25 times its part of the time beyond
        tau_unit.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond_s = self.left_s - self.cycles / self.clock_max_hz - self.tau_unit_s
            doubt = np.where(
                self.sends & (beyond_s > 0.0), 1.25 * self.time_error_s / beyond_s, 0.0
            )
        return np.asarray(self.least_hz * np.maximum(1.0 - 2.0 * PAD - doubt, 0.0))

    def surely_j(self, x: Floats) -> Floats:
        """Energy at x less what the rounding of times may overstate it by."""
        uplink = self.uplink_s(x)
        clock = self.clock_hz(uplink)
        energy = (
            self.kappa * clock**2 * (self.cycles + self.overhead_s * clock)
            + self.tx_power_w * uplink
        )
        return energy - self.time_error_s * np.where(
            clock > self.clock_min_hz, self._clock_power(clock), 0.0
        )

    def priced_j(self, price: Floats | float, x: Floats, x_least: Floats) -> tuple[Floats, Floats]:
        """A proven lower bound on min over b of E(b) + price b from a point x near the minimiser,
        and the share there.

        The curve lies above its tangent, so the value at x less |slope| times the way to the far
        end of the allowed shares never overstates the minimum, however badly x was found. A slope
        that is off by rounding costs its square: -dE/db falls at least as fast as 1/b, so the
        minimiser is no further than that rounding.

        Times carry rounding. What is computed is exact for a time left that differs by
        `time_error_s` at most, and the minimum is convex in the time left (b and f are jointly
        convex), so it falls by no more than the multiplier of the deadline times that error: the
        power of the clock, or at the least share what the price asks for it.
        """
        sends, s = self.sends, np.exp(x)
        log1p = np.log1p(s)
        stretch = s / log1p
        least = x >= self.x_most
        share = np.where(sends, np.where(least, self.least_hz, self.scale_hz / s), 0.0)
        uplink = self.tau_unit_s * stretch
        psi = stretch * stretch * _bend(s, log1p) * (self.tau_unit_s / self.scale_hz)
        slow = self.tx_power_w * psi
        if self.cycles.any():
            clock = self.clock_hz(uplink)
            cycling = self.kappa * clock**2
            energy = cycling * (self.cycles + self.overhead_s * clock) + self.tx_power_w * uplink
            watts = self._clock_power(clock)
            fast = (self.tx_power_w + watts) * psi
            larger = np.where(x > self.x_kink, fast, slow)
            smaller = np.where((x >= self.x_kink) & (self.x_kink < self.x_most), fast, slow)
            multiplier = np.where(clock > self.clock_min_hz, watts, 0.0)
        else:  # measured levels: no share changes their clock
            energy = self.kappa * self.clock_min_hz**3 * self.overhead_s + self.tx_power_w * uplink
            larger = smaller = slow
            multiplier = np.zeros(())
        # Slopes of E + price b to either side of x: at the kink they bracket 0 and cost nothing.
        down = np.maximum(price - smaller, 0.0) * np.maximum(share - self.least_hz, 0.0)
        up = np.maximum(larger - price, 0.0) * np.maximum(
            self.scale_hz * np.exp(-x_least) - share, 0.0
        )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            asked = np.where(least & sends, price / psi - self.tx_power_w, 0.0)
        doubt = self.time_error_s * np.maximum(multiplier, asked)
        lost = np.where(sends, np.maximum(down, up), 0.0) + PAD * price * self.least_hz + doubt
        return energy + price * share - lost, share


def _free_clock(curves: Curves, log_price: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Solve ln(-dE/db) = ln(price) between the kink and `start`, by Newton's method inside a
    shrinking bracket.
    """
    low, high = curves.x_kink.copy(), start.copy()
    constant = np.log(curves.tau_unit_s / curves.scale_hz) - log_price
    x, rate = start.copy(), np.zeros_like(start)
    active = np.arange(len(x))
    for _ in range(_NEWTON_STEPS):
        part = curves if len(active) == len(x) else curves[active]
        at = x[active]
        s = np.exp(at)
        log1p = np.log1p(s)
        log_psi, psi_slope = _log_psi(at, s, log1p)
        watts, power_slope = part._total_power(part.tau_unit_s * (s / log1p))
        value = np.log(watts) + log_psi + constant[active]
        # d tau/dx = tau_unit psi/s
        slope = power_slope * part.tau_unit_s * np.exp(log_psi - at) + psi_slope
        above = value > 0.0
        high[active] = np.where(above, at, high[active])
        low[active] = np.where(above, low[active], at)
        step = at - value / slope
        lower, upper = low[active], high[active]
        newton = (step >= lower) & (step <= upper)
        step = np.where(newton, step, 0.5 * (lower + upper))
        x[active], rate[active] = step, 1.0 / slope
        # The power of the clock is a power of the time left, so Newton squares the residual of its
        # logarithm, however little time that is; a step as small may still be far off.
        settled = newton & (np.abs(value) <= 2e-7)
        active = active[~settled & (upper - lower > 2e-16 * np.abs(at))]
        if len(active) == 0:
            break
    return x, rate


def _psi(x: Floats) -> tuple[Floats, Floats]:
    """Ln psi and its slope in x, where psi(s) = s² d/ds [s/ln(1 + s)] and x = ln s."""
    s = np.exp(x)
    return _log_psi(x, s, np.log1p(s))


def _log_psi(x: Floats, s: Floats, log1p: Floats) -> tuple[Floats, Floats]:
    """`_psi` where s and ln(1 + s) are known."""
    ratio = s / (1.0 + s)
    difference = _bend(s, log1p)
    return 2.0 * x + np.log(
        difference / (log1p * log1p)
    ), 2.0 + ratio * ratio / difference - 2.0 * ratio / log1p


def _bend(s: Floats, log1p: Floats) -> Floats:
    """Ln(1 + s) - s/(1 + s), which cancels for small s: its series is s² sum (-1)^k (k - 1)/k s^(k
    - 2), k >= 2.
    """
    difference = log1p - s / (1.0 + s)
    small = s < 1e-2
    if small.any():
        t = np.minimum(s, 1e-2)
        series = 5 / 6 + t * (-6 / 7 + t * (7 / 8 + t * (-8 / 9)))
        series = 1 / 2 + t * (-2 / 3 + t * (3 / 4 + t * (-4 / 5 + t * series)))
        difference = np.where(small, s * s * series, difference)
    return np.asarray(difference)


_X_GRID = np.linspace(-30.0, 90.0, 8193)
_LOG_PSI_GRID = _psi(_X_GRID)[0]


def _inverse_psi(target: Floats) -> tuple[Floats, Floats]:
    """X with ln psi(x) = target, and the slope there: a table good to 1e-6, and a Newton step that
    squares that.
    """
    x = np.interp(target, _LOG_PSI_GRID, _X_GRID)
    value, slope = _psi(x)
    return x - (value - target) / slope, slope


def log_snr_for(stretch: Floats) -> Floats:
    """X with s/ln(1 + s) = stretch > 1, where x = ln s: how far the uplink may be slowed from
    unlimited bandwidth.
    """
    excess = stretch - 1.0
    target = np.log(excess)
    # A table good to 1e-6 to begin with; far off it, what the function tends to.
    x = np.interp(target, _LOG_RATIO_GRID, _X_GRID)
    far = (target <= _LOG_RATIO_GRID[0]) | (target >= _LOG_RATIO_GRID[-1])
    if far.any():
        x = np.where(far, np.log(2.0 * excess) + np.log1p(np.log1p(excess)), x)
    for _ in range(_NEWTON_STEPS):
        # Newton on ln(s/ln(1 + s) - 1), which is nearly straight.
        s = np.exp(x)
        ratio, log1p = _stretch_less_one(s)
        slope = (1.0 - s / ((1.0 + s) * log1p)) * (1.0 + ratio) / ratio
        step = (np.log(ratio) - target) / slope
        x = x - step
        if not np.any(np.abs(step) > 1e-8):
            break
    return x


def _stretch_less_one(s: Floats) -> tuple[Floats, Floats]:
    """s/ln(1 + s) - 1, which cancels for small s: there its series has the Gregory coefficients."""
    log1p = np.log1p(s)
    t = np.minimum(s, 2e-3)
    series = t * (1 / 2 + t * (-1 / 12 + t * (1 / 24 + t * (-19 / 720 + t * (3 / 160)))))
    return np.where(s < 2e-3, series, s / log1p - 1.0), log1p


_LOG_RATIO_GRID = np.log(_stretch_less_one(np.exp(_X_GRID))[0])
