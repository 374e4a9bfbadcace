"""A look at an independent channel under its rate law: Shannon's rate, attenuated and cut off.

R = W min(c, e log2(1 + SNR/g)) is Shannon's rate U of a band e W at the SNR over g, cut off at W c:
1/R = max(1/U, f) with f = 1/(W c). So every mean of 1/R follows from those of 1/U, and the law of
R has an atom at its top, P(R = W c) = P(1/U <= f).
"""

from functools import cached_property

import numpy as np

from solvers.arrays import Floats
from solvers.stopping.channel import GainTrace, RateTrace
from solvers.stopping.problem import Problem
from solvers.stopping.solve.inverse_rate import Faded, InverseRate, Sampled


def look_at(problem: Problem, mean_snr: Floats) -> InverseRate:
    """The law of 1/R for users of these mean SNRs."""
    law, rates = problem.law, problem.rate_law
    if isinstance(law, RateTrace):
        least = np.full(len(mean_snr), problem.min_rate_bps)
        return Sampled(law, problem.bandwidth_hz, least, mean_snr)
    band_hz, over_gap = problem.bandwidth_hz * rates.efficiency, mean_snr / rates.snr_gap
    channel: InverseRate
    if isinstance(law, GainTrace):
        channel = Sampled(law, band_hz, problem.min_snr / mean_snr, over_gap)
    else:
        channel = Faded(law, band_hz, problem.min_snr / rates.snr_gap, over_gap, problem.nodes)  # type: ignore[arg-type]
    top_bps = problem.max_rate_bps
    return channel if np.isinf(top_bps) else CutOff(channel, 1.0 / top_bps)


class CutOff:
    """max(1/U, f) of a channel U whose rate is cut off at 1/f."""

    def __init__(self, channel: InverseRate, floor: float) -> None:
        self.channel, self.floor, self.up = channel, floor, channel.up
        self.fastest = np.maximum(channel.fastest, floor)
        self.slowest = np.maximum(channel.slowest, floor)

    @cached_property
    def raised(self) -> Floats:
        """E[max(1/U, f)] - E[1/U] = f - E[min(1/U, f)], and so for what is capped above f."""
        at = np.full_like(self.up, self.floor)
        return np.asarray(self.floor - np.minimum(self.channel.capped(at), self.floor))

    @cached_property
    def spared(self) -> Floats:
        """E[max(f - 1/U, 0)]."""
        return self.channel.excess(np.full_like(self.up, self.floor))

    @cached_property
    def mean(self) -> Floats:
        """E[1/R | up], 0 where never up."""
        return np.where(self.up > 0.0, self.channel.mean + self.raised, 0.0)

    def capped(self, cap: Floats) -> Floats:
        above = self.channel.capped(np.maximum(cap, self.floor)) + self.raised
        return np.minimum(above, cap)

    def fast(self, cap: Floats) -> Floats:
        return np.where(cap >= self.floor, self.channel.fast(np.maximum(cap, self.floor)), 0.0)

    def excess(self, cap: Floats) -> Floats:
        more = self.channel.excess(np.maximum(cap, self.floor)) - self.spared
        return np.where(cap > self.floor, np.maximum(more, 0.0), 0.0)
