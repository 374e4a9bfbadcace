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
    for package in ("app", "client", "solvers"):
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
        ("solvers/registry.py", "import solvers.robust.pccp", "A reference method is for tests and benchmarks"),
        ("solvers/robust/check.py", "from solvers.robust.solve import solve", "The witness never meets the accused"),
        ("solvers/robust/solve/dual.py", "import solvers.robust.check", "Nor does the accused coach the witness"),
        ("solvers/robust/problem.py", "import solvers.multiuser.problem", "Every module of the science has a place"),
        ("solvers/utils.py", "", "Every module of the science has a place"),
        ("app/profiles/service.py", "import app.plans.tables", "Every module of the service has a place"),
        ("app/helpers.py", "", "Every module of the service has a place"),
        ("app/profiles/tables.py", "import app.profiles.service", "Every feature reads from its routes down"),
        ("client/common.py", "", "Every module of the client has a place"),
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
    packages = {path.parent for name in ("app", "client", "solvers") for path in (CHECKOUT / name).rglob("*.py")}
    assert [folder for folder in packages if not (folder / "__init__.py").is_file()] == []
