"""Integrals over one look at a fading channel, by Gauss-Legendre panels from the check's own
density.

What whole panels add up to, from the upper end of the law down, is integrated once for each user;
of the panel that a threshold lies in, the part above it is integrated anew.
"""

import numpy as np

from solvers.arrays import Floats
from solvers.stopping.check.laws import (
    deep_fade_weight,
    full_snr,
    log_gain_density,
    log_gain_span,
    needed_snr,
)
from solvers.stopping.fading import Fading
from solvers.stopping.problem import Problem

ORDER = 12  # points of a panel
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
_WIDEST = 3.0  # panel in ln G, where ln(1 + SNR) is no straight line: its poles are π away
_DEEP_SNR = 1e-2  # below it ln(1 + SNR) is straight enough
_AT_ONCE = 1 << 15  # points at a time: what a core's cache holds


class Fades:
    """A fading law above a rate, for users of these mean SNRs: (users,), or one for all."""

    def __init__(self, problem: Problem, law: Fading, mean_snr: Floats) -> None:
        self.problem, self.law, self.mean_snr = problem, law, mean_snr
        self.span = log_gain_span(law)
        self.top_bps = problem.bandwidth_hz * problem.rate_law.max_bps_per_hz
        deep = np.log(_DEEP_SNR * problem.rate_law.snr_gap / mean_snr.max())
        self.edges = _panel_edges(law, float(self._start(np.zeros(1)).min()), float(deep))
        ends = self.edges[:, None] + np.zeros_like(mean_snr)
        parts = self._panels(ends[1:], ends[:-1], mean_snr)
        # (panels + 1, users) above each edge: P, and the mean of 1/R as though it had no top
        self.mass, self.sent = (np.insert(part.cumsum(axis=0), 0, 0.0, axis=0) for part in parts)
        with np.errstate(over="ignore"):
            self.full = np.clip(np.log(full_snr(problem) / mean_snr), *self.span)
        mass, sent = self._above(self.full[None])
        self.topped = (sent - mass / self.top_bps)[0]  # what the top adds to E[1/R], negative

    def beyond(self, rate_bps: Floats) -> tuple[Floats, Floats]:
        """P(R >= rate, up) and E[1/R; R >= rate, up], (cuts, users)."""
        start = np.maximum(self._start(rate_bps), self.edges[-1])
        rows = max(1, _AT_ONCE // (start.shape[1] * ORDER))
        parts = [self._above(start[row : row + rows]) for row in range(0, len(start), rows)]
        mass, sent = (np.concatenate(part) for part in zip(*parts, strict=True))
        # Below the SNR of the best coding 1/R is integrated, and above it is what it is there.
        return mass, np.where(start < self.full, sent - self.topped, mass / self.top_bps)

    def _start(self, rate_bps: Floats) -> Floats:
        """ln G from which on a rate is carried and the channel is up."""
        with np.errstate(divide="ignore", over="ignore"):
            snr = np.maximum(needed_snr(self.problem, rate_bps), self.problem.min_snr)
            return np.asarray(np.clip(np.log(snr / self.mean_snr), *self.span))

    def _above(self, start: Floats) -> tuple[Floats, Floats]:
        """P(G >= start) and the mean there of 1/R as though it had no top."""
        panel = np.searchsorted(-self.edges, -start) - 1
        panel = np.clip(panel, 0, len(self.edges) - 2)
        mass, sent = self._panels(start, self.edges[panel], self.mean_snr)
        each = np.arange(len(self.mean_snr))
        return self.mass[panel, each] + mass, self.sent[panel, each] + sent

    def _panels(self, left: Floats, right: Floats, mean_snr: Floats) -> tuple[Floats, Floats]:
        """P(G in [left, right]) and the mean there of 1/R as though it had no top."""
        problem = self.problem
        half = 0.5 * (right - left)[..., None]
        log_gain = left[..., None] + half * (_POINTS + 1.0)
        mass = log_gain_density(self.law, log_gain) * half * _WEIGHTS
        snr = np.exp(log_gain) * (mean_snr[:, None] / problem.rate_law.snr_gap)
        band_hz = problem.bandwidth_hz * problem.rate_law.efficiency
        inverse = np.log(2.0) / (band_hz * np.log1p(snr))
        return mass.sum(axis=-1), (mass * inverse).sum(axis=-1)


def _panel_edges(law: Fading, start: float, deep: float) -> Floats:
    """Panels from the upper end of the law down, of even width first, then ever wider into the deep
    fades, and none above `deep` so wide that ln(1 + SNR) bends too much for its points.

    Where fades never cease to count, they are followed until their weight in E[1/G] is below 1e-13
    of all of it.
    """
    low, high = log_gain_span(law)
    width = high / 3.5
    start = max(start, low)
    if np.isneginf(start):
        start = -1.0
        while deep_fade_weight(law, start) > 1e-13 and start > -700.0:
            start *= 1.25
    edges, even = [high], high - 8.0 * width
    while edges[-1] > start:
        edges.append(edges[-1] - (min(width, _WIDEST) if edges[-1] > deep else width))
        if edges[-1] < min(even, deep):
            width *= 1.5
    return np.array(edges)
