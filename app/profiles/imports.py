"""A model profile from an ONNX file."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app.db import database_of
from app.errors import (
    BodyTooLarge,
    ImporterBusy,
    ProfileExists,
    StorageFull,
    UnsupportedMediaType,
)
from app.http.bodies import StrictRoute, declared_as
from app.http.media import contents
from app.http.paths import MODEL_IMPORT
from app.limits import STORES
from app.problems import documented
from app.profiles import service
from app.profiles.etags import ETAG, etag
from app.profiles.plausibility import warnings_of
from app.profiles.reading import Wanted, read_model
from app.profiles.routes import LOCATION
from app.profiles.schemas.revisions import ImportedModel, ImportReport
from app.quantities import Name
from app.settings import Settings

MEDIA_TYPE = "application/octet-stream"
WRITE_BYTE = 2**20

Texts = Annotated[list[Annotated[str, Query(max_length=1000)]], Query(max_length=100)]
Values = Annotated[
    Texts,
    Query(
        description=(
            "What an input is, wherever the network runs: a constant then, by which an If is"
            " decided."
        ),
        examples=[["sr:16000"]],
    ),
]

Sizes = Annotated[
    Texts,
    Query(
        description=(
            "What depends on the data, as it usually is: open dimensions of a tensor, a dimension"
            " that the file names, or the rounds of a Loop."
        ),
        examples=[["boxes:100"]],
    ),
]


@dataclass(frozen=True, slots=True)
class Upload:
    """A body on disk."""

    file: Path
    sha256: str
    wanted: Wanted


async def receive(
    request: Request,
    name: Annotated[Name, Query(description="Of the new profile.", examples=["resnet50"])],
    shape: Annotated[
        Texts,
        Query(
            description=(
                "An input with all its dimensions, once for each input that leaves some open."
            ),
            examples=[["data:1,3,224,224"]],
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
    value: Values = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    input_byte: Annotated[
        Texts,
        Query(
            description="What sending an input takes [byte], if it is not sent as it is.",
            examples=[["data:150528"]],
        ),
    ] = [],  # noqa: B006
    max_tensors: Annotated[
        int, Query(ge=1, le=8, description="How many tensors may cross a cut.")
    ] = 1,
    fusion_boundaries: Annotated[
        bool, Query(description="Leave out cuts inside what a runtime computes in one kernel.")
    ] = False,
    pareto: Annotated[
        bool, Query(description="Leave out cuts that another beats in FLOP and bytes.")
    ] = False,
) -> AsyncIterator[Upload]:
    """Write the body to a file for as long as the request takes."""
    declared_as(request, MEDIA_TYPE)
    wanted = Wanted(
        name=name,
        shapes=tuple(shape),
        values=tuple(value),
        sizes=tuple(size),
        input_byte=tuple(input_byte),
        max_tensors=max_tensors,
        fusion_boundaries=fusion_boundaries,
        pareto=pareto,
    )
    with NamedTemporaryFile(prefix="splitplan-import-", suffix=".onnx") as file:
        sha256 = await _written(request.stream(), file)
        yield Upload(Path(file.name), sha256, wanted)


async def _written(parts: AsyncIterator[bytes], file: IO[bytes]) -> str:
    """Write a body to a file in pieces of some size; its SHA-256. Raises ImporterBusy."""
    digest = hashlib.sha256()

    def write(part: bytes) -> None:
        digest.update(part)
        try:
            file.write(part)
            file.flush()
        except OSError as error:
            raise ImporterBusy(
                f"The file does not fit on the disk: {error.strerror}.", retry_after_s=60
            ) from None

    waiting = bytearray()
    async for part in parts:
        waiting += part
        if len(waiting) >= WRITE_BYTE:
            await run_in_threadpool(write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(write, bytes(waiting))
    return digest.hexdigest()


class _StreamedRoute(StrictRoute):
    """A route whose bodies go to a file as they come."""

    streams = True


router = APIRouter(tags=["Models"], route_class=_StreamedRoute)


@router.post(
    MODEL_IMPORT,
    status_code=201,
    operation_id="import_model",
    summary="Import a model from ONNX",
    response_model=ImportedModel,
    dependencies=[STORES],
    responses={
        201: {"headers": ETAG | LOCATION},
        **documented(ProfileExists, BodyTooLarge, UnsupportedMediaType, ImporterBusy, StorageFull),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The ONNX file. Its weights are not read, wherever they are kept.",
            "content": contents(MEDIA_TYPE),
        }
    },
)
def import_model(
    upload: Annotated[Upload, Depends(receive, scope="function")],
    request: Request,
    response: Response,
) -> Any:
    """Store every place to cut the network, with FLOP, bytes and parameters, as revision 1 of a new
    name.

    FLOP = 2 × MAC of convolutions, matrix products, recurrent layers and attention, also in the
    forms that onnxruntime has of them; all else counts 0. `tensors` are the names of what crosses
    in the file's own graph. Provenance is `analytic`.
    """
    settings: Settings = request.app.state.settings
    database = database_of(request)
    found = read_model(upload.file, upload.sha256, upload.wanted, settings.import_time_limit_s)
    # No transaction is open while the file is read.
    with database.writing() as session:
        made = service.create(session, found.model)
    response.headers["Location"] = f"/v1/models/{made.name}"
    response.headers["ETag"] = etag(made.revision)
    told = upload.wanted.max_tensors > 1 or not found.complete
    return ImportedModel.model_construct(
        **dict(made.body),
        revision=made.revision,
        created_at=made.created_at,
        warnings=(*warnings_of(made.body), *found.warnings) or None,
        import_report=ImportReport(complete=found.complete) if told else None,
    )
