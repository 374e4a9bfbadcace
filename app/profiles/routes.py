"""The five collections of profiles, one shape for all."""

from operator import attrgetter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from app.db import ReadSession, WriteSession
from app.errors import (
    FieldError,
    InvalidRequest,
    ProfileExists,
    ProfileNotFound,
    RevisionNotFound,
    RevisionRequired,
    StaleRevision,
    StorageFull,
)
from app.http.bodies import StrictRoute
from app.http.etags import held
from app.http.paging import Cursor, Limit, cut_page, decode_cursor, link_next, page_of
from app.limits import STORES
from app.problems import documented
from app.profiles import service
from app.profiles.etags import (
    ETAG,
    IfMatch,
    declare_if_none_match,
    etag,
    expected_revisions,
)
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
    TimingEdit,
    TimingRevision,
    TimingStaleEvidence,
)
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.quantities import Name

ProfileName = Annotated[
    Name, Path(description="The profile's name.", examples=["jetson-xavier-nx-cpu"])
]
RevisionNumber = Annotated[int, Path(ge=1, le=999_999_999, description="Revision number, from 1.")]
LOCATION = {"Location": {"description": "Address of the profile.", "schema": {"type": "string"}}}
LINK = {
    "Link": {"description": 'RFC 8288: the next page, `rel="next"`.', "schema": {"type": "string"}}
}


class _Collection:
    """The routes of one kind, in the order in which the documentation lists them.

    The schemas are values here, so their annotations are for FastAPI, not for mypy.
    """

    def __init__(self, schema: type[Profile], edit: type[Profile], answer: type[BaseModel]) -> None:
        self._schema, self._edit, self._answer = schema, edit, answer
        self._page = page_of(answer)
        self._kind, self._collection = schema.kind, schema.collection
        self.router = APIRouter(
            prefix=f"/v1/{self._collection}",
            tags=[self._collection.capitalize()],
            route_class=StrictRoute,
        )
        self._add_create()
        self._add_list()
        self._add_get()
        self._add_replace()
        self._add_delete()
        self._add_list_revisions()
        self._add_get_revision()

    def _stored(self, found: Stored[Any]) -> Any:
        """The answer that tells of a stored revision."""
        stale = found.stale and {
            "stale": True,
            "stale_evidence": TimingStaleEvidence.model_validate(found.stale),
        }
        return self._answer.model_construct(
            **dict(found.body),
            **(stale or {}),
            revision=found.revision,
            created_at=found.created_at,
            warnings=warnings_of(found.body, found.stale) or None,
        )

    def _add_create(self) -> None:
        @self.router.post(
            "",
            status_code=201,
            operation_id=f"create_{self._kind}",
            summary=f"Store a {self._kind}",
            response_model=self._answer,
            dependencies=[STORES],
            responses={201: {"headers": ETAG | LOCATION}, **documented(ProfileExists, StorageFull)},
        )
        def create(body: self._schema, session: WriteSession, response: Response) -> Any:  # type: ignore[name-defined]
            """Revision 1 of a new name. The numbers of a deleted name go on where they ended."""
            made = service.create(session, body)
            response.headers["Location"] = f"/v1/{self._collection}/{made.name}"
            response.headers["ETag"] = etag(made.revision)
            return self._stored(made)

    def _add_list(self) -> None:
        @self.router.get(
            "",
            operation_id=f"list_{self._collection}",
            summary=f"List the {self._collection}",
            response_model=self._page,
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
            found = service.list_latest(session, self._schema, after, limit + 1)
            shown, following = cut_page(found, limit, attrgetter("name"))
            link_next(request, response, following)
            items = [self._stored(entry) for entry in shown]
            return self._page.model_construct(items=items, next_cursor=following)

    def _add_get(self) -> None:
        @self.router.get(
            "/{name}",
            operation_id=f"get_{self._kind}",
            summary=f"Read a {self._kind}",
            response_model=self._answer,
            dependencies=[Depends(declare_if_none_match)],
            responses={
                200: {"headers": ETAG},
                304: {"description": "Not modified"},
                **documented(ProfileNotFound),
            },
        )
        def get(
            name: ProfileName, session: ReadSession, request: Request, response: Response
        ) -> Any:
            """The latest revision."""
            found = service.get(session, self._schema, name)
            response.headers["ETag"] = tag = etag(found.revision, stale=found.stale is not None)
            if held(request.headers, tag):
                return Response(status_code=304, headers={"ETag": tag})
            return self._stored(found)

    def _add_replace(self) -> None:
        @self.router.put(
            "/{name}",
            operation_id=f"replace_{self._kind}",
            summary=f"Revise a {self._kind}",
            response_model=self._answer,
            dependencies=[STORES],
            responses={
                200: {"headers": ETAG},
                **documented(ProfileNotFound, StaleRevision, RevisionRequired, StorageFull),
            },
        )
        def replace(
            name: ProfileName,
            body: self._edit,  # type: ignore[name-defined]
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
                raise RevisionRequired(
                    "Send If-Match with the ETag of the revision that you changed."
                )
            expected = expected_revisions(request.headers)
            profile = self._schema.model_construct(
                **{field: getattr(body, field) for field in self._schema.model_fields}
            )
            if profile.name != name:
                raise InvalidRequest(
                    [FieldError("/name", f"a profile cannot be renamed: the address says {name!r}")]
                )
            made = service.replace(session, profile, expected)
            response.headers["ETag"] = etag(made.revision, stale=made.stale is not None)
            return self._stored(made)

    def _add_delete(self) -> None:
        @self.router.delete(
            "/{name}",
            status_code=204,
            operation_id=f"delete_{self._kind}",
            summary=f"Delete a {self._kind}",
            responses=documented(ProfileNotFound, StaleRevision),
        )
        def delete(
            name: ProfileName, session: WriteSession, request: Request, if_match: IfMatch = None
        ) -> Response:
            """Take the name out of use.

            Its revisions stay readable, for the plans that rest on them.
            """
            expected = None if if_match is None else expected_revisions(request.headers)
            service.hide(session, self._schema, name, expected)
            return Response(status_code=204)

    def _add_list_revisions(self) -> None:
        @self.router.get(
            "/{name}/revisions",
            operation_id=f"list_{self._kind}_revisions",
            summary=f"List the revisions of a {self._kind}",
            response_model=self._page,
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
            found = service.list_revisions(session, self._schema, name, after, limit + 1)
            shown, following = cut_page(found, limit, attrgetter("revision"))
            link_next(request, response, following)
            items = [self._stored(entry) for entry in shown]
            return self._page.model_construct(items=items, next_cursor=following)

    def _add_get_revision(self) -> None:
        @self.router.get(
            "/{name}/revisions/{revision}",
            operation_id=f"get_{self._kind}_revision",
            summary=f"Read a revision of a {self._kind}",
            response_model=self._answer,
            responses={200: {"headers": ETAG}, **documented(RevisionNotFound, ProfileNotFound)},
        )
        def get_revision(
            name: ProfileName, revision: RevisionNumber, session: ReadSession, response: Response
        ) -> Any:
            """A revision, which never changes; also of a deleted name."""
            found = service.get(session, self._schema, name, revision)
            response.headers["ETag"] = etag(found.revision, stale=found.stale is not None)
            return self._stored(found)


routers = [
    _Collection(Device, DeviceEdit, DeviceRevision).router,
    _Collection(Model, ModelEdit, ModelRevision).router,
    _Collection(Channel, ChannelEdit, ChannelRevision).router,
    _Collection(Server, ServerEdit, ServerRevision).router,
    _Collection(Timing, TimingEdit, TimingRevision).router,
]
