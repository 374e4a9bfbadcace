"""Libraries that are loaded when something of them is first used: many a process never gets there.

`from solvers.later import special` costs nothing, `special.ndtr(x)` loads scipy's special functions
the first time and costs what any call costs from then on.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any


class Later(ModuleType):
    """A module that stands for another one until something of that is asked for."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)  # found without coming here from now on
        return value


if TYPE_CHECKING:
    from scipy import optimize, sparse, special
else:
    optimize = Later("scipy.optimize")
    sparse = Later("scipy.sparse")
    special = Later("scipy.special")

LIBRARIES = optimize, sparse, special

__all__ = ["LIBRARIES", "Later", "optimize", "sparse", "special"]
