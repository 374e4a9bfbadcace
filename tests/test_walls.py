"""The import walls of pyproject.toml: each of them breaks when somebody walks through it."""

import ast
import dataclasses
import enum
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).parent.parent
CHECK_ALONE = "The check shares no formula with the solver"
SOLVER_ALONE = "The solver shares no formula with the check"
LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source, to be broken."""
    folder = tmp_path_factory.mktemp("walls")
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    for package in ("app", "client", "notation", "profiler", "solvers"):
        shutil.copytree(
            CHECKOUT / package,
            folder / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.json"),
        )
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # From the copy's folder, so that its packages and not the installed ones are read.
    return subprocess.run(
        [LINT, "--no-logo"], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.slow
def test_the_copy_stands_before_it_is_broken(copy: Path) -> None:
    found = lint(copy)
    assert found.returncode == 0, found.stdout
    assert " 0 broken" in found.stdout


# A module, what is written into it, and the wall that it breaks.
BREAKS = [
    ("solvers/robust/problem.py", "import fastapi", "The science knows no web and no database"),
    (
        "solvers/physics.py",
        "from app.errors import FieldError",
        "The science knows no web and no database",
    ),
    (
        "client/planning.py",
        "from solvers.physics import rate_bps",
        "A client knows only HTTP and the tables",
    ),
    (
        "app/plans/service.py",
        "from client import planning",
        "The service does not need its client",
    ),
    (
        "app/command.py",
        "def late():\n    import cvxpy",
        "The modelling language is for references",
    ),
    (
        "solvers/registry.py",
        "import solvers.robust.pccp",
        "A reference method has one importer",
    ),
    (
        "solvers/registry.py",
        "import solvers.robust.solve.reference",
        "And who opens it is the family's own solve",
    ),
    ("solvers/robust/check/limits.py", "from solvers.robust.solve import solve", CHECK_ALONE),
    ("solvers/robust/check/terms.py", "from solvers.moments import margin_factor", CHECK_ALONE),
    ("solvers/robust/replay.py", "from solvers import physics", CHECK_ALONE),
    (
        "solvers/multiuser/check/terms.py",
        "from solvers.multiuser.costs import cost",
        CHECK_ALONE,
    ),
    (
        "solvers/multiuser/check/table.py",
        "import solvers.multiuser.solve.envelope",
        CHECK_ALONE,
    ),
    ("solvers/multiuser/replay.py", "from solvers.physics import transfer_s", CHECK_ALONE),
    (
        "solvers/stopping/check/evaluation.py",
        "import solvers.stopping.solve.costs",
        CHECK_ALONE,
    ),
    ("solvers/stopping/check/looks.py", "from solvers.physics import rate_bps", CHECK_ALONE),
    ("solvers/robust/problem.py", "from solvers.moments import total_variance", CHECK_ALONE),
    ("solvers/robust/solve/dual.py", "import solvers.robust.check", SOLVER_ALONE),
    ("solvers/moments.py", "import solvers.robust.check.terms", SOLVER_ALONE),
    ("solvers/multiuser/costs.py", "import solvers.multiuser.check.terms", SOLVER_ALONE),
    ("solvers/multiuser/table.py", "import solvers.multiuser.check.terms", SOLVER_ALONE),
    ("solvers/stopping/channel.py", "import solvers.stopping.check.laws", SOLVER_ALONE),
    (
        "solvers/robust/problem.py",
        "import solvers.multiuser.problem",
        "Every module of the science has a place",
    ),
    ("solvers/utils.py", "", "Every module of the science has a place"),
    (
        "app/profiles/service.py",
        "import app.plans.tables",
        "Every module of the service has a place",
    ),
    (
        "app/profiles/reading.py",
        "import onnx",
        "The service reads ONNX in a process of its own",
    ),
    (
        "app/profiles/reading.py",
        "import solvers.onnx_reader",
        "The service reads ONNX in a process of its own",
    ),
    (
        "app/main.py",
        "import app.catalogue.networks",
        "What is built from graphs is shipped as data",
    ),
    ("solvers/physics.py", "import onnx", "Only the reader knows ONNX in the science"),
    ("app/helpers.py", "", "Every module of the service has a place"),
    (
        "app/profiles/tables.py",
        "import app.profiles.service",
        "Every feature reads from its routes down",
    ),
    ("client/common.py", "", "Every module of the client has a place"),
    (
        "profiler/measure.py",
        "import solvers.physics",
        "A device carries the profiler and the reader",
    ),
    ("profiler/network.py", "import httpx", "A device carries the profiler and the reader"),
    ("solvers/physics.py", "import onnxruntime", "Nobody needs the profiler"),
    (
        "profiler/split.py",
        "import profiler.runtime",
        "Every module of the profiler has a place",
    ),
]


def rounds() -> list[list[tuple[str, str, str]]]:
    """Each break in one of a few rounds, in none of which a wall or a module comes twice."""
    found: list[list[tuple[str, str, str]]] = []
    for case in BREAKS:
        for others in found:
            if all(case[0] != module and case[2] != broken for module, _, broken in others):
                others.append(case)
                break
        else:
            found.append([case])
    return found


@contextmanager
def written(file: Path, line: str) -> Iterator[None]:
    """A line more in a file, which may be new, for a while."""
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        yield
    finally:
        file.unlink() if before is None else file.write_text(before)


@pytest.mark.slow
@pytest.mark.parametrize("broken_together", rounds(), ids=lambda cases: f"{len(cases)} walls")
def test_every_wall_holds(copy: Path, broken_together: list[tuple[str, str, str]]) -> None:
    with ExitStack() as stack:
        for module, line, _ in broken_together:
            stack.enter_context(written(copy / module, line))
        found = lint(copy)
    assert found.returncode == 1
    # Of each broken wall its name, underlined, and what broke it.
    _, *told = re.split(r"\n(.+)\n-{3,}\n", found.stdout.partition("Broken contracts")[2])
    walls = dict(zip(told[::2], told[1::2], strict=True))
    for module, line, broken in broken_together:
        (said,) = [text for wall, text in walls.items() if wall.startswith(broken)]
        name = module.removesuffix(".py").replace("/", ".")
        new = "not listed as layers: - " if not line else ""
        assert f"{new}{name} " in " ".join(said.split()), (module, line, broken)


def test_what_a_device_copies_needs_nothing_but_python() -> None:
    graph = grimp.build_graph("client", include_external_packages=True, cache_dir=None)
    assert graph.find_modules_directly_imported_by("client.edge") <= sys.stdlib_module_names


def test_no_folder_of_modules_is_outside_the_walls() -> None:
    """Without `__init__.py` a folder is importable, but no wall knows of it."""
    roots = [CHECKOUT / name for name in ("app", "client", "notation", "profiler", "solvers")]
    packages = {path.parent for root in roots for path in root.rglob("*.py")}
    assert [folder for folder in packages if not (folder / "__init__.py").is_file()] == []


FAMILIES = ("multiuser", "robust", "stopping")
SHARED = (
    {"arrays", "compiled.library", "later", "margin", "outcome", "records"}
    | {f"{family}.problem" for family in FAMILIES}
    | {"multiuser.table", "stopping.channel", "stopping.decision", "stopping.fading"}
)


def sources_of_checks() -> list[Path]:
    science = CHECKOUT / "solvers"
    return sorted(
        path
        for family in FAMILIES
        for name in ("check", "replay")
        for path in science.glob(f"{family}/{name}*/*.py")
    ) + [science / family / "replay.py" for family in FAMILIES]


def records() -> list[type]:
    """Every class that a check shares with a solver."""
    modules = [importlib.import_module(f"solvers.{name}") for name in sorted(SHARED - {"outcome"})]
    return [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and not issubclass(kind, enum.Enum)
    ]


def computed(kinds: list[type]) -> tuple[set[str], set[str]]:
    """Names that compute: properties, and methods, that are no record's plain field."""
    plain = {
        field.name
        for kind in kinds
        if dataclasses.is_dataclass(kind)
        for field in dataclasses.fields(kind)
    }
    members = [
        (name, value)
        for kind in kinds
        for name, value in vars(kind).items()
        if not name.startswith("_")
    ]
    properties = {name for name, value in members if isinstance(value, property)}
    return properties - plain, {name for name, value in members if inspect.isfunction(value)}


