"""The OpenAPI document, and the service held against it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.main import create_app
from app.settings import Settings
from tests.support.servers import Service

DOCUMENT: dict[str, Any] = create_app(
    Settings.model_construct(database_url="sqlite:///never-opened.db")
).openapi()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")


@pytest.mark.parametrize(
    ("method", "path", "operation"), operations(), ids=lambda value: str(value)[:50]
)
def test_every_operation_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert operation["operationId"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves() -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(value) for value in node.values()))
        return (
            set().union(*(references(value) for value in node)) if isinstance(node, list) else set()
        )

    names = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references(DOCUMENT) <= names


PROFILES = r"^/v1/(devices|models|channels|servers|timings)"
# Nothing that they ask for can be wrong. /readyz is 503 here, where no worker runs.
AROUND = r"^/(v1/(catalogue|problem-types)|livez)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "paths"),
    [(GenerationMode.POSITIVE, f"{PROFILES}|{AROUND}"), (GenerationMode.NEGATIVE, PROFILES)],
)
def test_the_service_keeps_to_its_document(
    service: Service, mode: GenerationMode, paths: str
) -> None:
    """No 500, no answer the document does not know, nothing accepted that it forbids."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json").include(path_regex=paths)
    tested = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        tested += 1

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: Any) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        hold()
    assert tested >= 30
