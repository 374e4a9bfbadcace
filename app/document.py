"""The OpenAPI document: FastAPI's, with what it does not know of, and what generated clients need
of its names.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from app import examples, problems
from app.auth.callers import SCOPES, Scope, required_scope
from app.errors import IssuerUnavailable, NotAuthenticated, ScopeMissing, TooManyRequests
from app.http.media import JSON, YAML
from app.http.paths import readers_of
from app.oidc import DISCOVERY, OidcSettings
from app.quantities import LARGEST_INTEGER

Json = dict[str, Any]

_KEY, _TOKEN = "bearer", "oidc"
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "A key made by `splitplan keys create`, where the service has any, or, where it trusts an"
        " OpenID Connect provider, an access token of that (a JWT, RFC 9068). What is listed with"
        " an operation is the scope it needs: `read`, `plan` or `admin`, each of which includes"
        " those before it."
    ),
    "bearerFormat": "API key or JWT",
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "schema": {"type": "string"},
        "description": "RFC 6750: what was wrong with the key or token, or which scope it lacks",
    }
}

_RATES: Json = {
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": (
            "How often the caller may ask, as the IETF's draft-ietf-httpapi-ratelimit-headers-11"
            ' has it: `"requests";q=3000;w=10` is 3000 requests in a window of 10 s. Left out where'
            " nothing is counted."
        ),
    },
    "RateLimit": {
        "schema": {"type": "string"},
        "description": (
            'What is left: of `"requests";r=2999;t=1` another 2999 requests would be answered now,'
            " and the whole quota is there again after 1 s; where `r` is 0, one more after `t`."
        ),
    },
}
_AGAIN: Json = {
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds after which another request is answered",
    }
}

_WRAPPED = re.compile(r"(?<=[^\n])\n(?! *[*-] |\n)[ \t]*")
_SCHEMA_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_OPERATION_ID = re.compile(r"[a-z]+(_[a-z]+)*")
# Pydantic's words for bounds, those of JSON Schema, and which of two holds.
_BOUNDS: dict[str, tuple[str, Callable[..., float]]] = {
    "ge": ("minimum", max),
    "gt": ("exclusiveMinimum", max),
    "le": ("maximum", min),
    "lt": ("exclusiveMaximum", min),
}
# Of these two one makes the other needless.
_EXCLUSIVE: dict[str, tuple[str, Callable[..., float]]] = {
    "exclusiveMinimum": ("minimum", max),
    "exclusiveMaximum": ("maximum", min),
}
# The unit of a field by its suffix, of which the longest counts.
UNITS = {
    "_bps_per_hz": "bit/s/Hz",
    "_byte": "byte",
    "_bps": "bit/s",
    "_dbm_per_hz": "dBm/Hz",
    "_db": "dB",
    "_flop_per_s": "FLOP/s",
    "_hz": "Hz",
    "_j_per_bit": "J/bit",
    "_j_per_hz": "J/Hz",
    "_j_per_s": "J/s",
    "_j": "J",
    "_per_j": "cost/J",
    "_m": "m",
    "_per_s": "cost/s",
    "_s": "s",
    "_s2": "s²",
    "_w": "W",
    "_w_per_hz": "W/Hz",
    "_w_per_hz3": "W/Hz³",
}
_FEWEST_WORDS = 3
_WORD = re.compile(r"[^\W_]+")
# Words that say nothing of a field which its name does not.
_EMPTY = {
    "a",
    "an",
    "and",
    "are",
    "for",
    "in",
    "is",
    "it",
    "its",
    "of",
    "that",
    "the",
    "this",
    "to",
}
# FastAPI names a schema by its module where two have its name, and an operation, unless told
# otherwise, by its address.
_OF_ADDRESS = re.compile(r"_v\d+_|__|_(get|put|post|patch|delete)$")


def describe(
    app: FastAPI, routes: Sequence[BaseRoute], trusted: OidcSettings | None = None
) -> Json:
    """What /openapi.json serves, of a service that trusts an identity provider or none."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        contact=app.contact,
        tags=app.openapi_tags,
        routes=routes,
        separate_input_output_schemas=app.separate_input_output_schemas,
    )
    for method, path in readers_of(routes, YAML):
        content = document["paths"][path][method.lower()]["requestBody"]["content"]
        if JSON in content:
            content[YAML] = {"schema": content[JSON]["schema"]}
    problems.complete(document)
    _say_keys(document, trusted or OidcSettings.model_construct())
    _say_rates(document)
    for operation in operations(document):
        _say_body(document, operation)
    unwrapped: Json = _unwrapped(document)
    for schema in schemas(unwrapped):
        _say_bounds(schema)
        _say_items(schema)
        _say_constant(schema)
        _forget_examples(schema)
    unwrapped["servers"] = [{"url": "/", "description": "The service that answered with this"}]
    examples.add(unwrapped)
    return unwrapped