def used_names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Attributes read, and attributes called; those of numpy itself are nobody's."""

    def of_numpy(node: ast.Attribute) -> bool:
        return isinstance(node.value, ast.Name) and node.value.id == "np"

    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and not of_numpy(node)
    }
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return read, {
        node.attr for node in calls if isinstance(node, ast.Attribute) and not of_numpy(node)
    }


# A table is looked up as a device does, a channel sampled as it is stated: what a replay plays.
# And what is compiled for a check is called by its name.
CALLED = {"replay.py": {"look_up", "sample"}, "kernel.py": {"function"}}


@pytest.mark.parametrize(
    "path", sources_of_checks(), ids=lambda path: str(path.relative_to(CHECKOUT))
)
def test_a_check_takes_plain_fields_and_nothing_that_computes(path: Path) -> None:
    properties, methods = computed(records())
    tree = ast.parse(path.read_text())
    read, called = used_names(tree)
    assert read & properties == set()
    assert called & methods - CALLED.get(path.name, set()) == set()
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    for node in imports:
        package, _, rest = str(node.module).partition(".")
        if package != "solvers":
            continue
        own = rest.split(".")[1:2] == ["check"]
        assert own or rest in SHARED, node.module
        for name in node.names:
            shared = getattr(importlib.import_module(str(node.module)), name.name)
            # Records are looked through, and what was compiled is called: neither is a formula.
            plain = rest in ("records", "compiled.library")
            assert own or not inspect.isfunction(shared) or plain, (
                node.module,
                name.name,
            )


