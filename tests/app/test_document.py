"""The OpenAPI document as generated clients need it."""

import math
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from app.document import describe, operations, schemas, unclear_names, unexplained
from app.oidc import OidcSettings
from app.quantities import LARGEST_INTEGER
from tests.support.document import DOCUMENT

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def body(answer: dict[str, Any]) -> dict[str, Any]:
    """The schema of a JSON answer, followed through its name."""
    schema = answer["content"]["application/json"]["schema"]
    if reference := schema.get("$ref"):
        return dict(SCHEMAS[reference.rpartition("/")[2]])
    return dict(schema)


def test_names_are_of_use_to_generators() -> None:
    assert unclear_names(DOCUMENT) == []


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
        document = describe(app, app.routes)
    assert unclear_names(document) == [
        "schema app__mine__Weights: not a word in capitals",
        "schema app__yours__Weights: not a word in capitals",
        "schema RateLaw: there are two",
        "schema Ratelaw: there are two",
        "operation plan: there are two",
        "operation read_v1_2_get: named by its address, or not in words",
        "operation plan_V1: named by its address, or not in words",
    ]


def test_a_service_that_trusts_a_provider_says_which() -> None:
    app = FastAPI()
    answer = create_model("Answer", least=(int, 1))

    @app.post("/v1/plans/robust", response_model=answer)
    @app.get("/livez", response_model=answer)
    def read() -> None:
        """Nothing."""

    trusted = OidcSettings(
        oidc_issuer="https://id.example.org/", oidc_audience=("plan",), oidc_plan=("planner", "x")
    )
    document = describe(app, app.routes, trusted)
    scheme = document["components"]["securitySchemes"]["oidc"]
    assert scheme["type"] == "openIdConnect"
    where = "https://id.example.org/.well-known/openid-configuration"
    assert scheme["openIdConnectUrl"] == where
    asked = document["paths"]["/v1/plans/robust"]["post"]
    assert asked["security"] == [{"bearer": ["plan"]}, {"oidc": ["planner"]}]
    assert "issuer-unavailable" in asked["responses"]["503"]["description"]
    assert document["paths"]["/livez"]["get"]["security"] == []
    assert document["security"] == [{"bearer": []}, {"oidc": []}]
    assert DOCUMENT["security"] == [{"bearer": []}, {}], "where nobody is known to be asked"


def test_everything_is_described() -> None:
    assert unexplained(DOCUMENT) == []


def test_what_says_nothing_is_refused() -> None:
    app = FastAPI(openapi_tags=[{"name": "Clocks"}])
    told = {
        "clock": None,
        "level": "The level.",
        "free_clock": "The clock that is free.",
        "busy_clock_hz": "What the device runs at while it computes.",
        "idle_clock_hz": "What the device runs at meanwhile [GHz].",
        "flop_per_s": "Speed at which the device computes [FLOP].",
        "least_clock_hz": "What the device runs at when it waits [Hz].",
    }
    fields: dict[str, Any] = {name: (int, Field(description=text)) for name, text in told.items()}
    answer = create_model("Answer", **fields)

    @app.get("/", operation_id="read", response_model=answer, summary="Read what the device does")
    def read(at: int) -> None:
        """What the device runs at now."""

    at = {
        fault.partition(":")[0]
        for fault in unexplained(describe(app, app.routes))
        if "Error" not in fault
    }
    silent = {f"Answer.{name}" for name in told} - {"Answer.least_clock_hz"}
    assert at == silent | {"read, parameter at", "tag Clocks"}


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
    answers = DOCUMENT["paths"][f"/v1/plans/{kind}"]["post"]["responses"]
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
    paths = DOCUMENT["paths"]
    replan = paths["/v1/plans/{plan_id}/replan"]["post"]["responses"]
    assert one_of(body(replan["200"])) == one_of(body(replan["201"])) == whole
    assert one_of(body(replan["202"])) == pending
    for path, method, status in (
        ("/v1/plans/{plan_id}", "get", "200"),
        ("/v1/plans/current", "get", "200"),
        ("/v1/plans/{plan_id}/cancel", "post", "202"),
    ):
        assert one_of(body(paths[path][method]["responses"][status])) == whole


