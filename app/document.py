"""The OpenAPI document: FastAPI's, with what it does not know of, and what generated clients need
of its names.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app import problems

Json = dict[str, Any]

_WRAPPED = re.compile(r"(?<=[^\n])\n(?! *[*-] |\n)[ \t]*")
_SCHEMA_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_OPERATION_ID = re.compile(r"[a-z]+(_[a-z]+)*")
# FastAPI names a schema by its module where two have its name, and an operation, unless told
# otherwise, by its address.
_OF_ADDRESS = re.compile(r"_v\d+_|__|_(get|put|post|patch|delete)$")


def describe(app: FastAPI) -> Json:
    """What /openapi.json serves."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        routes=app.routes,
        separate_input_output_schemas=app.separate_input_output_schemas,
    )
    problems.complete(document)
    unwrapped: Json = _unwrapped(document)
    return unwrapped


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
