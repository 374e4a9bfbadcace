"""The glossary names fields that exist, in the units that their suffixes say."""

import json
import re
from pathlib import Path
from typing import Any

from app.document import unit_of

CHECKOUT = Path(__file__).parent.parent.parent
GLOSSARY = CHECKOUT / "docs" / "glossary.md"
OPENAPI = CHECKOUT / "openapi" / "openapi.json"
COLUMNS = ("term", "symbol", "unit", "field", "in the papers")


def properties() -> dict[str, dict[str, Any]]:
    """Fields of the API, by schema."""
    schemas = json.loads(OPENAPI.read_text())["components"]["schemas"]
    return {
        name: schema["properties"] for name, schema in schemas.items() if "properties" in schema
    }


def terms() -> list[dict[str, str]]:
    """The rows of all tables of the glossary."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in GLOSSARY.read_text().splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells if tuple(row) != COLUMNS]


def named(term: dict[str, str]) -> list[str]:
    return re.findall(r"`([^`]+)`", term["field"])


def test_every_field_of_the_glossary_is_in_the_api() -> None:
    schemas = properties()
    fields = {field for known in schemas.values() for field in known}
    missing = []
    for name in (name for term in terms() for name in named(term)):
        schema, _, field = name.rpartition(".")
        if field not in (schemas.get(schema, {}) if schema else fields):
            missing.append(name)
    assert missing == []


def test_every_term_has_a_symbol_a_unit_and_a_field_or_a_dash() -> None:
    assert [term for term in terms() if not all(term.values())] == []
    assert [term["term"] for term in terms() if not named(term)] == []


def test_no_term_is_explained_twice() -> None:
    names = [name for term in terms() for name in named(term)]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_the_unit_of_a_term_is_what_its_fields_end_in() -> None:
    wrong = []
    for term in terms():
        units = term["unit"].split(", ")
        for name in named(term):
            unit = unit_of(name)
            if unit is not None and unit not in units:
                wrong.append(f"{name}: {term['unit']}, by its suffix {unit}")
    assert wrong == []


def test_every_field_with_a_unit_is_explained() -> None:
    fields = {field for known in properties().values() for field in known if unit_of(field)}
    explained = {name.rpartition(".")[2] for term in terms() for name in named(term)}
    assert sorted(fields - explained) == []
