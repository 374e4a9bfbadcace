"""The compiled kernel as tests ask it; they are skipped, and say why, where it was not built."""

import numpy as np
import pytest

from solvers.compiled.library import Library, library, missing
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.kernel.cell import Cell
from solvers.robust.solve.kernel.pricing import Pricing


def the_library() -> Library:
    """What was built. Skips where nothing was."""
    found = library()
    if found is None:
        pytest.skip(f"no compiled kernel: {missing()}")
    return found


def pricing_of(problem: Problem, progress: Progress | None = None) -> Pricing:
    """The kernel's prices of a cell."""
    return Pricing(the_library(), Cell(problem), progress or Progress())


def most_of(problem: Problem, least_hz: np.ndarray) -> np.ndarray:
    """What the others' least shares leave to each."""
    return np.asarray(problem.bandwidth_hz * (1.0 + 1e-14) - (least_hz.sum() - least_hz))
