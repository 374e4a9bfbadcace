"""The five collections of profiles, one shape for all."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel
from starlette.datastructures import Headers

from app.db import ReadSession, WriteSession
from app.errors import (
    FieldError,
    InvalidRequest,
    ProfileExists,
    ProfileNotFound,
    RevisionNotFound,
    RevisionRequired,
    StaleRevision,
)
from app.http.bodies import StrictRoute
from app.http.etags import held, to_change
from app.http.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, link_next
from app.problems import documented
from app.profiles import service
from app.profiles.plausibility import warnings_of
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import (
    ChannelEdit,
    ChannelRevision,
    DeviceEdit,
    DeviceRevision,
    ModelEdit,
    ModelRevision,
    ServerEdit,
    ServerRevision,
    StaleEvidence,
    TimingEdit,
    TimingRevision,
)
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.quantities import Name

ProfileName = Annotated[
    Name, Path(description="The profile's name.", examples=["jetson-xavier-nx-cpu"])
]
RevisionNumber = Annotated[int, Path(ge=1, le=999_999_999, description="Revision number, from 1.")]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match", description='The ETag of the revision the change starts from, e.g. `"3"`.'
    ),
]
ETAG = {"ETag": {"description": 'The revision, e.g. `"3"`.', "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "Address of the profile.", "schema": {"type": "string"}}}
LINK = {
    "Link": {"description": 'RFC 8288: the next page, `rel="next"`.', "schema": {"type": "string"}}
}


def _if_none_match(
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="ETags the caller has; 304 if the latest is among them.",
        ),
    ] = None,
) -> None:
    """Declare what `held` reads."""


def etag(revision: int, *, stale: bool = False) -> str:
    """The entity tag of a revision: numbers are never reused, so it names its content for ever.

    Only a timing changes once, when it is called stale; a change from either is a change from that
    revision.
    """
    return f'"{revision}-stale"' if stale else f'"{revision}"'


def expected_revisions(headers: Headers) -> set[int] | None:
    """The revisions an If-Match header accepts, None for `*`. Raises InvalidRequest."""
    tags = to_change(headers)
    if tags is None:
        return None
    ours = (re.fullmatch(r'"([1-9][0-9]{0,8})(-stale)?"', tag) for tag in tags)
    return {int(tag[1]) for tag in ours if tag}


def _collection(schema: type[Profile], edit: type[Profile], answer: type[BaseModel]) -> APIRouter:
    """The routes of one kind.

    The schemas are values here, so their annotations are for FastAPI, not for mypy.
    """
    kind, collection = schema.kind, schema.collection
    router = APIRouter(
        prefix=f"/v1/{collection}", tags=[collection.capitalize()], route_class=StrictRoute
    )

    def stored(found: service.Stored[Any]) -> Any:
        stale = found.stale and {
            "stale": True,
            "stale_evidence": StaleEvidence.model_validate(found.stale),
        }
        return answer.model_construct(
            **dict(found.body),
            **(stale or {}),
            revision=found.revision,
            created_at=found.created_at,
            warnings=warnings_of(found.body, found.stale) or None,
        )

    @router.post(
        "",
        status_code=201,
        operation_id=f"create_{kind}",
        summary=f"Store a {kind}",
        response_model=answer,
        responses={201: {"headers": ETAG | LOCATION}, **documented(ProfileExists)},
    )
    def create(body: schema, session: WriteSession, response: Response) -> Any:  # type: ignore[valid-type]
        """Revision 1 of a new name. The numbers of a deleted name go on where they ended."""
        made = service.create(session, body)
        response.headers["Location"] = f"/v1/{collection}/{made.name}"
        response.headers["ETag"] = etag(made.revision)
        return stored(made)

    @router.get(
        "",
        operation_id=f"list_{collection}",
        summary=f"List the {collection}",
        response_model=Page[answer],  # type: ignore[valid-type]
        responses={200: {"headers": LINK}, **documented()},
    )
    def list_all(
        session: ReadSession,
        request: Request,
        response: Response,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """The latest revision of every name, by name."""
        after = str(decode_cursor(cursor, str)[0]) if cursor is not None else None
        found = service.list_latest(session, schema, after, limit + 1)
        next_cursor = encode_cursor(found[limit - 1].name) if len(found) > limit else None
        link_next(request, response, next_cursor)
        return Page[Any](items=[stored(entry) for entry in found[:limit]], next_cursor=next_cursor)

    @router.get(
        "/{name}",
        operation_id=f"get_{kind}",
        summary=f"Read a {kind}",
        response_model=answer,
        dependencies=[Depends(_if_none_match)],
        responses={
            200: {"headers": ETAG},
            304: {"description": "Not modified"},
            **documented(ProfileNotFound),
        },
    )
    def get(name: ProfileName, session: ReadSession, request: Request, response: Response) -> Any:
        """The latest revision."""
        found = service.get(session, schema, name)
        response.headers["ETag"] = tag = etag(found.revision, stale=found.stale is not None)
        if held(request.headers, tag):
            return Response(status_code=304, headers={"ETag": tag})
        return stored(found)

    @router.put(
        "/{name}",
        operation_id=f"replace_{kind}",
        summary=f"Revise a {kind}",
        response_model=answer,
        responses={
            200: {"headers": ETAG},
            **documented(ProfileNotFound, StaleRevision, RevisionRequired),
        },
    )
    def replace(
        name: ProfileName,
        body: edit,  # type: ignore[valid-type]
        session: WriteSession,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> Any:
        """Make a new revision from the one named by If-Match.

        A body equal to the latest makes none.

        `revision`, `created_at` and `warnings` of an answer may be sent back; they are ignored.
        """
        if if_match is None:
            raise RevisionRequired("Send If-Match with the ETag of the revision that you changed.")
        expected = expected_revisions(request.headers)
        profile = schema.model_construct(
            **{field: getattr(body, field) for field in schema.model_fields}
        )
        if profile.name != name:
            raise InvalidRequest(
                [FieldError("/name", f"a profile cannot be renamed: the address says {name!r}")]
            )
        made = service.replace(session, profile, expected)
        response.headers["ETag"] = etag(made.revision, stale=made.stale is not None)
        return stored(made)

    @router.delete(
        "/{name}",
        status_code=204,
        operation_id=f"delete_{kind}",
        summary=f"Delete a {kind}",
        responses=documented(ProfileNotFound, StaleRevision),
    )
    def delete(
        name: ProfileName, session: WriteSession, request: Request, if_match: IfMatch = None
    ) -> Response:
        """Take the name out of use.

        Its revisions stay readable, for the plans that rest on them.
        """
        expected = None if if_match is None else expected_revisions(request.headers)
        service.hide(session, schema, name, expected)
        return Response(status_code=204)

    @router.get(
        "/{name}/revisions",
        operation_id=f"list_{kind}_revisions",
        summary=f"List the revisions of a {kind}",
        response_model=Page[answer],  # type: ignore[valid-type]
        responses={200: {"headers": LINK}, **documented(ProfileNotFound)},
    )
    def list_revisions(
        name: ProfileName,
        session: ReadSession,
        request: Request,
        response: Response,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """Every revision from the first on, also of a deleted name."""
        after = int(decode_cursor(cursor, int)[0]) if cursor is not None else 0
        found = service.list_revisions(session, schema, name, after, limit + 1)
        next_cursor = encode_cursor(found[limit - 1].revision) if len(found) > limit else None
        link_next(request, response, next_cursor)
        return Page[Any](items=[stored(entry) for entry in found[:limit]], next_cursor=next_cursor)

    @router.get(
        "/{name}/revisions/{revision}",
        operation_id=f"get_{kind}_revision",
        summary=f"Read a revision of a {kind}",
        response_model=answer,
        responses={200: {"headers": ETAG}, **documented(RevisionNotFound, ProfileNotFound)},
    )
    def get_revision(
        name: ProfileName, revision: RevisionNumber, session: ReadSession, response: Response
    ) -> Any:
        """A revision, which never changes; also of a deleted name."""
        found = service.get(session, schema, name, revision)
        response.headers["ETag"] = etag(found.revision, stale=found.stale is not None)
        return stored(found)

    return router


routers = [
    _collection(Device, DeviceEdit, DeviceRevision),
    _collection(Model, ModelEdit, ModelRevision),
    _collection(Channel, ChannelEdit, ChannelRevision),
    _collection(Server, ServerEdit, ServerRevision),
    _collection(Timing, TimingEdit, TimingRevision),
]
