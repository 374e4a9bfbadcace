"""The shipped profiles: whether they are stored."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.catalogue import service
from app.doctor.findings import Finding, listed, ok, warning

_MINE = "catalogue"


def look(session: Session) -> Iterator[Finding]:
    """Which of them are stored, were never, or were deleted."""
    shipped = service.shipped_names()
    ever, now = (service.names_in_use(session, deleted=deleted) for deleted in (True, False))
    new, deleted = shipped - ever, (shipped & ever) - now
    if new:
        said = (
            f"{len(new)} of {len(shipped)} shipped profiles are not stored:"
            f" {listed(sorted(name for _, name in new))}"
        )
        yield warning(_MINE, said, "`splitplan catalogue load`")
        return
    said = f"{len(shipped) - len(deleted)} of {len(shipped)} shipped profiles are stored"
    gone = f", {len(deleted)} were deleted" if deleted else ""
    yield ok(_MINE, said + gone)
