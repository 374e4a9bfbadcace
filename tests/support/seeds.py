"""Seeds of random cells: the same ones in every suite, others in `make soak`, which says from which
one on.
"""

import os
from typing import Protocol

SOAKING = "SPLITPLAN_TEST_SEED" in os.environ
FIRST = int(os.environ.get("SPLITPLAN_TEST_SEED", "0"))


class Drawn(Protocol):
    """Draws seeds."""

    def __call__(self, count: int, *, soak: int | None = None) -> range:
        """So many seeds; in `make soak`, which has the time, as many as it says."""


def seeds(count: int, *, soak: int | None = None) -> range:
    """So many seeds; in `make soak`, which has the time, as many as it says."""
    return range(FIRST, FIRST + (soak if SOAKING and soak is not None else count))
