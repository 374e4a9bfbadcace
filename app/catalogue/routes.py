"""What the service ships, over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.catalogue import service
from app.catalogue.names import names_in_use
from app.db import ReadSession
from app.http.bodies import StrictRoute
from app.problems import documented
from app.profiles.schemas.profile import Kind, Provenance

router = APIRouter(prefix="/v1/catalogue", tags=["Catalogue"], route_class=StrictRoute)


class CatalogueEntry(BaseModel):
    """A shipped profile."""

    kind: Kind = Field(
        description="Whether it is a `device`, `model`, `channel`, `server` or `timing`."
    )
    name: str = Field(description="Under which `splitplan catalogue load` stores it.")
    provenance: Provenance = Field(description="Where its numbers come from.")
    reference: str | None = Field(
        description="The document they are from, or how they were derived; null where none is told."
    )
    loaded: bool = Field(
        description="The store has had this name; what is stored under it may since be the user's."
    )


class Catalogue(BaseModel):
    """Every shipped profile."""

    items: list[CatalogueEntry] = Field(description="All of them, kind by kind.")
    next_cursor: None = Field(default=None, description="Always null: the catalogue is one page.")


@router.get(
    "", operation_id="get_catalogue", summary="List the shipped profiles", responses=documented()
)
def get_catalogue(session: ReadSession) -> Catalogue:
    """The profiles that come with the service; `splitplan catalogue load` stores those whose names
    are free.
    """
    taken = names_in_use(session)
    return Catalogue(
        items=[
            CatalogueEntry(
                kind=profile.kind,
                name=profile.name,
                provenance=profile.provenance,
                reference=profile.reference,
                loaded=(profile.kind, profile.name) in taken,
            )
            for profile in service.shipped()
        ]
    )