KNOWN = {
    *("$ref", "type", "enum", "const", "title", "description", "default", "examples", "deprecated"),
    *("properties", "patternProperties", "propertyNames", "additionalProperties", "required"),
    *("items", "minItems", "maxItems", "uniqueItems", "anyOf", "oneOf", "allOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("pattern", "format", "contentMediaType", "contentEncoding", "minProperties"),
    *("maxProperties", "discriminator"),
}
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def test_bounds_are_said_in_the_words_of_json_schema() -> None:
    for schema in schemas(DOCUMENT):
        assert schema.keys() <= KNOWN, schema
        if schema.get("type") == "integer":
            for bound in (schema[name] for name in BOUNDS if name in schema):
                assert isinstance(bound, int)
                assert abs(bound) <= LARGEST_INTEGER
        assert schema.get("type") != "array" or "items" in schema, schema
        assert "prefixItems" not in schema, "not every generator reads it"
        for inclusive, exclusive in zip(BOUNDS[:2], BOUNDS[2:], strict=True):
            assert not schema.keys() >= {inclusive, exclusive}, "one of them says nothing"
        for example in schema.get("examples", ()):
            if isinstance(example, dict):
                assert example.keys() >= set(schema.get("required", ())), schema


def test_bodies_that_are_no_json_are_text_or_bytes() -> None:
    told = {
        (media_type, content["schema"].get("format"))
        for operation in operations(DOCUMENT)
        for body in (operation.get("requestBody", {}), *operation["responses"].values())
        for media_type, content in body.get("content", {}).items()
        if content["schema"].get("type") == "string"
    }
    assert told == {
        ("text/csv", None),
        ("text/plain", None),
        ("image/svg+xml", None),
        ("application/vnd.apache.arrow.stream", "binary"),
        ("application/vnd.apache.parquet", "binary"),
        ("application/octet-stream", "binary"),
    }


def test_the_document_says_where_and_whose_it_is() -> None:
    assert DOCUMENT["servers"][0]["url"] == "/"
    assert DOCUMENT["info"]["contact"]["name"] == "Splitplan"
    assert DOCUMENT["security"] == [{"bearer": []}, {}], "asked for a key where there are any"


def models(kind: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """Every schema of the service by its name in the document."""
    for model in kind.__subclasses__():
        if model.__module__.startswith("app.") and model.__name__ in SCHEMAS:
            yield model
        yield from models(model)


def just_outside(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that a schema of numbers, texts or lists bars by so little."""
    whole = schema.get("type") == "integer"
    if whole or schema.get("type") == "number":
        for name, way in (("minimum", -1), ("maximum", 1)):
            if name in schema:
                bound = schema[name]
                yield bound + way if whole else math.nextafter(bound, way * math.inf)
        yield from (schema[name] for name in BOUNDS[2:] if name in schema)
    if schema.get("type") == "string" and "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if schema.get("type") == "string" and schema.get("minLength"):
        yield ""
    if schema.get("type") == "array" and schema.get("maxItems", math.inf) < 10_000:
        yield [0] * (schema["maxItems"] + 1)


def on_the_edge(schema: dict[str, Any]) -> Iterator[float]:
    """Numbers at inclusive bounds."""
    if schema.get("type") in ("integer", "number"):
        for name, exclusive in zip(BOUNDS[:2], BOUNDS[2:], strict=True):
            if name in schema and exclusive not in schema:
                yield schema[name]


def test_what_the_document_bars_is_refused_and_what_it_allows_is_not() -> None:
    """The bound of a schema, and the next value beyond it, held against what reads the body."""
    barred = allowed = 0
    for model in models():
        properties = SCHEMAS[model.__name__].get("properties", {})
        for name, field in model.model_fields.items():
            told = properties.get(field.alias or name, {})
            choices = [one for one in told.get("anyOf", [told]) if one.get("type") != "null"]
            if len(choices) != 1:
                continue  # of several forms another one may take the value
            kind = field.annotation
            told_of = Annotated[kind, *field.metadata] if field.metadata else kind
            reader: TypeAdapter[Any] = TypeAdapter(told_of)
            for value in just_outside(choices[0]):
                with pytest.raises(ValidationError):
                    reader.validate_python(value)
                barred += 1
            for value in on_the_edge(choices[0]):
                reader.validate_python(value)
                allowed += 1
    assert min(barred, allowed) > 200
