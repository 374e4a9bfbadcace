"""What the project's papers say is so."""

import ast
import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.answers import differences

CHECKOUT = Path(__file__).parent.parent
README = CHECKOUT / "README.md"
# Places that only the machine of whoever wrote a file has; in pieces, or this file would be found.
FOREIGN = re.compile("|".join(("(?<![\\w.])/wo" + "rk/", "/tmp/scr" + "atch", "file:///" + "opt")))
OUTSIDE = "../sha" + "red"
OUTSIDE_ALLOWED = "SPLITPLAN_DATA"  # where recorded data lie, unless this says otherwise
PACKAGES = ("app", "client", "notation", "profiler", "solvers")
NOT_OURS = {"__pycache__", "build", "dist"}


def papers() -> list[Path]:
    return [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]


def written_files() -> list[Path]:
    """Every file of the project that is not made from others."""
    found = []
    for parent, folders, files in os.walk(CHECKOUT):
        folders[:] = [
            name
            for name in folders
            if name in (".ci", ".github")
            or not (name.startswith(".") or name in NOT_OURS or name.endswith(".egg-info"))
        ]
        found += [Path(parent, name) for name in files]
    return found


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(
        r"^## \[(.+?)\] - (.+)$", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert newest is not None
    assert newest[1] == version
    assert re.fullmatch(r"Unreleased|\d{4}-\d\d-\d\d", newest[2])


def test_the_project_speaks_of_itself_alone() -> None:
    files = written_files()
    assert Path(__file__) in files
    assert CHECKOUT / "Makefile" in files
    found = []
    for path in files:
        for number, line in enumerate(
            path.read_bytes().decode("utf-8", "replace").splitlines(), start=1
        ):
            if FOREIGN.search(line) or (OUTSIDE in line and OUTSIDE_ALLOWED not in line):
                found.append(f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("paper", papers(), ids=lambda paper: str(paper.relative_to(CHECKOUT)))
def test_links_lead_somewhere(paper: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", paper.read_text())
    local = [link.partition("#")[::2] for link in links if not re.match(r"https?:", link)]
    missing = [link for link, _ in local if not (paper.parent / link).exists()]
    assert missing == []
    lost = []
    for link, anchor in local:
        page = paper.parent / link if link else paper
        if anchor and page.suffix == ".md" and anchor not in anchors(page):
            lost.append(f"{link}#{anchor}")
    assert lost == []


def anchors(page: Path) -> set[str]:
    """Where links into a page may lead: its headings, as GitHub names them."""
    headings = re.findall(r"^#{1,6} (.*)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_cases_on_one_database_stay_in_one_process(request: pytest.FixtureRequest) -> None:
    """Or each process of a run starts every service on both."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("there is one process")
    cases = [item for item in request.session.items if item.get_closest_marker("xdist_group")]
    assert [case.nodeid for case in cases if "@" not in case.nodeid] == []


def test_what_is_made_is_a_target_of_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for paper in papers()
        for word in re.findall(r"(?:^    |[`\n])make ([a-z][a-z-]*)", paper.read_text())
    }
    assert {"serve", "test", "demo", "check"} <= named <= targets


def test_array_types_are_defined_once() -> None:
    """The profiler, which carries nothing of the science, has its own."""
    alias = re.compile(r"^\w+ = NDArray\[np\.(float64|int64|bool_)\]", re.MULTILINE)
    defined = [
        f"{path.relative_to(CHECKOUT)}: {found[0]}"
        for path in written_files()
        if path.suffix == ".py"
        for found in alias.finditer(path.read_text())
    ]
    assert [where.partition(":")[0] for where in defined] == ["solvers/arrays.py"] * 3, defined


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (CHECKOUT / package).rglob("*.py")]


def test_files_hold_one_idea() -> None:
    """Nineteen files in twenty have at most 300 lines."""
    lines = sorted(
        (len(path.read_text().splitlines()), str(path.relative_to(CHECKOUT))) for path in sources()
    )
    long = [entry for entry in lines if entry[0] > 300]
    assert len(long) <= len(lines) // 20, long


def test_functions_are_a_page_at_most() -> None:
    """Those that are longer than 50 lines are few, and get no more."""
    long = [
        f"{path.relative_to(CHECKOUT)}: {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= 50
    ]
    assert len(long) <= 10, long


def test_tests_stand_at_the_path_of_their_source() -> None:
    """Nine in ten are of one module or package; the others are stories, or of several."""
    tests = sorted((CHECKOUT / "tests").rglob("test_*.py"))
    alone = []
    for path in tests:
        source = CHECKOUT / path.relative_to(CHECKOUT / "tests").with_name(
            path.name.removeprefix("test_")
        )
        if not (source.exists() or (source.with_suffix("") / "__init__.py").exists()):
            alone.append(str(path.relative_to(CHECKOUT)))
    assert len(alone) <= 0.1 * len(tests), alone


def test_a_difference_is_seen() -> None:
    real = {"id": "a", "result": {"energy_j": 1.0, "users": [{"id": "door", "holds": True}]}}
    assert differences(json.loads(json.dumps(real)) | {"id": "other"}, real) == []
    assert differences({"result": {"energy_j": 1.0005}}, real) == []
    assert differences({"result": {"energy_j": 1.002}}, real) == [
        "/result/energy_j: 1.002, really 1.0"
    ]
    assert differences({"result": {"users": [{"id": "lobby", "holds": False}]}}, real) == [
        "/result/users/0/id: 'lobby', really 'door'",
        "/result/users/0/holds: False, really True",
    ]
    assert differences({"result": {"users": []}}, real) == ["/result/users: 0 entries, really 1"]
    assert differences({"gap": 0}, real) == ["/gap is not answered"]
    assert differences({"result": {"users": ["…"], "…": 0}, "kind": "robust"}, real) == [
        "/kind is not answered"
    ]
    several = {"users": [{"n": n} for n in range(5)]}
    for said in ([0, "…", 3, "…"], ["…", 1, 2, "…", 4], [0, 1, 2, 3, "…"]):
        told = [each if each == "…" else {"n": each} for each in said]
        assert differences({"users": told}, several) == [], said
    for said in ([1, "…"], ["…", 3], ["…", 3, 2, "…"], [0, 2, "…"], ["…", 5, "…"]):
        told = [each if each == "…" else {"n": each} for each in said]
        assert differences({"users": told}, several) != [], said
    assert differences({"said": "the law ..."}, {"said": "the law holds"}) == []
    assert differences({"said": "the law ..."}, {"said": "no law"}) != []
