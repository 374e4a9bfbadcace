"""What 1/R does on average, for a block of users: all that the recursion asks of an independent
channel.

Everything follows from h(y) = E[min(1/R, y) | up], for E[min(S_k, C) | up] = min(xi_k + eta_k h((C
- xi_k)/eta_k), C).
"""

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats
from solvers.stopping.channel import SAME_LEVEL, GainTrace, RateTrace
from solvers.stopping.fading import Fading
from solvers.stopping.solve.grid import Grid

Indices = NDArray[np.intp]
Spline = tuple[Floats, ...]  # cubic coefficients per cell, flat

LN2 = float(np.log(2.0))
TINY = 1e-300
NEVER_UP = 1e-12  # a channel that is up less often counts as never up
DEEP_SNR = 1e-4  # below it 1/ln(1 + s) = 1/s + 1/2 to a relative s²/12


class InverseRate(Protocol):
    """The law of 1/R given that the channel is up; arguments and results end in the axis of
    users.
    """

    up: Floats  # (users,) P(SNR >= min)
    fastest: Floats  # (users,) least 1/R worth counting
    slowest: Floats  # (users,) largest 1/R worth counting

    @property
    def mean(self) -> Floats:
        """(users,) E[1/R | up], 0 where never up."""

    def capped(self, cap: Floats) -> Floats:
        """E[min(1/R, cap) | up] for cap > 0; at most cap up to interpolation, so the caller takes
        the least.
        """

    def fast(self, cap: Floats) -> Floats:
        """P(1/R <= cap | up)."""

    def excess(self, cap: Floats) -> Floats:
        """E[max(cap - 1/R, 0) | up], accurate where it is small too."""


def expected_least(channel: InverseRate, eta: Floats, xi: Floats, onward: Floats) -> Floats:
    """E[min(S, C) | up] where stopping costs S = eta/R + xi and going on costs C; eta may be 0."""
    slack = np.maximum(onward - xi, TINY)
    least = channel.capped(slack / eta)
    least *= eta
    least += xi
    return np.minimum(least, onward, out=least)


