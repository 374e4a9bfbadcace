"""An earlier build beside this one, run by the same interpreter with the same packages, and those
that this one does not need any more.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parent.parent
COMMIT = "2220e6e"
"""What figures are told against, unless another one is named."""

WITH_KERNEL = """
try:
    from solvers.compiled.library import Kernel, use
except ImportError:
    pass  # a build that has none
else:
    use(Kernel.AUTO)
"""
"""Run first by scripts that either build runs: the compiled kernel solves where there is one."""


@contextmanager
def laid_out(commit: str) -> Iterator[Path]:
    """The files of a commit, for a while, and beside them what it imports and is not installed."""
    packed = subprocess.run(
        ["git", "archive", commit], cwd=CHECKOUT, check=True, capture_output=True
    ).stdout
    with tempfile.TemporaryDirectory(prefix="splitplan-baseline-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        if lacking := _lacking((Path(folder) / "requirements.lock").read_text()):
            uv = Path(sys.executable).with_name("uv")
            into = ["--quiet", "--no-deps", "--python", sys.executable, "--target", folder]
            subprocess.run([uv, "pip", "install", *into, *lacking], check=True)
        yield Path(folder)


def _lacking(lock: str) -> list[str]:
    """What a lock names for this interpreter and its environment has not."""
    here = {canonicalize_name(each.name) for each in distributions()}
    named = [
        Requirement(line.rstrip("\\ "))
        for line in lock.splitlines()
        if line and line[0] not in " #"
    ]
    return [
        str(each)
        for each in named
        if canonicalize_name(each.name) not in here
        and (each.marker is None or each.marker.evaluate())
    ]
