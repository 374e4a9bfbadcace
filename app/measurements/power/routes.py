"""Measured power over HTTP: parse, call, return."""

from operator import itemgetter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.db import ReadSession, database_of
from app.errors import (
    BodyTooLarge,
    FieldError,
    InvalidRequest,
    MalformedJson,
    MeasurementNotFound,
    ProfileNotFound,
    StaleRevision,
    StorageFull,
    UnsupportedMediaType,
)
from app.field_errors import validated
from app.http.answers import rendered
from app.http.bodies import StrictRoute, declared_as, parse_json
from app.http.media import CSV, JSON, VARY, contents, preferred
from app.http.paging import Cursor, Limit, number_in, rendered_page
from app.limits import STORES
from app.measurements.power import service
from app.measurements.power.fitting import Wanted
from app.measurements.power.logs import FORMS, Form
from app.measurements.power.logs.lines import How
from app.measurements.power.prepare import from_json
from app.measurements.power.schemas import (
    PowerFile,
    PowerMeasurement,
    PowerMeasurementPage,
    Product,
)
from app.measurements.power.sheet import PowerSheet, as_csv, as_json
from app.measurements.routes import MeasurementNumber, Sent
from app.problems import documented
from app.profiles.routes import ProfileName

router = APIRouter(
    prefix="/v1/devices/{name}/power-measurements",
    tags=["Measurements"],
    route_class=StrictRoute,
)
TEXT = "text/plain"
_ROWS = (
    "`format=csv`: one sample in a row, units in the heading: frequency_mhz, time_ms and energy_j,"
    " or power_w, and, as far as known, wait_ms, idle_w, workload, run. `format=rapl`: readings of"
    " an energy counter: time_s, energy_uj and, as far as known, frequency_mhz and"
    " max_energy_range_uj."
)
_LOGS = (
    "`format=tegrastats` or `format=powerstat`: what that program prints. A line"
    " `# run NAME frequency_hz=… time_s=… workload=…` begins a run, `# idle` one in which nothing"
    " ran."
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/PowerFile"}},
            **contents(CSV, description=_ROWS),
            **contents(TEXT, description=_LOGS),
        },
    }
}


async def _sent(request: Request) -> Sent:
    media_type = declared_as(request, JSON, CSV, TEXT).essence
    return Sent(media_type=media_type, content=await request.body())


def _how(
    rail: Annotated[
        str | None,
        Query(
            pattern="^[A-Z][A-Z0-9_]{0,40}$",
            description="tegrastats: the rail whose power is taken; default: that of the board.",
        ),
    ] = None,
    clock: Annotated[
        Literal["cpu", "gpu"], Query(description="tegrastats: whose clock and load count.")
    ] = "gpu",
    busy_percent: Annotated[
        float,
        Query(ge=0.0, le=100.0, description="tegrastats: lines with less load are passed over."),
    ] = 30.0,
    frequency_hz: Annotated[
        float | None,
        Query(ge=1e3, le=1e12, description="The clock [Hz], where neither lines nor marks say it."),
    ] = None,
) -> How:
    return How(rail=rail, clock=clock, busy_percent=busy_percent, frequency_hz=frequency_hz)


def _wanted(
    above_idle: Annotated[bool, Query(description="For text: as `above_idle` in JSON.")] = False,
    idle_power_w: Annotated[
        float | None, Query(ge=0.0, le=1e6, description="For text: as `idle_power_w` in JSON [W].")
    ] = None,
    product: Annotated[Product, Query(description="For text: as `product` in JSON.")] = "law",
    leave_out_suspicious: Annotated[
        bool, Query(description="For text: as `leave_out_suspicious` in JSON.")
    ] = False,
) -> Wanted:
    return Wanted(
        above_idle=above_idle,
        idle_power_w=idle_power_w,
        product=product,
        leave_out_suspicious=leave_out_suspicious,
    )


