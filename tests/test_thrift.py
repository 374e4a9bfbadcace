"""What makes the suite dear stays rare; counted, for time is another on each machine."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from tests.support.costs import BUDGET_S, Costs

HERE = Path(__file__).parent
# Each makes the document or the catalogue, in seconds.
DEAR = {"create_app", "openapi", "openapi_document", "files"}
STARTS = re.compile(r"\b(serving|working|a_worker|installed|Popen|subprocess\.run)\(")


def called_on_import(node: ast.AST) -> Iterator[str]:
    """What is called while a module is imported: not in functions, but in their decorators."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in child.decorator_list:
                yield from called_on_import(decorator)
            continue
        yield from called_on_import(child)
    if isinstance(node, ast.Call):
        yield (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )


def test_collecting_makes_nothing() -> None:
    """It would be made in every process of every run, of a single test too."""
    making = [
        f"{path.relative_to(HERE)}: {name}"
        for path in HERE.rglob("*.py")
        for name in called_on_import(ast.parse(path.read_text()))
        if name in DEAR
    ]
    assert making == [], "read tests/support/document.py, or make it in a fixture"


def test_few_places_start_processes() -> None:
    """Each loads in seconds what this process has loaded: call what they would call."""
    places = [
        f"{path.relative_to(HERE)}:{number}"
        for path in HERE.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if STARTS.search(line) and not line.lstrip().startswith("def ")
    ]
    assert len(places) <= 61, places


def test_costs_are_told_by_folder() -> None:
    costs = Costs()
    for node, phase, spent_s, slow in (
        ("tests/app/test_db.py::test_a", "setup", 1.0, True),
        ("tests/app/test_db.py::test_a", "call", 2.0, True),
        ("tests/app/test_db.py::test_b", "call", 3.0, False),
        ("tests/test_walls.py::test_c", "call", BUDGET_S["the rest"] + 1.0, True),
    ):
        costs.pytest_runtest_logreport(
            SimpleNamespace(nodeid=node, when=phase, processor_s=spent_s, slow=slow)
        )
    told = list(costs.folders())
    assert told[0].split() == ["6", "s", "of", f"{BUDGET_S['tests/app']:.0f}", "s", "tests/app"]
    assert told[-3].endswith("the rest  OVER ITS BUDGET")
    assert told[-1].split()[0] == "3"
