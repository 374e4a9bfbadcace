"""The nodes that a fading law is integrated over, shared by users of all mean SNRs."""

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from solvers.arrays import Floats
from solvers.stopping.fading import Fading

WIDEST = 0.1  # step of ln SNR in the deepest fades; more nodes are taken where it would be wider
DIGITS = 36.7  # -ln of the rounding that an interpolation may add
ORDER = 3  # Gauss-Legendre points between two nodes
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Grid:
    """Nodes in ln G from the upper end of a law down, and what the law is between them."""

    spacing: float  # of the nodes in ln(1 + v/high)
    log_gain: Floats  # (nodes,) falling
    step: Floats  # (nodes,) -d ln G per node
    inside: Floats  # (nodes - 1, ORDER) Gauss-Legendre points between two nodes
    mass: Floats  # (nodes - 1, ORDER) probability at each of these
    above: Floats  # (nodes,) P(G >= node)
    below: Floats  # (nodes,) P(G < node)

    @classmethod
    def over(cls, law: Fading, low: float, high: float, nodes: int) -> Self:
        """A grid from ln G = low to high, of more than `nodes` nodes where it would be too wide."""
        span = high - low
        bend = float(np.log1p(span / high))
        nodes = max(nodes, 1 + int(np.ceil(bend * (span + high) / WIDEST)))
        warped = np.linspace(0.0, bend, nodes)
        log_gain = high - high * np.expm1(warped)
        step = (high - log_gain + high) * warped[1]
        points, weights = _gauss_legendre()
        half = 0.5 * (log_gain[:-1] - log_gain[1:])[:, None]
        inside = log_gain[1:, None] + half * (points + 1.0)
        mass = law.log_gain_density(inside) * (half * weights)
        above = np.append(0.0, np.cumsum(mass.sum(axis=1)))
        lowest = float(law.below(np.exp(log_gain[-1:]))[0])
        below = lowest + np.append(np.cumsum(mass.sum(axis=1)[::-1])[::-1], 0.0)
        return cls(float(warped[1]), log_gain, step, inside, mass, above, below)

    def inverse_rates(self, mean_snr: Floats) -> tuple[Floats, Floats]:
        """1/ln(1 + SNR) at each node, and E[1/ln(1 + SNR); G >= node], (users, nodes) each.

        Both are smooth in the logarithm of the mean SNR, whose nearest singularities are π off the
        real axis: many users of near ones are interpolated between few.
        """
        place = np.log(mean_snr)
        half = 0.5 * float(np.ptp(place)) + TINY
        few = 3 + int((DIGITS + half) / np.arcsinh(np.pi / half))
        if few >= len(mean_snr):
            return self._inverse_rates(mean_snr)
        mix, points = _between(few, place, float(place.min()) + half, half)
        at_node, beyond = self._inverse_rates(np.exp(points))
        return mix @ at_node, mix @ beyond

    def _inverse_rates(self, mean_snr: Floats) -> tuple[Floats, Floats]:
        users, cells = len(mean_snr), self.mass.shape[0]
        at_node = 1.0 / np.log1p(np.multiply.outer(mean_snr, np.exp(self.log_gain)))
        inverse = 1.0 / np.log1p(np.multiply.outer(mean_snr, np.exp(self.inside).ravel()))
        beyond = np.zeros((users, cells + 1))
        parts = (inverse.reshape(users, cells, ORDER) * self.mass).sum(axis=-1)
        np.cumsum(parts, axis=1, out=beyond[:, 1:])
        return at_node, beyond


@cache
def _gauss_legendre() -> tuple[Floats, Floats]:
    """Points in [-1, 1] and their weights."""
    points, weights = np.polynomial.legendre.leggauss(ORDER)
    return points, weights


def _between(count: int, at: Floats, middle: float, half: float) -> tuple[Floats, Floats]:
    """Weights (at, points) by which values at `count` Chebyshev points give those at `at`."""
    angle = (np.arange(count) + 0.5) * (np.pi / count)
    points = middle + half * np.cos(angle)
    apart = at[:, None] - points
    hit = apart == 0.0
    weight = np.sin(angle) * (-1.0) ** np.arange(count) / np.where(hit, 1.0, apart)
    weight = np.where(hit.any(axis=1)[:, None], hit, weight)
    return weight / weight.sum(axis=1, keepdims=True), points