def test_the_wall_sees_a_method_that_computes() -> None:
    properties, methods = computed(records())
    assert {"waiting_cost", "min_rate_bps", "fixed_cost"} <= properties
    assert {"cost", "log_gain_density", "placement_cost"} <= methods


NEGOTIATED = {"accept", "content-type", "if-match", "if-none-match"}


def looked_up(tree: ast.AST) -> set[str]:
    """The headers of a request that code asks for by name."""
    asked = [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "getlist")
        and node.args
    ]
    asked += [
        node.slice
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
    ]
    names = {
        node.value.lower()
        for node in asked
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return names & NEGOTIATED


def test_only_app_http_reads_what_http_negotiates() -> None:
    read = {
        path: looked_up(ast.parse(path.read_text())) for path in (CHECKOUT / "app").rglob("*.py")
    }
    http = CHECKOUT / "app" / "http"
    assert not {path: names for path, names in read.items() if names and http not in path.parents}
    # Whether the search finds anything.
    assert looked_up(ast.parse('headers.get("Accept"); request.headers["content-type"]')) == {
        "accept",
        "content-type",
    }
    assert set().union(*read.values()) >= {"content-type"}


def rings(graph: dict[str, set[str]]) -> list[set[str]]:
    """The strongly connected components of more than one part."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            new = graph.get(ahead.pop(), set()) - found
            found |= new
            ahead += new
        return found

    reach = {part: reached(part) for part in graph}
    found = [
        frozenset(other for other in reach[part] if part in reach.get(other, ())) for part in graph
    ]
    return [set(ring) for ring in {ring for ring in found if len(ring) > 1}]


def parts(graph: grimp.ImportGraph, package: str) -> dict[str, set[str]]:
    """What is directly below a package, folders collapsed, and what of it each part imports."""
    depth = package.count(".") + 2

    def part(module: str) -> str:
        return ".".join(module.split(".")[:depth])

    inside = {module for module in graph.modules if module.startswith(f"{package}.")}
    found: dict[str, set[str]] = {part(module): set() for module in inside}
    for module in inside:
        imported = graph.find_modules_directly_imported_by(module) & inside
        found[part(module)] |= {part(other) for other in imported} - {part(module)}
    return found


@pytest.mark.parametrize(
    "package",
    [
        "app",
        "app.plans",
        "app.profiles",
        "app.measurements",
        "app.validations",
        "app.http",
        "solvers",
        "client",
    ],
)
def test_parts_import_each_other_in_no_ring(package: str) -> None:
    graph = parts(grimp.build_graph("app", "client", "solvers"), package)
    assert any(graph.values())
    assert rings(graph) == []


def test_a_ring_is_found() -> None:
    ringed = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set()}
    assert rings(ringed) == [{"a", "b", "c"}]
    assert rings({"a": {"b"}, "b": set()}) == []
