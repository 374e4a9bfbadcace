"""One module knows what a plan's row means; everybody else asks it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from app.plans.family import Outcome
from app.plans.stored import Answer, Asked, Notice, answer_of, end, notice_of, pins_of
from app.plans.tables import PlanRow
from tests.support.toy import CHECKOUT

OWNERS = {
    "columns": {"app/plans/stored.py", "app/plans/tables.py"},
    "pins": {"app/plans/stored.py", "app/plans/pins.py", "app/plans/tables.py"},
    "users": {
        "app/plans/stored.py",
        "app/plans/requested.py",
        "app/plans/columnar.py",
        "app/plans/strangers.py",
        "app/plans/browsing.py",
        "app/plans/tables.py",
    },
    "references": {"app/profiles/references.py", "app/quantities.py"},
}
USERS = {"PlanUsersRow", "PlanColumnsRow", "PlanIndexRow"}
COLUMNAR = {"store", "load", "find", "blocks", "forget"}


def looks(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Where code looks into a row by itself: the module that should be asked, and the line."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="answer" | "webhook"):
                yield "columns", node.lineno
            case ast.Attribute(attr="pins", value=ast.Name(id=holder)) if holder not in (
                "self",
                "resolver",
            ):
                yield "pins", node.lineno
            case ast.Attribute(value=ast.Attribute(attr="pins"), attr="get" | "items" | "values"):
                yield "pins", node.lineno
            case ast.Subscript(value=ast.Attribute(attr="pins" | "kept")):
                yield "pins", node.lineno
            case ast.Name(id=name) if name in USERS:
                yield "users", node.lineno
            case ast.Attribute(value=ast.Name(id="columnar"), attr=attr) if attr in COLUMNAR:
                yield "users", node.lineno
            case ast.Call(
                func=ast.Attribute(attr="partition" | "rpartition" | "split" | "rsplit"),
                args=[ast.Constant(value="@"), *_],
            ):
                yield "references", node.lineno
            case ast.JoinedStr(values=values) if any(
                isinstance(value, ast.Constant) and value.value == "@" for value in values
            ):
                yield "references", node.lineno


@pytest.mark.parametrize(
    ("code", "owner"),
    [
        ('row.answer["result"]', "columns"),
        ("select(PlanRow.answer)", "columns"),
        ('row.webhook["url"]', "columns"),
        ("dict(row.pins or {})", "pins"),
        ('resolver.pins["timing/a"]', "pins"),
        ('self.pins.get("timing/a")', "pins"),
        ("select(PlanUsersRow.entries)", "users"),
        ('columnar.load(session, 1, "users")', "users"),
        ('name, _, revision = ref.partition("@")', "references"),
        ('f"{name}@{revision}"', "references"),
    ],
)
def test_looking_into_a_row_is_seen(code: str, owner: str) -> None:
    assert owner in {found for found, _ in looks(ast.parse(code))}


def test_only_its_module_looks_into_a_row() -> None:
    found = []
    for file in sorted((CHECKOUT / "app").rglob("*.py")):
        name = str(file.relative_to(CHECKOUT))
        for owner, line in looks(ast.parse(Path(file).read_text())):
            if name not in OWNERS[owner]:
                found.append(f"{name}:{line} looks into {owner}")
    assert found == []


KEPT: dict[str, Any] = {
    "options": {"gap": 0.1},
    "warnings": [],
    "result": None,
    "infeasible": None,
    "provenance": {"weakest": "measured", "profiles": [], "solver_version": "1", "solve_s": None},
}


def an_outcome(**fields: object) -> Outcome:
    whole: dict[str, Any] = {
        "status": "solved",
        "result": {"x": 1},
        "infeasible": None,
        "users": [],
        "solve_s": 2.0,
    }
    return Outcome(**(whole | fields))


def test_an_answer_is_kept_as_it_was_read() -> None:
    for kept in (KEPT, KEPT | {"changed": {"fields": [], "switched": None}}):
        assert list(Answer.read(kept).kept.items()) == list(kept.items())
    assert Answer.read(KEPT).time_limit_s is None
    assert Answer.read(KEPT | {"options": {"time_limit_s": 3.0}}).time_limit_s == 3.0


def test_a_row_ends_with_what_its_solver_said() -> None:
    row = PlanRow(answer=KEPT | {"changed": {"switched": None}}, pins=None, webhook=None)
    assert not answer_of(row).is_told
    end(row, an_outcome(), {"switched": 3})
    ended = answer_of(row)
    assert (ended.is_told, ended.result, ended.changed) == (True, {"x": 1}, {"switched": 3})
    assert ended.provenance == KEPT["provenance"] | {"solve_s": 2.0}
    assert "failure" not in ended.kept
    end(row, an_outcome(result=None, failure={"reason": "crashed"}))
    assert answer_of(row).failure == {"reason": "crashed"}
    assert answer_of(row).changed == {"switched": 3}


def test_a_plan_older_than_pins_has_none() -> None:
    assert pins_of(PlanRow(pins=None)) is None
    kept = {"device/camera": "camera@2"}
    pins = pins_of(PlanRow(pins=kept))
    assert pins is not None
    assert pins.kept == kept
    assert pins.kept is not kept


def test_a_notice_waits_until_it_is_told() -> None:
    row = PlanRow()
    assert notice_of(row) is None
    Notice("http://x").keep(row)
    assert row.webhook == {
        "url": "http://x",
        "status": "waiting",
        "attempts": 0,
        "detail": None,
    }
    assert row.webhook_waiting
    Notice("http://x", "delivered", 1, "answered 200").keep(row)
    assert notice_of(row) == Notice("http://x", "delivered", 1, "answered 200")
    assert not row.webhook_waiting


def test_users_are_the_same_as_objects_and_as_columns() -> None:
    users = [{"id": "a", "risk": 0.1}, {"id": "b", "cell": "c", "risk": 0.2}]
    listed = Asked({"users": users}, None)
    columns = Asked({}, pa.Table.from_pylist([{"cell": None} | user for user in users]))
    for asked in (listed, columns):
        assert asked.users == users
        assert asked.user(1) == users[1]
        assert asked.named(["b", "z"]) == {"b": users[1]}
