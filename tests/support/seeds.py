"""Seeds of random cells: the same ones in every suite, others in `make soak`, which says from which
one on.
"""

import os
from collections.abc import Callable

Drawn = Callable[[int], range]

FIRST = int(os.environ.get("SPLITPLAN_TEST_SEED", "0"))


def seeds(count: int) -> range:
    """So many seeds."""
    return range(FIRST, FIRST + count)
