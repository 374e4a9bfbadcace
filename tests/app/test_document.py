"""The OpenAPI document as generated clients need it."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import create_model

from app.document import describe, unclear_names
from app.main import create_app
from app.settings import Settings

SERVED: dict[str, Any] = create_app(
    Settings.model_construct(database_url="sqlite:///never-opened.db")
).openapi()
SCHEMAS: dict[str, Any] = SERVED["components"]["schemas"]


def body(answer: dict[str, Any]) -> dict[str, Any]:
    """The schema of a JSON answer, followed through its name."""
    schema = answer["content"]["application/json"]["schema"]
    if reference := schema.get("$ref"):
        return dict(SCHEMAS[reference.rpartition("/")[2]])
    return dict(schema)


def test_names_are_of_use_to_generators() -> None:
    assert unclear_names(SERVED) == []


def test_names_that_are_of_no_use_are_refused() -> None:
    """As FastAPI gives them where nothing is said, or two have one name."""
    app = FastAPI()
    for n, (name, home, operation_id) in enumerate(
        (
            ("Weights", "app.mine", "plan"),
            ("Weights", "app.yours", "plan"),
            ("Ratelaw", "app.mine", None),
            ("RateLaw", "app.mine", "plan_V1"),
        )
    ):
        answer = create_model(name, least=(int, n), __module__=home)

        @app.get(f"/v1/{n}", operation_id=operation_id, response_model=answer)
        def read() -> None:
            """Nothing."""

    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        document = describe(app)
    assert unclear_names(document) == [
        "schema app__mine__Weights: not a word in capitals",
        "schema app__yours__Weights: not a word in capitals",
        "schema RateLaw: there are two",
        "schema Ratelaw: there are two",
        "operation plan: there are two",
        "operation read_v1_2_get: named by its address, or not in words",
        "operation plan_V1: named by its address, or not in words",
    ]


KINDS = ("robust", "stopping", "multi-user", "adaptive")
WHOLE = [f"{kind.title().replace('-', '')}Plan" for kind in KINDS]


def one_of(schema: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """By which property alternatives are told apart, and the schema of each of its values."""
    by = schema["discriminator"]
    named = {value: ref.rpartition("/")[2] for value, ref in by["mapping"].items()}
    assert {ref["$ref"] for ref in schema["oneOf"]} == set(by["mapping"].values())
    for value, name in named.items():
        constant = SCHEMAS[name]["properties"][by["propertyName"]]
        assert constant["const"] == value
        assert by["propertyName"] in SCHEMAS[name]["required"]
    return by["propertyName"], named


@pytest.mark.parametrize(("kind", "plan"), list(zip(KINDS, WHOLE, strict=True)))
def test_all_that_a_plan_may_be_answered_with_is_declared(kind: str, plan: str) -> None:
    answers = SERVED["paths"][f"/v1/plans/{kind}"]["post"]["responses"]
    assert body(answers["201"]) == SCHEMAS[plan]
    pending = body(answers["202"])
    assert pending["properties"]["status"]["enum"] == ["queued", "running"]
    assert pending["properties"]["kind"]["const"] == kind
    assert (
        pending["properties"]["options"]["$ref"] == SCHEMAS[plan]["properties"]["options"]["$ref"]
    )
    assert one_of(body(answers["200"])) == ("object", {"plan": plan, "estimate": "Estimate"})


def test_plans_of_any_kind_are_told_apart_by_it() -> None:
    whole = ("kind", dict(zip(KINDS, WHOLE, strict=True)))
    pending = ("kind", dict(zip(KINDS, (f"Pending{name}" for name in WHOLE), strict=True)))
    paths = SERVED["paths"]
    replan = paths["/v1/plans/{plan_id}/replan"]["post"]["responses"]
    assert one_of(body(replan["200"])) == one_of(body(replan["201"])) == whole
    assert one_of(body(replan["202"])) == pending
    for path, method, status in (
        ("/v1/plans/{plan_id}", "get", "200"),
        ("/v1/plans/current", "get", "200"),
        ("/v1/plans/{plan_id}/cancel", "post", "202"),
    ):
        assert one_of(body(paths[path][method]["responses"][status])) == whole
