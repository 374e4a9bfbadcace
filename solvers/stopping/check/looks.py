"""One independent look at the channel: probabilities and mean inverse rates above a threshold.

Integrals are taken anew for every threshold, by Gauss-Legendre panels that end at the threshold,
from the check's own density of the gain; traces are summed.
"""

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.channel import SAME_LEVEL, GainTrace, Markov, RateTrace
from solvers.stopping.check.laws import (
    carried_bps,
    deep_fade_weight,
    full_snr,
    log_gain_density,
    log_gain_span,
    min_rate_bps,
    needed_snr,
)
from solvers.stopping.fading import Fading
from solvers.stopping.problem import Problem


class Looks:
    """Integrals over one independent look at the channel, for each of some users."""

    def __init__(self, problem: Problem, users: Integers) -> None:
        self.problem = problem
        self.mean_snr = np.ones(len(users)) if problem.mean_snr is None else problem.mean_snr[users]
        everything = np.zeros((1, len(users)))
        self.up, self.all_s_per_bit = (part[0] for part in self.beyond(everything))
        self.up = np.where(self.up > 1e-12, np.where(self.up > 1.0 - 1e-10, 1.0, self.up), 0.0)

    def repeat(self, times: int) -> "Looks":
        """The same single user many times over."""
        wide = object.__new__(Looks)
        wide.problem, wide.mean_snr = self.problem, np.repeat(self.mean_snr, times)
        wide.up, wide.all_s_per_bit = (
            np.repeat(self.up, times),
            np.repeat(self.all_s_per_bit, times),
        )
        return wide

    def beyond(self, rate_bps: Floats) -> tuple[Floats, Floats]:
        """P(R >= rate, up) and E[1/R; R >= rate, up], (cuts, users)."""
        problem, law = self.problem, self.problem.law
        if isinstance(law, RateTrace):
            up = law.rate_bps >= min_rate_bps(problem) * (1.0 - SAME_LEVEL)
            return _sum(law.rate_bps[None], up[None], rate_bps)
        if isinstance(law, GainTrace):
            snr = self.mean_snr[:, None] * law.gain
            up = snr >= problem.min_snr * (1.0 - SAME_LEVEL)
            return _sum(carried_bps(problem, snr), up, rate_bps)
        if isinstance(law, Markov):
            raise TypeError("a Markov channel has no independent looks")
        return self._integrate(law, rate_bps)

    def _integrate(self, law: Fading, rate_bps: Floats) -> tuple[Floats, Floats]:
        """Below the SNR of the best coding 1/R is integrated, and above it is what it is there."""
        problem = self.problem
        low, high = log_gain_span(law)
        with np.errstate(divide="ignore", over="ignore"):
            snr = np.maximum(needed_snr(problem, rate_bps), problem.min_snr)
            start = np.clip(np.log(snr / self.mean_snr), low, high)
            full = np.clip(np.log(full_snr(problem) / self.mean_snr), low, high)
        edges = _panel_edges(law, float(start.min()))
        start = np.maximum(start, edges[-1])[..., None]
        top = np.maximum(full[:, None], start)
        mass, sent = self._panels(law, edges, start, top)
        if np.all(full >= high):
            return mass, sent
        best, _ = self._panels(law, edges, top, np.maximum(high, top))
        top_bps = problem.bandwidth_hz * problem.rate_law.max_bps_per_hz
        return mass + best, sent + best / top_bps

    def _panels(
        self, law: Fading, edges: Floats, start: Floats, end: Floats
    ) -> tuple[Floats, Floats]:
        """P(G in [start, end]) and the mean there of 1/R as though it had no top."""
        problem = self.problem
        right = np.minimum(np.maximum(edges[:-1], start), end)
        left = np.minimum(np.maximum(edges[1:], start), end)
        points, weights = np.polynomial.legendre.leggauss(_ORDER)
        half = 0.5 * (right - left)[..., None]
        log_gain = left[..., None] + half * (points + 1.0)
        mass = log_gain_density(law, log_gain) * half * weights
        inverse = (
            np.log(2.0)
            / (problem.bandwidth_hz * problem.rate_law.efficiency)
            / np.log1p(self.mean_snr[:, None, None] / problem.rate_law.snr_gap * np.exp(log_gain))
        )
        return mass.sum(axis=(-1, -2)), (mass * inverse).sum(axis=(-1, -2))


def _sum(samples_bps: Floats, up: Booleans, rate_bps: Floats) -> tuple[Floats, Floats]:
    """The same of a trace, (cuts, users), where `up` says which samples may be used."""
    usable = up & (samples_bps > 0.0)
    taken = usable & (samples_bps >= rate_bps[..., None])
    inverse = 1.0 / np.where(samples_bps > 0.0, samples_bps, np.inf)
    return taken.mean(axis=-1), (taken * inverse).mean(axis=-1)


_ORDER = 12  # points of a panel


def _panel_edges(law: Fading, start: float) -> Floats:
    """Panels from the upper end of the law down, of even width first, then ever wider into the deep
    fades.

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
    edges = [high]
    while edges[-1] > start:
        edges.append(edges[-1] - width)
        if len(edges) > 8:
            width *= 1.5
    return np.array(edges)


def points(problem: Problem) -> int:
    """How many points an integral takes, about."""
    law = problem.law
    if isinstance(law, GainTrace):
        return law.gain.size
    if isinstance(law, RateTrace):
        return law.rate_bps.size
    if isinstance(law, Markov):
        return law.rate_bps.size**2
    return 10 * _ORDER
