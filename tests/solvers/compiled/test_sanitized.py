"""The kernel under the compiler's own watch: no access out of bounds, nothing undefined."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from solvers.compiled import build

CHECKOUT = Path(build.__file__).parents[2]
FLAGS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
SOLVES = """
import numpy as np
from solvers.compiled.library import Kernel, use
from solvers.robust.baselines import baselines
from solvers.robust.solve import solve
from tests.solvers.robust.solve.kernel.test_whole import a_cell, some_cell
from tests.solvers.stopping.solve.test_kernel import some_problem
from solvers.stopping.solve import solve as stopping
from tests.support.robust.one_option import hostile_options

use(Kernel.COMPILED)
for seed in range(150):
    problem = some_cell(seed)
    found = solve(problem)
    if found.objective is not None and seed % 5 == 0:
        baselines(problem, found)
for seed in range(30):
    solve(hostile_options(np.random.default_rng(seed), 20))
solve(a_cell(6_000))
for seed in range(200):
    stopping(some_problem(seed))
print("solved")
"""


@pytest.mark.soak
def test_no_solve_leaves_its_memory_or_what_is_defined(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    libraries = [
        subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True).stdout
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(name.strip()).is_absolute() for name in libraries):
        pytest.skip("gcc has no sanitizers here")
    for name in ("solvers", "tests"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    here = tmp_path / "solvers" / "compiled"
    sources = [str(path) for path in sorted((here / "sources").glob("*.c"))]
    macro = f'-DSP_SOURCES="{build.digest()}"'
    command = ["gcc", *build.FLAGS, *FLAGS, macro, *sources, "-o", str(here / build.LIBRARY), "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": ":".join(name.strip() for name in libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "PYTHONPATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SOLVES],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "solved", done.stderr[-3000:]
