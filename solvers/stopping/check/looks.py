"""One independent look at the channel: probabilities and mean inverse rates above a threshold.

Fading is integrated (`fades.py`), traces are summed.
"""

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.channel import SAME_LEVEL, GainTrace, Markov, RateTrace
from solvers.stopping.check.fades import ORDER, Fades
from solvers.stopping.check.laws import carried_bps, min_rate_bps
from solvers.stopping.problem import Problem


class Looks:
    """Integrals over one independent look at the channel, for each of some users."""

    def __init__(self, problem: Problem, users: Integers) -> None:
        law = problem.law
        if isinstance(law, Markov):
            raise TypeError("a Markov channel has no independent looks")
        self.problem = problem
        self.mean_snr = np.ones(len(users)) if problem.mean_snr is None else problem.mean_snr[users]
        self.fades = None
        if not isinstance(law, (RateTrace, GainTrace)):
            self.fades = Fades(problem, law, self.mean_snr)
        everything = np.zeros((1, len(users)))
        self.up, self.all_s_per_bit = (part[0] for part in self.beyond(everything))
        self.up = np.where(self.up > 1e-12, np.where(self.up > 1.0 - 1e-10, 1.0, self.up), 0.0)

    def repeat(self, times: int) -> "Looks":
        """The same single user many times over."""
        wide = object.__new__(Looks)
        wide.problem, wide.mean_snr = self.problem, np.repeat(self.mean_snr, times)
        wide.fades = self.fades
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
        assert self.fades is not None
        return self.fades.beyond(rate_bps)


def _sum(samples_bps: Floats, up: Booleans, rate_bps: Floats) -> tuple[Floats, Floats]:
    """The same of a trace, (cuts, users), where `up` says which samples may be used."""
    usable = up & (samples_bps > 0.0)
    taken = usable & (samples_bps >= rate_bps[..., None])
    inverse = 1.0 / np.where(samples_bps > 0.0, samples_bps, np.inf)
    return taken.mean(axis=-1), (taken * inverse).mean(axis=-1)


def points(problem: Problem) -> int:
    """How many points an integral takes, about."""
    law = problem.law
    if isinstance(law, GainTrace):
        return law.gain.size
    if isinstance(law, RateTrace):
        return law.rate_bps.size
    if isinstance(law, Markov):
        return law.rate_bps.size**2
    return ORDER
