"""Whether times have one mode, as the unimodal margin assumes."""

import importlib.util

import numpy as np

from solvers.arrays import Floats

# The test is a compiled library, which not every machine has a wheel of.
TESTABLE = importlib.util.find_spec("diptest") is not None
FEWEST = 30  # times; fewer show nothing of a second mode
_MOST = 72_000  # beyond, the test's table has no entry
LEVEL = 0.01


def one_mode_p_value(times: Floats) -> float | None:
    """Probability that times of one mode look as if they had two; None where nothing can be told.

    Hartigan's dip test (J. A. Hartigan, P. M. Hartigan, Ann. Stat. 13, 1985) against the uniform
    law, its least favourable one: it hardly ever rejects one mode falsely, and does not see a
    second mode of a few per cent of the times.
    """
    if not TESTABLE or len(times) < FEWEST or float(np.ptp(times)) == 0.0:
        return None
    from diptest import diptest

    step = -(-len(times) // _MOST)
    return float(diptest(np.sort(times[::step]))[1])