@router.post(
    "",
    operation_id="measure_power",
    summary="Send measured energies or powers",
    status_code=201,
    response_model=PowerMeasurement,
    openapi_extra=_BODY,
    dependencies=[STORES],
    responses=documented(
        StorageFull,
        MalformedJson,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        ProfileNotFound,
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
    how: Annotated[How, Depends(_how)],
    wanted: Annotated[Wanted, Depends(_wanted)],
    form: Annotated[
        Form | None, Query(alias="format", description="What a text is; default for CSV: csv.")
    ] = None,
) -> Response:
    """Make the next revision of a device from measured energies or powers at several clocks.

    P(f) = static_power_w + power_coefficient f^power_exponent is fitted by least squares of
    relative errors, beside it what an inference takes at its start. What samples cannot tell is
    said, not made up; clocks that cannot have run by the time that was taken are named, and their
    samples are left out only where that is asked for. Raw samples are kept.
    """
    database = database_of(request)
    if sent.media_type == JSON:
        _no_parameters(request)
        file = validated(PowerFile, parse_json(sent.content))
        sheet = from_json(file)
        wanted = Wanted(
            above_idle=file.above_idle,
            idle_power_w=file.idle_power_w,
            product=file.product,
            leave_out_suspicious=file.leave_out_suspicious,
            runtime=file.runtime,
        )
    else:
        sheet = _read(sent, form, how)
    document = service.receive(database, name, sheet, wanted)
    return rendered(
        document,
        201,
        {"Location": f"/v1/devices/{name}/power-measurements/{document['number']}"},
    )


def _read(sent: Sent, form: Form | None, how: How) -> PowerSheet:
    if form is None and sent.media_type == TEXT:
        detail = f"is required for {TEXT}: one of {', '.join(FORMS)}"
        raise InvalidRequest([FieldError("", detail, parameter="format")])
    return FORMS[form or "csv"](sent.content, how)


def _no_parameters(request: Request) -> None:
    if given := sorted(request.query_params):
        detail = "is for text: JSON says it in its body, or has no need of it"
        raise InvalidRequest([FieldError("", detail, parameter=name) for name in given])


@router.get(
    "",
    operation_id="list_power_measurements",
    summary="List the power measurements of a device",
    response_model=PowerMeasurementPage,
    responses=documented(InvalidRequest, ProfileNotFound),
)
def list_measurements(
    session: ReadSession,
    request: Request,
    name: ProfileName,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The measured power behind a device's revisions, oldest first."""
    after = number_in(cursor) or 0
    found = service.list_measurements(session, name, after, limit + 1)
    return rendered_page(request, found, limit, itemgetter("number"))


@router.get(
    "/{number}",
    operation_id="get_power_measurement",
    summary="Read a power measurement",
    response_model=PowerMeasurement,
    responses=documented(InvalidRequest, ProfileNotFound, MeasurementNotFound),
)
def get_measurement(session: ReadSession, name: ProfileName, number: MeasurementNumber) -> Response:
    """The law fitted to the samples, how far it can be believed, and what was found."""
    return rendered(service.get(session, name, number))


@router.get(
    "/{number}/samples",
    operation_id="get_power_measurement_samples",
    summary="Read the raw samples of a power measurement",
    response_model=PowerFile,
    responses=documented(InvalidRequest, ProfileNotFound, MeasurementNotFound)
    | {200: {"content": contents(CSV)}},
)
def get_samples(
    session: ReadSession, request: Request, name: ProfileName, number: MeasurementNumber
) -> Response:
    """The samples as JSON, or by `Accept` as CSV, as they can be sent again; of a log, what was
    read in it.
    """
    rows, kept = service.get_samples(session, name, number)
    names = kept["workloads"], kept["runs"]
    if preferred(request.headers, (JSON, CSV)) == CSV:
        return StreamingResponse(as_csv(rows, *names), 200, VARY, CSV)
    told = {field: value for field, value in kept["wanted"].items() if value is not None}
    return rendered(told | as_json(rows, *names), 200, VARY)
