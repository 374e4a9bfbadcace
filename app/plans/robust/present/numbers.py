"""Numbers as JSON has them."""

import numpy as np


def number(value: float) -> float | None:
    """JSON has no NaN or infinity: both are null."""
    return value if np.isfinite(value) else None
