"""The examples of the document: there, true to their schemas, and what is answered today."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema_rs import Draft202012Validator

from app.document import operations, schemas
from app.examples import FILE, REFERENCE
from app.problem_types import PROBLEMS
from tests.support.document import DOCUMENT
from tests.support.examples.plain import differences
from tests.support.examples.story import recorded

KEPT = orjson.loads(FILE.read_bytes())
READABLE = ("application/json", "text/csv", "text/event-stream")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
LIKE_AN_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^\s\",]*")
# What only happens to a service in trouble, or to what it would take long to send.
UNSEEN = {
    *("ambiguous-timing", "body-too-large", "too-many-users"),
    *("host-unknown", "cross-origin-refused"),
    *("database-unavailable", "importer-busy", "internal-error", "queue-full"),
    *("head-too-large", "request-too-slow", "too-many-connections", "too-much-at-once"),
    *("database-busy", "database-full", "database-read-only", "database-replaced"),
    "revisions-unknown",
}


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body of the document that text can show, and whose it is."""
    for operation in operations(DOCUMENT):
        told = {"request": operation.get("requestBody", {})} | {
            status: answer for status, answer in operation["responses"].items() if status < "4"
        }
        for part, said in told.items():
            for media_type, body in said.get("content", {}).items():
                yield f"{operation['operationId']} {part} {media_type}", body


def test_every_operation_shows_what_it_is_sent_and_answers() -> None:
    missing = {
        where
        for where, body in bodies()
        if where.endswith("application/json") and "example" not in body
    }
    assert missing == set(), "let tests/support/examples/story.py ask for them"
    shown = {where for where, body in bodies() if "example" in body}
    assert shown == {where for where in KEPT if not where.startswith("problem ")}


def test_every_problem_is_shown_where_it_may_be_answered() -> None:
    slugs = {kind.slug for kind in PROBLEMS.values()} - UNSEEN
    assert {f"problem {slug}" for slug in slugs} == {at for at in KEPT if at.startswith("problem ")}
    told = {
        (example["$ref"], status)
        for operation in operations(DOCUMENT)
        for status, answer in operation["responses"].items()
        for body in answer.get("content", {}).values()
        for example in body.get("examples", {}).values()
    }
    assert {f"{REFERENCE}{slug}" for slug in DOCUMENT["components"]["examples"]} == {
        reference for reference, _ in told
    }
    for reference, status in told:
        assert KEPT[f"problem {reference.removeprefix(REFERENCE)}"]["status"] == int(status)


def test_examples_are_what_their_schemas_say() -> None:
    told = {where: body["schema"] for where, body in bodies() if where in KEPT}
    told |= {where: {"$ref": "#/components/schemas/Problem"} for where in KEPT.keys() - told.keys()}
    whole = {"properties": told, "components": DOCUMENT["components"]}
    faults = Draft202012Validator(whole).iter_errors(KEPT)
    assert [f"{each.instance_path}: {each.message}" for each in faults] == []


def instants(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """What looks like an instant in an example, and the field that it is in."""
    match value:
        case dict():
            for inner, each in value.items():
                yield from instants(each, inner)
        case list():
            for each in value:
                yield from instants(each, name)
        case str():
            yield from ((name, found[0]) for found in LIKE_AN_INSTANT.finditer(value))


def test_instants_have_one_form_and_the_document_says_so() -> None:
    found = list(instants({at: told for at, told in KEPT.items() if " request " not in at}))
    assert len(found) > 50
    assert [at for at in found if not INSTANT.fullmatch(at[1])] == []
    fields = {name for name, _ in found} - KEPT.keys()  # texts have no fields
    assert fields >= {"created_at", "finished_at", "started_at"}
    for schema in schemas(DOCUMENT):
        for name in fields & schema.get("properties", {}).keys():
            told = schema["properties"][name]
            said = json.dumps(told)
            assert '"string"' not in said or '"date-time"' in said, (name, schema)


@pytest.mark.slow
def test_examples_are_what_is_answered_today(tmp_path: Path) -> None:
    assert list(differences(KEPT, recorded(tmp_path))) == [], "make examples, and look at the diff"


def test_another_answer_is_seen() -> None:
    kept = {"a": [1.0, "0.25 s", True, None], "b": {}}
    assert list(differences(kept, {"a": [1.0001, "0.2500001 s", True, None], "b": {}})) == []
    for at, other in enumerate((1.1, "0.3 s", 1, False)):
        changed = [*kept["a"][:at], other, *kept["a"][at + 1 :]]
        (said,) = differences(kept, kept | {"a": changed})
        assert said.startswith(f"/a/{at}: ")
    assert list(differences(kept, {"a": kept["a"]})) == ["/b: only in the kept one"]