class Faded:
    """A continuous law: h is a cubic Hermite spline over nodes in ln SNR, exact at the nodes.

    The nodes are counted down from the upper end of the law, dense where the law lives and ever
    wider apart into the deep fades: ln G = high - v with ln(1 + v/high) equidistant. All users
    share them, so the weights of the quadrature are the same for every user and only 1/R differs.
    Without a minimum SNR the nodes end where 1/R is as good as 1/SNR + 1/2, and the law's own
    moments take over.
    """

    def __init__(
        self, law: Fading, bandwidth_hz: float, min_snr: float, mean_snr: Floats, nodes: int
    ) -> None:
        self.law, self.mean_snr, self.truncated = law, mean_snr, min_snr > 0.0
        self.scale = LN2 / bandwidth_hz
        low, high = law.log_gain_range
        low = max(low, float(np.log((min_snr or DEEP_SNR) / mean_snr.max())))
        self.width = high
        grid = Grid.over(law, min(low, high - 1.0), high, nodes)
        self.least_gain = min_snr / mean_snr
        up = law.above(self.least_gain) if self.truncated else np.ones_like(mean_snr)
        self.up = np.where(up > NEVER_UP, up, 0.0)
        # 1/P(up), 0 where never up
        share = np.where(self.up > 0.0, 1.0 / np.maximum(up, NEVER_UP), 0.0)
        self.grid, self.under, self.over = grid, law.below(self.least_gain), up
        self.cap, self.beyond = grid.inverse_rates(mean_snr)
        self.share, self.deepest = share, self.beyond[:, -1] * self.scale

        # Thresholds are looked up by x = ln(1 + SNR), held between the least usable SNR and the
        # upper end.
        self.rows = np.arange(len(mean_snr)) * len(grid.log_gain)
        self.per_step, self.top = 1.0 / grid.spacing, high + np.log(mean_snr)
        start = np.maximum(np.log(np.maximum(self.least_gain, TINY)), grid.log_gain[-1])
        self.x_low = np.log1p(mean_snr * np.exp(start))
        self.x_high = np.maximum(np.log1p(mean_snr * np.exp(high)), self.x_low)
        self.fastest, self.slowest = self.scale / self.x_high, self.scale / self.x_low

    @cached_property
    def mean(self) -> Floats:
        mean = self._at_nodes(self.spline, self.x_low, self.rows)
        if not self.truncated:
            last = np.exp(self.grid.log_gain[-1])
            mean = mean + (self._deep_inverse(last) - self.slowest * self.grid.below[-1])
        return np.where(self.up > 0.0, mean, 0.0)

    @cached_property
    def between(self) -> Floats:
        """P(up and G < node), (users, nodes)."""
        grid, under, over = self.grid, self.under[:, None], self.over[:, None]
        return np.where(grid.below < 0.5, grid.below - under, over - grid.above)

    @cached_property
    def _rise(self) -> Floats:
        """d cap per node, (users, nodes)."""
        snr = np.multiply.outer(self.mean_snr, np.exp(self.grid.log_gain))
        return np.asarray(self.cap**2 * snr / (1.0 + snr) * self.grid.step)

    @cached_property
    def spline(self) -> Spline:
        """Of h."""
        scaled = (self.share * self.scale)[:, None]
        value = (self.beyond + self.cap * self.between) * scaled
        return _hermite(value, self._rise * self.between * scaled)

    @cached_property
    def above_slope(self) -> Floats:
        """-dP(G >= node) per node, (nodes,)."""
        return np.asarray(self.law.log_gain_density(self.grid.log_gain) * self.grid.step)

    @cached_property
    def above_spline(self) -> Spline:
        """Of P(G >= node)."""
        return _hermite(self.grid.above[None], self.above_slope[None])

    @cached_property
    def excess_spline(self) -> Spline:
        """Of what `excess` is; not h's cap less it, for what is left of that where it is small."""
        scaled = (self.share * self.scale)[:, None]
        value = (self.cap * self.grid.above - self.beyond) * scaled
        return _hermite(value, self._rise * self.grid.above * scaled)

    def _deep_inverse(self, gain: Floats | float) -> Floats:
        """E[1/R; G < gain] for gains of a negligible SNR."""
        gain = np.broadcast_to(
            np.asarray(gain), np.broadcast_shapes(np.shape(gain), self.mean_snr.shape)
        )
        return self.scale * (
            self.law.inverse_below(gain) / self.mean_snr + 0.5 * self.law.below(gain)
        )

    def _at_nodes(self, spline: Spline, x: Floats, rows: Indices | int) -> Floats:
        place = np.log(np.expm1(x))
        np.subtract(self.top, place, out=place)
        np.maximum(place, 0.0, out=place)
        place /= self.width
        np.log1p(place, out=place)
        place *= self.per_step
        cell = place.astype(np.intp)
        place -= cell
        cell += rows
        value = spline[3].take(cell, mode="clip")
        for coefficient in spline[2::-1]:
            value *= place
            value += coefficient.take(cell, mode="clip")
        return value

    def _x(self, cap: Floats) -> Floats:
        x = self.scale / cap
        np.maximum(x, self.x_low, out=x)
        return np.asarray(np.minimum(x, self.x_high, out=x))

    def capped(self, cap: Floats) -> Floats:
        value = self._at_nodes(self.spline, self._x(cap), self.rows)
        if not self.truncated:
            deep = cap > self.slowest
            if deep.any():
                value = np.where(deep, self._deep_capped(cap), value)
        return value

    def _deep_capped(self, cap: Floats) -> Floats:
        """h below the grid: 1/R in full above the threshold, the cap itself below it."""
        with np.errstate(invalid="ignore", over="ignore"):
            gain = np.expm1(np.minimum(self.scale / cap, self.x_low)) / self.mean_snr
            edge = np.expm1(self.x_low) / self.mean_snr
            held = np.where(np.isinf(cap), 0.0, cap * self.law.below(gain))
        return self.deepest + self._deep_inverse(edge) - self._deep_inverse(gain) + held

    def fast(self, cap: Floats) -> Floats:
        with np.errstate(divide="ignore", over="ignore"):
            x = self.scale / cap
        value = self._at_nodes(self.above_spline, np.clip(x, self.x_low, self.x_high), 0)
        value *= self.share
        if not self.truncated:
            deep = cap > self.slowest
            if deep.any():
                value = np.where(
                    deep,
                    1.0 - self.law.below(np.expm1(np.minimum(x, self.x_low)) / self.mean_snr),
                    value,
                )
        value[(x <= self.x_low) & self.truncated & (self.up > 0.0)] = 1.0
        value[x >= self.x_high] = 0.0
        return np.minimum(value, 1.0)

    def excess(self, cap: Floats) -> Floats:
        value = self._at_nodes(self.excess_spline, self._x(cap), self.rows)
        slow = cap > self.slowest
        return np.where(
            slow, cap - self.capped(cap), np.where(self._x(cap) >= self.x_high, 0.0, value)
        )


