"""Misses come in bursts: the most of them in any stretch of consecutive inferences."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from app.validations.empirical import Observed
from app.validations.rebuild import Rebuilt
from solvers.arrays import Booleans

LENGTHS = (10, 100, 1000)


def windows(rebuilt: Rebuilt, measured: Observed) -> list[dict[str, Any]]:
    """Of each length the most misses that any user has in so many consecutive inferences, when
    the measured times come one after the other as they were measured.

    Only users of whom one part varies, at one clock, have times whose order is known.
    """
    most: dict[int, int] = {}
    counted: dict[int, int] = {}
    for late, users in _late(rebuilt, measured):
        sums = np.concatenate(([0], np.cumsum(late)))
        for length in LENGTHS:
            if len(late) >= length:
                worst = int((sums[length:] - sums[:-length]).max())
                most[length] = max(most.get(length, 0), worst)
                counted[length] = counted.get(length, 0) + users
    return [
        {"inferences": length, "misses_max": most[length], "users_count": counted[length]}
        for length in most
    ]


def _late(rebuilt: Rebuilt, measured: Observed) -> Iterator[tuple[Booleans, int]]:
    """Which measured inferences were late, for the user of each shape with the least slack."""
    for cell, shapes in zip(rebuilt.cells, measured.cells, strict=True):
        slack_s = cell.problem.deadline_s - rebuilt.mean_s[cell.users]
        for shape in shapes:
            if len(shape.consecutive):
                yield shape.consecutive > slack_s[shape.who].min(), len(shape.who)
