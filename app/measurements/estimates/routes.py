"""Estimates over HTTP: parse, call, return."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.db import database_of
from app.errors import (
    InvalidRequest,
    ProfileExists,
    StorageFull,
)
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.limits import require_storage
from app.measurements.estimates import service
from app.measurements.estimates.devices import estimated_device
from app.measurements.estimates.schemas import (
    DeviceEstimate,
    EstimatedDevice,
    EstimatedTiming,
    TimingEstimate,
)
from app.problems import documented
from app.profiles import service as profiles
from app.profiles.etags import ETAG, etag
from app.profiles.plausibility import warnings_of
from app.profiles.routes import LOCATION
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import DeviceRevision, TimingRevision

router = APIRouter(route_class=StrictRoute)

DryRun = Annotated[bool, Query(description="Show what would be stored, and store nothing.")]


@router.post(
    "/v1/devices/estimate",
    tags=["Devices"],
    status_code=201,
    operation_id="estimate_device",
    summary="Estimate a device from its power, busy and idle",
    response_model=DeviceRevision,
    responses={
        200: {"description": "Of a dry run.", "model": EstimatedDevice},
        201: {"headers": ETAG | LOCATION},
        **documented(ProfileExists, InvalidRequest, StorageFull),
    },
)
def estimate_device(
    body: DeviceEstimate, request: Request, response: Response, dry_run: DryRun = False
) -> Any:
    """Make a device of what a meter shows, and store it as revision 1 of a new name.

    Power above idle is as it was read at the highest clock. At others it is assumed to fall with a
    power of the clock whose exponent is the middle of what others measured; `power_estimated` has
    the ends of these, and a device that runs at several clocks is warned of what lies between.
    Provenance is `analytic`; `/power-measurements` makes the next revision of what was measured.
    """
    made = estimated_device(body)
    found = warnings_of(made)
    if dry_run:
        shown = EstimatedDevice.model_construct(**dict(made), warnings=found or None)
        return rendered(shown.model_dump(mode="json"), 200)
    return DeviceRevision.model_construct(
        **_stored(request, response, made), warnings=found or None
    )


@router.post(
    "/v1/timings/estimate",
    tags=["Timings"],
    status_code=201,
    operation_id="estimate_timing",
    summary="Estimate a timing from times of the whole network",
    response_model=TimingRevision,
    responses={
        200: {"description": "Of a dry run.", "model": EstimatedTiming},
        201: {"headers": ETAG | LOCATION},
        **documented(ProfileExists, InvalidRequest, StorageFull),
    },
)
def estimate_timing(
    body: TimingEstimate, request: Request, response: Response, dry_run: DryRun = False
) -> Any:
    """Share the time of a whole network out over its cuts, as other boards spent it, and store that
    as revision 1 of a new timing.

    The shape is that of the same network, by FLOP and parameters, on the boards of the atlas, those
    that took about as long first, of the `runtime` if it is given; of networks that nobody timed by
    cut it is a law of FLOP and bytes. `estimated` says which, and how far such shares were off over
    the atlas. Between the first and the last cut `variance_s2` counts that error (its mean square)
    beside what the time varies by from one inference to the next; `worst_s` the share's upper end.
    Provenance is `analytic`: measure the cuts (`/measurements`) before a deadline rests on them.
    """
    database = database_of(request)
    with database.reading() as session:
        made = service.timing(session, body)
        found = (*service.others(session, made), *warnings_of(made))
    if dry_run:
        shown = EstimatedTiming.model_construct(**dict(made), warnings=found or None)
        return rendered(shown.model_dump(mode="json"), 200)
    return TimingRevision.model_construct(
        **_stored(request, response, made), warnings=found or None
    )


def _stored(request: Request, response: Response, made: Profile) -> dict[str, Any]:
    """What the answer says of revision 1 of a new name."""
    require_storage(request)
    database = database_of(request)
    with database.writing() as session:
        kept = profiles.create(session, made)
    response.headers["Location"] = f"/v1/{kept.body.collection}/{kept.name}"
    response.headers["ETag"] = etag(kept.revision)
    return dict(kept.body) | {"revision": kept.revision, "created_at": kept.created_at}