def _say_keys(document: Json, settings: OidcSettings) -> None:
    """Which operations ask for a key or a token, and for what scope it must have."""
    # Nobody is asked for a key where none was made; of a provider's tokens it is known.
    otherwise: dict[Scope | None, Json] = {each: {} for each in (None, *SCOPES)}
    document["components"]["securitySchemes"] = {_KEY: _BEARER}
    if settings.oidc_issuer is not None:
        document["components"]["securitySchemes"][_TOKEN] = {
            "type": "openIdConnect",
            "openIdConnectUrl": settings.oidc_issuer.rstrip("/") + DISCOVERY,
            "description": "The provider whose access tokens are accepted.",
        }
        otherwise = {scope: {_TOKEN: list(settings.oidc_names(scope)[:1])} for scope in SCOPES}
        otherwise[None] = {_TOKEN: []}
    document["security"] = [{_KEY: []}, otherwise[None]]
    refusals = problems.documented(NotAuthenticated, ScopeMissing)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scope = required_scope(method.upper(), path)
            operation["security"] = [] if scope is None else [{_KEY: [scope]}, otherwise[scope]]
            if scope is None:
                continue
            for status in (401, 403):
                operation["responses"][str(status)] = refusals[status] | {"headers": _CHALLENGE}
            problems.add(operation, IssuerUnavailable)


def _say_rates(document: Json) -> None:
    """How often each operation may be asked, and that every answer tells what is left."""
    document["components"]["headers"] = _RATES
    for operation in operations(document):
        problems.add(operation, TooManyRequests)
        operation["responses"]["429"]["headers"] = _AGAIN
        for answer in operation["responses"].values():
            told = {name: {"$ref": f"#/components/headers/{name}"} for name in _RATES}
            answer["headers"] = answer.get("headers", {}) | told


def schemas(document: Json) -> Iterator[Json]:
    """Every schema of a document, those within others too."""
    roots = list(document["components"]["schemas"].values())
    for operation in operations(document):
        roots += [parameter["schema"] for parameter in operation.get("parameters", ())]
        answers = [operation.get("requestBody", {}), *operation["responses"].values()]
        told = (content for answer in answers for content in answer.get("content", {}).values())
        roots += [content["schema"] for content in told if "schema" in content]
    for root in roots:
        yield from _within(root)


def _say_body(document: Json, operation: Json) -> None:
    """A request body is what its schema is; where it may be one of several, what each of these is.

    FastAPI leaves that out.
    """
    body = operation.get("requestBody", {})
    if "description" in body or JSON not in body.get("content", {}):
        return
    schema = body["content"][JSON]["schema"]
    references = [one["$ref"] for one in schema.get("anyOf", [schema])]
    known = document["components"]["schemas"]
    told = [known[reference.rpartition("/")[2]]["description"] for reference in references]
    body["description"] = "\n\nOr: ".join(told)


def _within(schema: Json) -> Iterator[Json]:
    yield schema
    for name in ("properties", "patternProperties", "$defs"):
        for each in schema.get(name, {}).values():
            yield from _within(each)
    for name in ("items", "additionalProperties", "propertyNames", "not"):
        if isinstance(schema.get(name), dict):
            yield from _within(schema[name])
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for each in schema.get(name, ()):
            yield from _within(each)


def _say_bounds(schema: Json) -> None:
    """Bounds in the words of JSON Schema, the tighter of two, and of integers as integers.

    A bound that is added to a type that has one comes out in pydantic's words, and FastAPI writes
    all of them as floats, which makes the largest integer one too large.
    """
    for stray, (name, tighter) in _BOUNDS.items():
        if stray in schema:
            bound = schema.pop(stray)
            schema[name] = tighter(bound, schema.get(name, bound))
    for exclusive, (name, tighter) in _EXCLUSIVE.items():
        if exclusive in schema and name in schema:
            tightest = tighter(schema[exclusive], schema[name])
            del schema[name if tightest == schema[exclusive] else exclusive]
    if schema.get("type") == "integer":
        for name, _ in _BOUNDS.values():
            if name in schema:
                schema[name] = min(int(schema[name]), LARGEST_INTEGER)


