"""What digits depend on beside the request."""

import platform
from functools import cache
from importlib.metadata import version

from solvers.compiled.library import described

# Whoever computes: the solvers, and what they are written with.
_PACKAGES = ("splitplan", "numpy", "scipy", "cvxpy", "clarabel")


def versions() -> dict[str, str]:
    """Versions of the solvers and of what they compute with, and the kind of machine; `kernel` is
    `compiled` with what it was built from, or `numpy`.
    """
    return _installed() | {"kernel": described()}


@cache
def _installed() -> dict[str, str]:
    found = {name: version(name) for name in _PACKAGES}
    return found | {"python": platform.python_version(), "machine": platform.machine()}
