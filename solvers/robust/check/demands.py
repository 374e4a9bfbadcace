"""Options as they are laid out for what users take at least, and limits at their latest."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from solvers.arrays import Integers
from solvers.robust.check.options import Options, options_of
from solvers.robust.problem import TOLERANCE, Problem

_BLOCK = 16_384  # users whose options are laid out at once


def longer(problem: Problem) -> Problem:
    """The same cell with deadlines and stages at the end of the tolerance."""
    return replace(
        problem,
        deadline_s=problem.deadline_s * (1.0 + TOLERANCE),
        stage_tolerance=problem.stage_tolerance * (1.0 + TOLERANCE),
    )


def laid_out(problem: Problem, users: Integers) -> Iterator[tuple[Options, int]]:
    """Options of some users (rising) at any clock, a block of users after the other: with users
    counted within the block, and how many it has.
    """
    for start in range(0, len(users), _BLOCK):
        some = users[start : start + _BLOCK]
        options = options_of(problem, some, problem.workloads.clock_min_hz)
        yield replace(options, user=np.searchsorted(some, options.user)), len(some)