def _say_items(schema: Json) -> None:
    """A tuple as a list of so many items: not every generator reads `prefixItems`, and some read
    the bounds in them wrongly.
    """
    distinct: list[Json] = []
    for each in schema.pop("prefixItems", ()):
        distinct += (one for one in each.get("anyOf", [each]) if one not in distinct)
    if distinct:
        schema["items"] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _say_constant(schema: Json) -> None:
    """A number that never changes as a list of one: a generator makes bad code of it."""
    if schema.get("type") == "integer" and "const" in schema:
        schema["enum"] = [schema.pop("const")]


def _forget_examples(schema: Json) -> None:
    """Drop what a schema has from the one it was made of, and is no example of it."""
    required = set(schema.get("required", ()))
    fitting = [each for each in schema.get("examples", ()) if not _lacks(each, required)]
    if not fitting:
        schema.pop("examples", None)


def _lacks(example: Any, required: set[str]) -> bool:
    return isinstance(example, dict) and not required <= example.keys()


def operations(document: Json) -> Iterator[Json]:
    """Every operation of a document."""
    for path in document["paths"].values():
        yield from path.values()


def unclear_names(document: Json) -> list[str]:
    """Names from which a generator can make none of its own, or makes two the same."""
    schemas = list(document["components"]["schemas"])
    ids = [operation["operationId"] for operation in operations(document)]
    # Files are named for schemas, and some systems hold capitals for nothing.
    files = Counter(name.casefold() for name in schemas)
    found = {
        "schema {}: not a word in capitals": [
            name for name in schemas if not _SCHEMA_NAME.fullmatch(name)
        ],
        "schema {}: there are two": [name for name in schemas if files[name.casefold()] > 1],
        "operation {}: there are two": [name for name, n in Counter(ids).items() if n > 1],
        "operation {}: named by its address, or not in words": [
            name for name in ids if _OF_ADDRESS.search(name) or not _OPERATION_ID.fullmatch(name)
        ],
    }
    return [fault.format(name) for fault, names in found.items() for name in names]


def unit_of(field: str) -> str | None:
    """The unit that the suffix of a field's name says."""
    fitting = [ending for ending in UNITS if field.endswith(ending)]
    return UNITS[max(fitting, key=len)] if fitting else None


def unexplained(document: Json) -> list[str]:
    """What a reader of the document is told nothing of: fields, parameters, headers, operations,
    bodies and tags without a description, or with one that says nothing, or not in which unit.
    """
    return [
        f"{where}: {fault}"
        for where, name, node in _explainable(document)
        if (fault := _fault_of(name, node.get("description", "")))
    ]


def _explainable(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Where each thing stands that has to be described, its name and itself."""
    for schema, body in document["components"]["schemas"].items():
        for name, field in body.get("properties", {}).items():
            yield f"{schema}.{name}", name, field
    for operation in operations(document):
        at = operation["operationId"]
        yield at, at, operation
        yield f"{at}, summary", "", {"description": operation.get("summary", "")}
        for parameter in operation.get("parameters", ()):
            yield f"{at}, parameter {parameter['name']}", parameter["name"], parameter
        if "requestBody" in operation:
            yield f"{at}, body", "", operation["requestBody"]
        for status, answer in operation["responses"].items():
            for name, header in answer.get("headers", {}).items():
                if "$ref" not in header:
                    yield f"{at}, header {name} of {status}", name, header
    for name, header in document["components"].get("headers", {}).items():
        yield f"header {name}", name, header
    for tag in document.get("tags", ()):
        yield f"tag {tag['name']}", tag["name"], tag


def _fault_of(name: str, description: str) -> str | None:
    """Why a description is none."""
    words = [word.casefold() for word in _WORD.findall(description)]
    if len(words) < _FEWEST_WORDS:
        return "no description, or hardly one"
    if set(words) <= _EMPTY | {word.casefold() for word in _WORD.findall(name)}:
        return "the description repeats the name"
    unit = unit_of(name)
    if unit and not re.search(rf"(\[|\bin |\bper ){re.escape(unit)}(?![\w/²³])", description):
        return f"the description does not say [{unit}]"
    return None


def _unwrapped(node: Any) -> Any:
    """The document with one line per paragraph: where a docstring is wrapped is the source's."""
    match node:
        case {"description": str(text), **others}:
            return {name: _unwrapped(value) for name, value in others.items()} | {
                "description": _WRAPPED.sub(" ", text).rstrip()
            }
        case dict():
            return {name: _unwrapped(value) for name, value in node.items()}
        case list():
            return [_unwrapped(value) for value in node]
        case _:
            return node
