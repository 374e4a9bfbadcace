"""Measurements over HTTP: parse, call, return."""

from operator import itemgetter
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app import instants
from app.db import ReadSession, database_of
from app.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedJson,
    MeasurementNotFound,
    PlanNotFound,
    ProfileNotFound,
    StaleRevision,
    StorageFull,
    UnsupportedMediaType,
)
from app.field_errors import validated
from app.http.answers import rendered
from app.http.bodies import StrictRoute, declared_as, parse_json
from app.http.media import CSV, JSON, PARQUET, VARY, contents, preferred
from app.http.paging import Cursor, Limit, number_in, rendered_page
from app.limits import STORES
from app.measurements import files, observations, service, stored
from app.measurements.schemas.files import MeasurementFile, ObservationFile
from app.measurements.schemas.reports import AnyMeasurement, MeasurementPage
from app.measurements.service import Header
from app.problems import documented
from app.profiles.routes import ProfileName
from app.profiles.schemas.profile import ProcessorKind
from app.quantities import NAME_PATTERN, SHA256_PATTERN
from app.samples import packing

router = APIRouter(
    prefix="/v1/timings/{name}/measurements", tags=["Measurements"], route_class=StrictRoute
)

B = TypeVar("B", bound=BaseModel)
MeasurementNumber = Annotated[
    int, Path(ge=1, le=999_999_999, description="Number within the timing, from 1.")
]
_ROWS = (
    "A table with the columns cut, part (`device` or `server`), time_s and, as far as known,"
    " session, frequency_hz, requested_hz, order, cpu_time_s, involuntary_switches: one row per"
    " sample, in the order of measurement."
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/MeasurementFile"},
                        {"$ref": "#/components/schemas/ObservationFile"},
                    ]
                }
            },
            **contents(CSV, PARQUET, description=_ROWS),
        },
    }
}


class Sent(BaseModel):
    """A body as it came."""

    media_type: str
    content: bytes


async def _sent(request: Request) -> Sent:
    media_type = declared_as(request, JSON, CSV, PARQUET).essence
    return Sent(media_type=media_type, content=await request.body())


Model = Annotated[
    str | None, Query(pattern=NAME_PATTERN, description="For tables: as `model` in JSON.")
]
Processor = Annotated[
    str | None, Query(pattern=NAME_PATTERN, description="For tables: as `processor` in JSON.")
]
Kind = Annotated[
    ProcessorKind | None, Query(description="For tables: as `processor_kind` in JSON.")
]
Digest = Annotated[
    str | None,
    Query(pattern=SHA256_PATTERN, description="For tables: as `model_sha256` in JSON."),
]


@router.post(
    "",
    operation_id="measure_timing",
    summary="Send measured or observed times",
    status_code=201,
    response_model=AnyMeasurement,
    openapi_extra=_BODY,
    dependencies=[STORES],
    responses=documented(
        StorageFull,
        MalformedJson,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        PlanNotFound,
        StaleRevision,
    )
    | {
        201: {
            "headers": {
                "Location": {
                    "schema": {"type": "string"},
                    "description": "Address of the measurement",
                }
            }
        }
    },
)
def measure(
    request: Request,
    name: ProfileName,
    sent: Annotated[Sent, Depends(_sent)],
    model: Model = None,
    processor: Processor = None,
    processor_kind: Kind = None,
    model_sha256: Digest = None,
) -> Response:
    """Make the next revision of a timing from samples, or hold observed times against the revision
    of a plan.

    Samples (`sessions`, or a table) are checked and fitted; what cannot carry a timing is refused,
    what is doubtful is told in `quality`. The timing is created if there is none. Observations
    (`plan`) change no numbers: if they refute the revision that the plan was made with, it is
    called stale, and `plans` lists those that rest on it. Raw samples are kept.
    """
    database = database_of(request)
    told = Header(model, processor, processor_kind, model_sha256, in_body=False)
    if sent.media_type != JSON:
        document = service.receive(
            database, name, told, files.from_rows(sent.content, sent.media_type)
        )
    else:
        body = parse_json(sent.content)
        if isinstance(body, dict) and "plan" in body:
            document = observations.receive(database, name, validated(ObservationFile, body))
        else:
            file = validated(MeasurementFile, body)
            header = Header(
                file.model, file.processor, file.processor_kind, file.model_sha256, file.runtime
            )
            document = service.receive(database, name, header, files.from_json(file))
    return rendered(
        document, 201, {"Location": f"/v1/timings/{name}/measurements/{document['number']}"}
    )


@router.get(
    "",
    operation_id="list_measurements",
    summary="List the measurements of a timing",
    response_model=MeasurementPage,
    responses=documented(InvalidRequest, ProfileNotFound),
)
def list_measurements(
    session: ReadSession,
    request: Request,
    name: ProfileName,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The samples behind a timing's revisions and the observations against them, oldest first."""
    after = number_in(cursor) or 0
    found = stored.list_measurements(session, name, after, limit + 1)
    return rendered_page(request, found, limit, itemgetter("number"))


@router.get(
    "/{number}",
    operation_id="get_measurement",
    summary="Read a measurement",
    response_model=AnyMeasurement,
    responses=documented(InvalidRequest, ProfileNotFound, MeasurementNotFound),
)
def get_measurement(session: ReadSession, name: ProfileName, number: MeasurementNumber) -> Response:
    """What was found in the samples and computed from them, or what came of the observations."""
    return rendered(stored.get(session, name, number))


@router.get(
    "/{number}/samples",
    operation_id="get_measurement_samples",
    summary="Read the raw samples",
    response_model=MeasurementFile | ObservationFile,
    responses=documented(InvalidRequest, ProfileNotFound, MeasurementNotFound)
    | {
        200: {
            "content": {
                **contents(CSV, PARQUET),
            }
        }
    },
)
def get_samples(
    session: ReadSession, request: Request, name: ProfileName, number: MeasurementNumber
) -> Response:
    """The samples as they were sent: JSON, or by `Accept` a table as CSV or Parquet (observations:
    JSON only).
    """
    row, content = stored.get_samples(session, name, number)
    if row.kind == "observations":
        return rendered(files.observations_as_json(content, row.summary["plan"]))
    samples = packing.unpack(content)
    media_type = preferred(request.headers, (JSON, CSV, PARQUET))
    if media_type == PARQUET:
        return Response(files.as_parquet(samples), 200, VARY, PARQUET)
    if media_type == CSV:
        return StreamingResponse(files.as_csv(samples), 200, VARY, CSV)
    told = {
        field: row.summary[field]
        for field in ("model", "processor", "processor_kind", "model_sha256", "runtime")
    }
    kept = {field: value for field, value in told.items() if value is not None}
    began = instants.texts(row.details["started_at"])
    return rendered(files.as_json(samples, kept, began), 200, VARY)
