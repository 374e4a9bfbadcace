"""The site of the documentation: what `make docs` does not see itself."""

import json
import re

from app.settings import Settings
from docs.site.environment import settings
from docs.site.openapi import document, operations, schemas
from tests.docs.excerpts import CHECKOUT, pages

DOCS = CHECKOUT / "docs"
OPERATION = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/v1(?:/(?:[a-z-]+|\{\w+\}))+)(?![\w/$])")
LISTS = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def reached(name: str) -> list[str]:
    """The pages that lists lead to, from a page on, by their path in the checkout."""
    page = CHECKOUT / f"{name}.md"
    found = [name]
    for listed in LISTS.findall(page.read_text()):
        for line in (line for line in listed.splitlines() if line and not line.startswith(":")):
            titled = re.fullmatch(r".+ <(.+)>", line)
            for path in sorted(page.parent.glob(f"{titled[1] if titled else line}.md")):
                found += reached(str(path.resolve().relative_to(CHECKOUT).with_suffix("")))
    return found


def test_every_page_is_in_the_navigation_once() -> None:
    every = {str(page.relative_to(CHECKOUT).with_suffix("")) for page in DOCS.glob("**/*.md")}
    listed = reached("docs/index")
    assert sorted(every - set(listed)) == [], "enter it in docs/index.md"
    assert sorted({name for name in listed if listed.count(name) > 1}) == []


def test_every_operation_and_schema_is_written() -> None:
    told = json.loads((CHECKOUT / "openapi" / "openapi.json").read_text())
    assert told == document()
    written = "\n".join(operations(told))
    for path, item in told["paths"].items():
        for method in item:
            assert written.count(f"### `{method.upper()} {path}`\n") == 1
    fields = "\n".join(schemas(told))
    for name, schema in told["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert f"| `{field}`" in fields, f"{name}.{field}"


def test_every_setting_is_written_with_what_it_does() -> None:
    rows = [line.strip("| ").split(" | ") for line in settings() if "`SPLITPLAN_" in line]
    assert [row[0] for row in rows] == [
        f"`SPLITPLAN_{name.upper()}`" for name in Settings.model_fields
    ]
    assert [row for row in rows if len(row) != 3] == []


def test_every_operation_that_a_page_names_exists() -> None:
    def plain(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    known = {
        f"{method.upper()} {plain(path)}"
        for path, item in document()["paths"].items()
        for method in item
    }
    named = {
        (str(page.relative_to(CHECKOUT)), f"{method} {plain(path)}")
        for page in pages()
        for method, path in OPERATION.findall(page.read_text())
    }
    assert len(named) > 50
    assert sorted(each for each in named if each[1] not in known) == []
