"""Plants each fault in a process of its own and tells who notices: `python -m
tests.mutations.run`; with a number N only every Nth fault.
"""

import importlib.abc
import importlib.util
import json
import os
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.special  # noqa: F401  so that the children need not load it

from tests.mutations.cells import cells
from tests.mutations.faults import FAULTS
from tests.mutations.optima import optimum

ROOT = Path(__file__).parents[2]
AGREE = 2e-6  # relative: a proof to the default gap, and some rounding

Answer = tuple[str, float | None, float | None, float | None]  # status, objective, both bounds


def places(source: str, text: str) -> list[tuple[int, int]]:
    """Where a source says a text, however its lines are broken."""
    words = re.findall(r"\w+|[^\w\s]", text)
    spaced = [
        rf",?\s*{re.escape(word)}" if word in (")", "]") else re.escape(word) for word in words
    ]
    return [found.span() for found in re.finditer(r"\s*".join(spaced), source)]


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves one module with a fault in it."""

    def __init__(self, file: str, before: str, after: str) -> None:
        self.name = file.removesuffix(".py").replace("/", ".")
        source = (ROOT / file).read_text()
        ((start, end),) = places(source, before)
        self.source = source[:start] + after + source[end:]

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Only the module with the fault."""
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """The faulty source."""
        exec(compile(self.source, self.name, "exec"), module.__dict__)


def answers() -> list[Answer]:
    """What the solvers answer to every cell, once the check has confirmed it."""
    from solvers.compiled.library import Kernel, use
    from solvers.registry import answer

    use(Kernel.NUMPY)  # where the faults are
    found: list[Answer] = []
    for cell in cells():
        solution, certificate = answer(cell)
        bound = None if certificate is None else certificate.lower_bound
        found.append((solution.status.value, solution.objective, solution.lower_bound, bound))
    return found


def agrees(found: Answer, optimum: float) -> bool:
    """Whether an answer is the optimum and proves it, and no bound of solver or check is above it.

    The check's own bound may lie far below: it is another bound, not another proof.
    """
    status, objective, claimed, checked = found
    if not np.isfinite(optimum):
        return status == "infeasible"
    if status != "optimal" or objective is None or claimed is None:
        return False
    near = AGREE * abs(optimum)
    proven = abs(objective - optimum) <= near and abs(claimed - optimum) <= near
    return proven and (checked is None or checked <= optimum + near)


def judged(fault: tuple[str, str, str] | None, optima: list[float]) -> str:
    """`refuted` by the check, `error` of the solver, `oracle`, or `same` where nobody notices."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w") as out, np.errstate(all="ignore"):
            try:
                if fault is not None:
                    sys.meta_path.insert(0, Planted(*fault))
                json.dump(answers(), out)
            except Exception as error:
                json.dump(type(error).__name__, out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        found = json.load(told)
    os.waitpid(child, 0)
    if isinstance(found, str):
        return "refuted" if found == "RefutedAnswer" else f"error: {found}"
    return "same" if all(map(agrees, found, optima)) else "oracle"


def found_optima() -> list[float]:
    """The optimum of every cell, in a process of its own, so that none of the solvers is loaded
    before a fault is planted in it.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w") as out:
            json.dump([optimum(cell) for cell in cells()], out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        optima: list[float] = json.load(told)
    os.waitpid(child, 0)
    return optima


def verdicts(every: int) -> list[str]:
    """One for the solvers as they are, then one for each `every`th fault, in order."""
    optima = found_optima()
    return [judged(fault, optima) for fault in (None, *FAULTS[::every])]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(verdicts(int(sys.argv[1]) if sys.argv[1:] else 1)) + "\n")
