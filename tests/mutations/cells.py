"""Small cells of every family that use every term of its formulas.

The imports are those of functions: a fault is planted before the solvers are loaded.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np


def cells() -> Iterator[Any]:
    """All of them, in the same order every time."""
    yield from _robust_cells()
    yield from _tight_cells()
    yield from _multiuser_cells()
    yield from _stopping_cells()


def _robust_cells() -> Iterator[Any]:
    from solvers.margin import Margin
    from tests.support.robust.cells import random_cell

    drawn = (
        (1, 5, "generic"),
        (2, 4, "levels"),
        (3, 5, "generic"),
        (4, 4, "levels"),
        (9, 5, "generic"),  # here a dual bound that is too high shows
    )
    for seed, users, kind in drawn:
        cell = random_cell(np.random.default_rng(seed), users, 5, kind)
        yield replace(cell, network_mean_s=2e-3, network_variance_s2=1e-6)
        yield replace(cell, margin=Margin.GAUSSIAN, risk=np.minimum(cell.risk, 0.2))


def _tight_cells() -> Iterator[Any]:
    """Every deadline binds, so that each part of the time and of its variance counts."""
    from solvers.margin import Margin
    from tests.support.robust.cells import a_cell

    users = 4
    tight = a_cell(users)
    noisy = replace(
        tight.workloads,
        overhead_s=tight.workloads.overhead_s + 3e-3 * (1 + tight.workloads.cut),
        server_mean_s=tight.workloads.server_mean_s + 2e-3,
        server_variance_s2=tight.workloads.server_variance_s2 + 4e-6,
        device_variance_s2=tight.workloads.device_variance_s2 + 1e-6 * (1 + tight.workloads.cut),
    )
    correlation = np.full(users, 0.6)
    for slower in (1.0, 1.3):
        cell = replace(
            tight,
            workloads=noisy,
            deadline_s=tight.deadline_s * slower,
            network_mean_s=4e-3,
            network_variance_s2=4e-6,
            correlation=correlation,
        )
        yield cell
        yield replace(cell, margin=Margin.GAUSSIAN)
        yield replace(cell, correlation=-correlation)


def _multiuser_cells() -> Iterator[Any]:
    from tests.support.multiuser.cells import a_cell

    for seed in range(4):
        yield a_cell(seed, 5, deadlines=seed % 2 == 0)


def _stopping_cells() -> Iterator[Any]:
    from tests.support.stopping.problems import a_problem

    for seed in range(3):
        yield a_problem(users=2, seed=seed, clairvoyant=False)
