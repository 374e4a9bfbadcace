"""Requests whose users are a table, as they are sent: Arrow, Parquet or CSV, and everything else of
the request in the metadata of the schema or in parameters of the address.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.datastructures import QueryParams

from app import columns, columns_apart
from app.arrow import pa
from app.columns_apart import Limits
from app.errors import (
    FieldError,
    InvalidRequest,
    MalformedColumns,
    MalformedJson,
    UnsupportedMediaType,
)
from app.field_names import branches
from app.http.bodies import declared_as, parse_json
from app.http.media import ARROW, CSV, PARQUET, contents
from app.limits import Limits as CallerLimits
from app.plans import sheets
from app.plans.columnar import METADATA, Bulk
from app.plans.sheets.fields import kind_of
from app.plans.sheets.sheet import Sheet
from app.quantities import described
from app.settings import Settings

TABLES = (ARROW, PARQUET, CSV)

_IN_CSV = "`outer.inner` within objects; lists as JSON, empty cells absent"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it was sent."""

    bulk: Bulk
    sheet: Sheet | None = None
    """Of a CSV, for faults: where each of its users is."""

    def located(self, refused: InvalidRequest) -> InvalidRequest:
        """A refusal that also says where in the file its faults are."""
        return refused if self.sheet is None else InvalidRequest(self.sheet.located(refused.errors))


def read(
    request: Request, body: bytes, schema: type[BaseModel], user: type[BaseModel], max_users: int
) -> Sent:
    """The request of a family whose requests and users have these schemas.

    Raises UnsupportedMediaType, MalformedJson, and what `columns_apart.read` does.
    """
    settings: Settings = request.app.state.settings
    limits = Limits(max_users, settings.max_unpacked_byte)
    declared = declared_as(request, *TABLES)
    given = terms_in(request.query_params, schema)
    digest = hashlib.sha256(body).hexdigest()
    if declared.essence == CSV:
        if declared.parameters.get("header", "").lower() == "absent":
            raise UnsupportedMediaType("The CSV has no header: name the columns in its first line.")
        return _sheet(body, given, digest, sheets.fields_of(user), limits)
    table = _columns(declared.essence, body, limits)
    metadata = (table.schema.metadata or {}).get(METADATA)
    if metadata is None and not given:
        detail = (
            "is missing from the metadata of the schema: put the rest of the request there, as"
            ' JSON, under "splitplan"'
        )
        raise InvalidRequest([FieldError("", detail)])
    terms = {} if metadata is None else parse_json(metadata)
    if not isinstance(terms, dict):
        raise InvalidRequest([FieldError("", "the rest of the request must be an object")])
    if "users" in terms:
        raise InvalidRequest(
            [FieldError("/users", "the rows are the users: leave it out of the metadata")]
        )
    if both := sorted(terms.keys() & given.keys()):
        detail = "query parameter {}: is in the metadata of the schema too: say it once"
        raise InvalidRequest([FieldError("", detail.format(name), parameter=name) for name in both])
    return Sent(Bulk(terms | given, table.replace_schema_metadata(None), digest))


def _sheet(
    body: bytes, terms: dict[str, Any], digest: str, fields: dict[str, Any], limits: Limits
) -> Sent:
    sheet = sheets.opened(body, fields)
    try:
        table = sheets.columns(sheet, fields, limits)
    except InvalidRequest as refused:
        raise InvalidRequest(sheet.located(refused.errors)) from None
    return Sent(Bulk(terms, columns.nested(table), digest), sheet)


def _columns(media_type: str, body: bytes, limits: Limits) -> pa.Table:
    table = columns_apart.read(media_type, body, limits)
    try:
        table = columns.nested(table)
    except ValueError as both:
        raise MalformedColumns(f"The body is not {media_type}: {both}.") from None
    if len(set(table.column_names)) < len(table.column_names):
        raise MalformedColumns("Two columns have the same name.")
    return table


def terms_in(given: QueryParams, schema: type[BaseModel]) -> dict[str, Any]:
    """What the parameters of an address say of a request: texts as they are, all else as JSON has
    it. Raises InvalidRequest.
    """
    terms: dict[str, Any] = {}
    faults = []
    for name in _terms_of(schema):
        texts = given.getlist(name)
        try:
            if texts:
                terms[name] = _term(texts, schema, name)
        except ValueError as wrong:
            faults.append(FieldError("", f"query parameter {name}: {wrong}", parameter=name))
    if faults:
        raise InvalidRequest(faults)
    return terms


def _term(texts: list[str], schema: type[BaseModel], name: str) -> Any:
    if len(texts) > 1:
        raise ValueError("is given twice")
    (text,) = texts
    kind = kind_of(branches(schema.model_fields[name].annotation))
    if kind == "text" and not text.startswith("{"):  # a profile may come inline
        return text
    try:
        return parse_json(text.encode())
    except MalformedJson as malformed:
        words = {"number": "must be a number", "text": "is no JSON", "list": "must be JSON"}
        raise ValueError(f"{words[kind]}, not {text[:100]!r}: {malformed.detail}") from None


def _terms_of(schema: type[BaseModel]) -> list[str]:
    return [name for name in schema.model_fields if name != "users"]


def declared_terms(schema: type[BaseModel]) -> Callable[..., None]:
    """A dependency that declares the parameters that `read` reads."""

    def declare(**_: str | None) -> None:
        """Declare what `read` reads."""

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, Query()],
        )
        for name in _terms_of(schema)
    ]
    declare.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Python's own way to say it
    return declare


def documented(schema: type[BaseModel]) -> dict[str, Any]:
    """What the API's documentation says of tables beside the JSON of a schema."""
    said = "The users, one a row, in columns that are called as their fields are in JSON"
    content = {
        **contents(ARROW, description=f"{said}: an Arrow stream."),
        **contents(PARQUET, description=f"{said}: a Parquet file."),
        **contents(CSV, description=f"{said}, {_IN_CSV}."),
    }
    parameters = []
    for name in _terms_of(schema):
        field = schema.model_fields[name]
        how = (
            "" if kind_of(branches(field.annotation)) == "text" else ", and written as it is there"
        )
        of_json = described(schema, name) or ""
        told = f"For tables of users: as `{name}` in JSON{how}. {of_json}".strip()
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": {"type": "string"},
                "description": told,
            }
        )
    return {"parameters": parameters, "requestBody": {"content": content}}


def instead(limits: CallerLimits) -> str:
    """What whoever sends too many users as JSON can do."""
    return (
        f"up to {limits.max_bulk_users} go in one request as columns, with Content-Type"
        f" {' or '.join(TABLES)} (docs/large-fleets.md)"
    )
