"""The import walls of pyproject.toml: each of them breaks when somebody walks through it."""

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).parent.parent
LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source, to be broken."""
    folder = tmp_path_factory.mktemp("walls")
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    for package in ("app", "client", "profiler", "solvers"):
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # From the copy's folder, so that its packages and not the installed ones are read.
    return subprocess.run([LINT, "--no-logo"], cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_copy_stands_before_it_is_broken(copy: Path) -> None:
    found = lint(copy)
    assert found.returncode == 0, found.stdout
    assert " 0 broken" in found.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("solvers/robust/problem.py", "import fastapi", "The science knows no web and no database"),
        ("solvers/physics.py", "from app.errors import FieldError", "The science knows no web and no database"),
        ("client/planning.py", "from solvers.physics import rate_bps", "A client knows only HTTP and the tables"),
        ("app/plans/service.py", "from client import planning", "The service does not need its client"),
        ("app/command.py", "def late():\n    import cvxpy", "The modelling language is for references"),
        ("solvers/registry.py", "import solvers.robust.pccp", "A reference method has one door"),
        ("solvers/registry.py", "import solvers.robust.solve.reference", "And who opens it is the family's own solve"),
        ("solvers/robust/check.py", "from solvers.robust.solve import solve", "The witness never meets the accused"),
        ("solvers/robust/solve/dual.py", "import solvers.robust.check", "Nor does the accused coach the witness"),
        ("solvers/robust/problem.py", "import solvers.multiuser.problem", "Every module of the science has a place"),
        ("solvers/utils.py", "", "Every module of the science has a place"),
        ("app/profiles/service.py", "import app.plans.tables", "Every module of the service has a place"),
        ("app/profiles/reading.py", "import onnx", "The service reads ONNX in a process of its own"),
        ("app/profiles/reading.py", "import solvers.onnx_reader", "The service reads ONNX in a process of its own"),
        ("app/main.py", "import app.catalogue.networks", "What is built from graphs is shipped as data"),
        ("solvers/physics.py", "import onnx", "Only the reader knows ONNX in the science"),
        ("app/helpers.py", "", "Every module of the service has a place"),
        ("app/profiles/tables.py", "import app.profiles.service", "Every feature reads from its routes down"),
        ("client/common.py", "", "Every module of the client has a place"),
        ("profiler/measure.py", "import solvers.physics", "A device carries the profiler and the reader"),
        ("profiler/network.py", "import httpx", "A device carries the profiler and the reader"),
        ("solvers/physics.py", "import onnxruntime", "Nobody needs the profiler"),
        ("profiler/split.py", "import profiler.runtime", "Every module of the profiler has a place"),
    ],
)
def test_every_wall_holds(copy: Path, module: str, line: str, broken: str) -> None:
    broken_file = copy / module
    before = broken_file.read_text() if broken_file.exists() else None
    broken_file.write_text(f"{before or ''}\n{line}\n")
    try:
        found = lint(copy)
    finally:
        broken_file.unlink() if before is None else broken_file.write_text(before)
    assert found.returncode == 1
    said = " ".join(found.stdout.split())
    if before is None:
        assert f"not listed as layers: - {module.removesuffix('.py').replace('/', '.')} " in said
    assert broken in said.partition("Broken contracts")[2], said


def test_what_a_device_copies_needs_nothing_but_python() -> None:
    graph = grimp.build_graph("client", include_external_packages=True, cache_dir=None)
    assert graph.find_modules_directly_imported_by("client.edge") <= sys.stdlib_module_names


def test_no_folder_of_modules_is_outside_the_walls() -> None:
    """Without `__init__.py` a folder is importable, but no wall knows of it."""
    roots = [CHECKOUT / name for name in ("app", "client", "profiler", "solvers")]
    packages = {path.parent for root in roots for path in root.rglob("*.py")}
    assert [folder for folder in packages if not (folder / "__init__.py").is_file()] == []
