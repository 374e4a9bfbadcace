"""The shipped profiles, and putting them into the store."""

from dataclasses import dataclass
from functools import cache

from sqlalchemy.orm import Session

from app.catalogue.names import entries, names_in_use
from app.errors import InvalidRequest, ProfileExists
from app.profiles import service
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing

# A timing is checked against the processor and the model it names, so those are loaded before it.
ORDER: tuple[type[Profile], ...] = tuple(sorted(SCHEMAS, key=lambda kind: kind is Timing))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: names created, and names that were taken and left as they are."""

    created: tuple[Profile, ...]
    skipped: tuple[Profile, ...]
    refused: tuple[tuple[Profile, str], ...]


@cache
def shipped() -> tuple[Profile, ...]:
    """Every profile in the package's JSON files, in the order in which they can be loaded."""
    return tuple(kind.model_validate(entry) for kind in ORDER for entry in entries(kind.kind))


def load(session: Session, profiles: tuple[Profile, ...], *, restore: bool = False) -> Loaded:
    """Store the profiles whose names were never taken; never touch one that was, so a second load
    does nothing. Those that were deleted come back only where they are to be restored.

    A timing that no longer fits what the user made of its processor or model is refused with the
    reason.
    """
    taken = names_in_use(session, deleted=not restore)
    created: list[Profile] = []
    skipped: list[Profile] = []
    refused: list[tuple[Profile, str]] = []
    for profile in profiles:
        if (profile.kind, profile.name) in taken:
            skipped.append(profile)
            continue
        try:
            with session.begin_nested():
                service.create(session, profile)
        except ProfileExists:  # another process is loading too
            skipped.append(profile)
        except InvalidRequest as error:
            refused.append((profile, error.detail))
        else:
            created.append(profile)
    return Loaded(tuple(created), tuple(skipped), tuple(refused))
