"""One file to carry to a device: `python -m profiler.bundle splitplan-profiler.pyz`.

There it needs numpy, onnx and
onnxruntime, and Python 3.10."""

import shutil
import sys
import zipapp
from pathlib import Path
from tempfile import TemporaryDirectory

import profiler
import solvers.onnx_reader

_INTERPRETER = "/usr/bin/env python3"


def bundle(path: Path) -> None:
    """Write the profiler and what it reads networks with as a zipapp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        for package in (profiler, solvers.onnx_reader):
            source = Path(package.__path__[0])
            target = Path(folder, *package.__name__.split("."))
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(solvers.__path__[0], "__init__.py"), Path(folder, "solvers"))
        zipapp.create_archive(
            folder, path, _INTERPRETER, main="profiler.command:program", compressed=True
        )


if __name__ == "__main__":
    bundle(Path(sys.argv[1]))