class Sampled:
    """A trace: sorted samples, a suffix sum of 1/R and a search, exact."""

    def __init__(
        self, law: GainTrace | RateTrace, bandwidth_hz: float, least: Floats, mean_snr: Floats
    ) -> None:
        """`least` is the gain, or the rate, below which nobody transmits, (users,)."""
        self.scale = LN2 / bandwidth_hz
        users = len(mean_snr)
        with np.errstate(divide="ignore"):
            if isinstance(law, GainTrace):
                self.level = np.sort(law.gain)
                self.mean_snr: Floats | None = mean_snr
                inverse = self.scale / np.log1p(np.multiply.outer(mean_snr, self.level))
            else:
                self.level, self.mean_snr = np.sort(law.rate_bps), None
                inverse = (1.0 / self.level)[None]
        start = np.searchsorted(self.level, least * (1.0 - SAME_LEVEL))
        samples = self.samples = self.level.size
        self.start = start
        usable = np.where(np.isfinite(inverse), inverse, 0.0)
        suffix = np.zeros((len(inverse), samples + 1))
        suffix[:, :-1] = np.cumsum(usable[:, ::-1], axis=1)[:, ::-1]
        self.suffix = suffix.ravel()
        self.rows = (
            np.arange(users) * (samples + 1) if len(inverse) == users else np.zeros(users, np.intp)
        )
        counted = np.maximum(samples - start, 1)
        self.counted = counted
        self.up = (samples - start) / samples
        self.mean = self.suffix[self.rows + start] / counted
        self.fastest = np.broadcast_to(usable[:, -1], (users,))
        self.slowest = np.append(usable, usable[:, -1:], axis=1).ravel()[self.rows + start]

    def _first(self, cap: Floats) -> Indices:
        """Index of the slowest sample at least as fast as the cap asks, among those that are up."""
        with np.errstate(divide="ignore", over="ignore"):
            level = (
                1.0 / cap if self.mean_snr is None else np.expm1(self.scale / cap) / self.mean_snr
            )
        return np.maximum(np.searchsorted(self.level, level), self.start)

    def capped(self, cap: Floats) -> Floats:
        first = self._first(cap)
        slow = first - self.start
        held = np.where(slow > 0, cap, 0.0) * slow
        return np.asarray((self.suffix[self.rows + first] + held) / self.counted)

    def fast(self, cap: Floats) -> Floats:
        return np.asarray((self.samples - self._first(cap)) / self.counted)

    def excess(self, cap: Floats) -> Floats:
        first = self._first(cap)
        fast = self.samples - first
        spared = np.where(fast > 0, cap, 0.0) * fast - self.suffix[self.rows + first]
        return np.asarray(np.maximum(spared, 0.0) / self.counted)


def _hermite(value: Floats, slope: Floats) -> Spline:
    """Cubic coefficients per cell, flat; a last cell holds the last value."""
    v0, v1, s0, s1 = value[:, :-1], value[:, 1:], slope[:, :-1], slope[:, 1:]
    rise = v1 - v0

    def closed(cells: Floats, last: Floats) -> Floats:
        return np.append(cells, last, axis=1)

    zero = np.zeros_like(value[:, -1:])
    return (
        closed(v0, value[:, -1:]).ravel(),
        closed(s0, zero).ravel(),
        closed(3.0 * rise - 2.0 * s0 - s1, zero).ravel(),
        closed(s0 + s1 - 2.0 * rise, zero).ravel(),
    )
