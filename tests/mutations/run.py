"""Plants each fault in a process of its own and tells who notices: `python -m
tests.mutations.run`.
"""

import importlib.abc
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.special  # noqa: F401  so that the children need not load it

from tests.mutations.faults import FAULTS

ROOT = Path(__file__).parents[2]
AGREE = 3e-6  # relative: two proofs to the default gap


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


def cells() -> Iterator[Any]:
    """Small cells of every family that use every term."""
    from solvers.margin import Margin
    from solvers.robust.problem import Problem
    from tests.support.multiuser import cells as multiuser
    from tests.support.robust import cells as robust
    from tests.support.stopping import problems as stopping

    for seed, kind in ((1, "generic"), (2, "levels"), (3, "generic"), (4, "levels")):
        cell: Problem = robust.random_cell(np.random.default_rng(seed), 5, 5, kind)
        yield replace(cell, network_mean_s=2e-3, network_variance_s2=1e-6)
        yield replace(cell, margin=Margin.GAUSSIAN, risk=np.minimum(cell.risk, 0.2))
    # Here every deadline binds, so that each part of the time and of its variance counts.
    tight = robust.a_cell(6)
    noisy = replace(
        tight.workloads,
        overhead_s=tight.workloads.overhead_s + 3e-3 * (1 + tight.workloads.cut),
        server_mean_s=tight.workloads.server_mean_s + 2e-3,
        server_variance_s2=tight.workloads.server_variance_s2 + 4e-6,
        device_variance_s2=tight.workloads.device_variance_s2 + 1e-6 * (1 + tight.workloads.cut),
    )
    apart = {"network_mean_s": 4e-3, "network_variance_s2": 4e-6, "correlation": np.full(6, 0.6)}
    for deadline in (1.0, 1.3):
        cell = replace(tight, workloads=noisy, deadline_s=tight.deadline_s * deadline, **apart)
        yield cell
        yield replace(cell, margin=Margin.GAUSSIAN)
        yield replace(cell, correlation=np.full(6, -0.6))
    for seed in range(4):
        yield multiuser.a_cell(seed, 5, deadlines=seed % 2 == 0)
    for seed in range(3):
        yield stopping.a_problem(users=2, seed=seed, clairvoyant=False)


def answers() -> list[Any]:
    """Objective of every cell, and how far the check's own bound is below it."""
    from solvers.registry import answer

    found = []
    for cell in cells():
        solution, certificate = answer(cell)
        bound = None if certificate is None else certificate.lower_bound
        objective = solution.objective
        gap = None if bound is None or objective is None else 1.0 - bound / objective
        found.append([solution.status.value, objective, gap])
    return found


def judged(fault: tuple[str, str, str], reference: list[Any]) -> str:
    """`refuted` by the check (or stopped by an error), `oracle`, or `same`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w") as out, np.errstate(all="ignore"):
            try:
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
    return "same" if all(map(agree, found, reference)) else "oracle"


def agree(found: list[Any], reference: list[Any]) -> bool:
    """Same status, same objective, and proven by the check where the reference is."""
    if found[0] != reference[0] or found[1] is None or reference[1] is None:
        return found[:2] == reference[:2]
    proven = reference[2] is None or (found[2] is not None and found[2] <= max(AGREE, reference[2]))
    return proven and abs(found[1] - reference[1]) <= AGREE * abs(reference[1])


def verdicts() -> list[str]:
    """One for each fault, in order."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(write, "w") as out:
            json.dump(answers(), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        reference = json.load(told)
    os.waitpid(child, 0)
    return [judged(fault, reference) for fault in FAULTS]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(verdicts()) + "\n")
