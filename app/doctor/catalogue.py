"""The shipped profiles: whether they are stored."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.catalogue.names import shipped_names
from app.doctor.findings import Finding, listed, ok, warning
from app.profiles.tables import ProfileRow
from app.projects import SHARED

_MINE = "catalogue"


def look(session: Session) -> Iterator[Finding]:
    """Which of them are stored, were never, or were deleted."""
    shipped = shipped_names()
    names = select(ProfileRow.kind, ProfileRow.name)
    stored = session.execute(names.where(ProfileRow.project == SHARED))
    hidden = session.execute(names.where(ProfileRow.hidden))
    new = shipped - {(row.kind, row.name) for row in stored}
    deleted = shipped & {(row.kind, row.name) for row in hidden}
    if new:
        said = (
            f"{len(new)} of {len(shipped)} shipped profiles are not stored:"
            f" {listed(sorted(name for _, name in new))}"
        )
        yield warning(_MINE, said, "`splitplan catalogue load`")
        return
    said = f"all {len(shipped)} shipped profiles are stored"
    gone = f", {len(deleted)} were deleted by a project for itself" if deleted else ""
    yield ok(_MINE, said + gone)
