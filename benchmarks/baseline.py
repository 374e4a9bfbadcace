"""An earlier build beside this one, run by the same interpreter with the same packages."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """The files of a commit, for a while."""
    packed = subprocess.run(
        ["git", "archive", commit], cwd=CHECKOUT, check=True, capture_output=True
    ).stdout
    with tempfile.TemporaryDirectory(prefix="splitplan-baseline-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)
