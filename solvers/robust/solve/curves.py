"""The share of the uplink that each option asks for at a price.

Energies are convex in the share (`energies`). The logarithm of the marginal energy -dE/db is close
to a straight line of slope 2 in x = ln s, where s is the signal-to-noise ratio over the share:
Newton's method needs a handful of steps.
"""

import numpy as np

from solvers.arrays import Booleans, Floats
from solvers.robust.solve.energies import Energies
from solvers.robust.solve.rates import bend, inverse_psi, log_cap_of, log_psi_of

_NEWTON_STEPS = 80
# Least shares are rounded up by this part, so that rounding never misses a deadline that is just
# met.
PAD = 1e-13


class Curves(Energies):
    """Energies of any shape, with what they answer to a price."""

    @classmethod
    def constant(cls, energy_j: Floats) -> "Curves":
        """Options that send nothing, each of an energy that nothing changes."""
        one = np.ones_like(energy_j)
        return cls.of(
            constant_j=energy_j,
            static_w=np.zeros_like(one),
            exponent=one,
            stage_s=np.full_like(one, np.inf),
            radio_w=one,
            scale_hz=one,
            left_s=one,
            clock_min_hz=one,
            clock_max_hz=one,
        )

    def respond(self, log_price: Floats | float, x_least: Floats) -> tuple[Floats, Floats]:
        """Where each curve's E(b) + price b is least: x, and dx/d ln(price) (0 where x does not
        move).

        Parameters
        ----------
        log_price : broadcast against the curves; ln of a price in J/Hz.
        x_least : ln s at the largest share allowed.
        """
        x, rate, still = (self._beside_the_cap if self.capped else self._before)(log_price)
        still |= (x <= x_least) | (x >= self.x_most) | ~self.sends
        x = np.maximum(x, np.minimum(x_least, self.x_most))
        return np.minimum(x, self.x_most), np.where(still, 0.0, rate)

    def _before(self, log_price: Floats | float) -> tuple[Floats, Floats, Booleans]:
        """As `respond` on an uplink without limits, under a rate law without a cap; and who sits at
        a kink or end.
        """
        # With the clock at its minimum the marginal energy is W tau_unit psi(s)/scale: one function
        # for all.
        x, slope = inverse_psi(log_price - self.log_weight)
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
                curves, np.broadcast_to(log_price, x.shape)[inside], curves.x_kink, x[inside]
            )
        return x, rate, most | kink

    def _beside_the_cap(self, log_price: Floats | float) -> tuple[Floats, Floats, Booleans]:
        """As `_before`, under a rate law with a cap: of four stretches, the clock at its minimum or
        not and the law at its cap or not, the price tells which by the marginals between them.
        """
        x_cap, target = log_cap_of(self.cap), log_price - self.log_weight
        x, slope = inverse_psi(target)
        beyond = np.broadcast_to(log_price > self.log_marginal_cap, x.shape)
        at_cap = ~beyond & (log_price >= self.log_marginal_to_cap)
        # Beyond the cap psi = s²/L.
        x = np.where(
            beyond, np.maximum(0.5 * (target + np.log(self.cap)), x_cap), np.minimum(x, x_cap)
        )
        rate = np.where(beyond, 0.5, 1.0 / slope)
        free = np.broadcast_to(log_price > self.log_marginal_kink, x.shape)
        kink = ~free & (log_price >= self.log_marginal_to_kink)
        most = np.broadcast_to(log_price >= self.log_marginal_most, x.shape)
        x = np.minimum(x, self.x_most)
        inside = np.nonzero(free & ~most & ~at_cap)
        if len(inside[0]):
            curves, capped = self._taken(inside), beyond[inside]
            low = np.where(capped, np.maximum(curves.x_kink, x_cap), curves.x_kink)
            x[inside], rate[inside] = _free_clock(
                curves,
                np.broadcast_to(log_price, x.shape)[inside],
                low,
                np.maximum(x[inside], low),
                capped,
            )
        for where, value in ((kink, self.x_kink), (at_cap, x_cap), (most, self.x_most)):
            np.copyto(x, value, where=where)
        return x, rate, kink | at_cap | most

    def beyond_hz(self, x: Floats) -> Floats:
        """Share at x less the least share, without their cancellation."""
        with np.errstate(invalid="ignore"):  # where nothing crosses the two may be infinite
            return np.where(self.sends, self.least_hz * np.expm1(self.x_most - x), 0.0)

    def x_beyond(self, beyond_hz: Floats) -> Floats:
        """The x of a share given by what it is beyond the least share."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.sends, self.x_most - np.log1p(beyond_hz / self.least_hz), 0.0)

    def waiting_w(self, x: Floats) -> Floats:
        """What a second less for cycles and uplink would cost at x, at least: the power of a clock
        above its minimum.
        """
        clock = self.clock_hz(self.uplink_s(x))
        return np.where(clock > self.clock_min_hz, self._clock_power(clock), 0.0)

    def surely_least_hz(self) -> Floats:
        """What no share that keeps the deadline lies below: the least share with its own error
        taken off.

        The logarithm of tau/tau_unit - 1 changes with x at a rate of at least 0.81 (of at least 1
        beyond a cap), so that an error of the time left moves x_most by no more than 1.25 times its
        part of the time beyond tau_unit.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            most_s = self.left_s - self.cycles / self.clock_max_hz
            if self.general:
                most_s = np.minimum(most_s, self.stage_s)
            beyond_s = most_s - self.tau_unit_s
            doubt = np.where(
                self.sends & (beyond_s > 0.0), 1.25 * self.time_error_s / beyond_s, 0.0
            )
        return np.asarray(self.least_hz * np.maximum(1.0 - 2.0 * PAD - doubt, 0.0))

    def surely_j(self, x: Floats) -> Floats:
        """Energy at x less what the rounding of times may overstate it by."""
        uplink = self.uplink_s(x)
        clock = self.clock_hz(uplink)
        energy = self.spent_j(clock, uplink)
        if self.general:
            energy = energy - self.doubt_j
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
        # To a larger and to a smaller share: they differ at the cap alone.
        psi = beside = stretch * stretch * bend(s, log1p) * (self.tau_unit_s / self.scale_hz)
        if self.capped:
            stretch = s / self._carried(log1p)
            psi, beside, hidden = self._beside_cap(x, s, psi)
        uplink = self.tau_unit_s * stretch
        if self.cycles.any():
            clock = self.clock_hz(uplink)
            energy = self.spent_j(clock, uplink)
            watts = self._clock_power(clock)
            total = self.radio_w + watts
            larger, smaller = self._one_sided(x, total, psi, beside)
            multiplier = np.where(clock > self.clock_min_hz, watts, 0.0)
        else:  # measured levels: no share changes their clock
            energy, total = self._fixed_clock_j() + self.radio_w * uplink, self.radio_w
            larger, smaller = total * psi, total * beside
            multiplier = np.zeros(())
        # Slopes of E + price b to either side of x: at the kink they bracket 0 and cost nothing.
        down = np.maximum(price - smaller, 0.0) * np.maximum(share - self.least_hz, 0.0)
        most_hz = self.scale_hz * np.exp(-x_least)
        up = np.maximum(larger - price, 0.0) * np.maximum(most_hz - share, 0.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            asked = np.where(least & sends, price / psi - self.radio_w, 0.0)
        doubt = self.time_error_s * np.maximum(multiplier, asked)
        if self.general:
            doubt = doubt + self.doubt_j
        if self.capped:
            doubt = doubt + hidden * total * share
        lost = np.where(sends, np.maximum(down, up), 0.0) + PAD * price * self.least_hz + doubt
        return energy + price * share - lost, share

    def _fixed_clock_j(self) -> Floats:
        """Energy of what has no cycles, but what sending takes."""
        if not self.general:
            return np.asarray(self.kappa * self.clock_min_hz**3 * self.overhead_s)
        power = self.static_w + self.kappa * self.clock_min_hz**self.exponent
        return np.asarray(power * self.overhead_s + self.constant_j)


def _free_clock(
    curves: Curves,
    log_price: Floats,
    low: Floats,
    start: Floats,
    capped: Booleans | None = None,
) -> tuple[Floats, Floats]:
    """Solve ln(-dE/db) = ln(price) between `low` and `start`, by Newton's method inside a shrinking
    bracket.

    `capped`: where the rate law is at its cap between the two.
    """
    low, high = low.copy(), start.copy()
    constant = np.log(curves.tau_unit_s / curves.scale_hz) - log_price
    x, rate = start.copy(), np.zeros_like(start)
    active = np.arange(len(x))
    for _ in range(_NEWTON_STEPS):
        part = curves if len(active) == len(x) else curves[active]
        at = x[active]
        s = np.exp(at)
        log1p = np.log1p(s)
        log_psi, psi_slope = log_psi_of(at, s, log1p)
        if capped is not None:
            beyond = capped[active]
            log_psi = np.where(beyond, 2.0 * at - np.log(curves.cap), log_psi)
            psi_slope = np.where(beyond, 2.0, psi_slope)
            log1p = np.where(beyond, curves.cap, log1p)
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
