"""The shipped profiles, and putting them into the store."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InvalidRequest, ProfileExists
from app.profiles import service
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing
from app.profiles.tables import ProfileRow

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
    folder = files("app.catalogue")
    return tuple(
        kind.model_validate(entry)
        for kind in ORDER
        for entry in orjson.loads(folder.joinpath(f"{kind.collection}.json").read_bytes())
    )


def shipped_names() -> set[tuple[str, str]]:
    """The (kind, name) pairs of the shipped profiles, which are not looked at any further."""
    folder = files("app.catalogue")
    return {
        (kind.kind, entry["name"])
        for kind in ORDER
        for entry in orjson.loads(folder.joinpath(f"{kind.collection}.json").read_bytes())
    }


def names_in_use(session: Session, *, deleted: bool = True) -> set[tuple[str, str]]:
    """The (kind, name) pairs the store has, deleted ones too: a name once taken is the user's."""
    wanted = select(ProfileRow.kind, ProfileRow.name)
    if not deleted:
        wanted = wanted.where(ProfileRow.hidden.is_(False))
    return {(row.kind, row.name) for row in session.execute(wanted)}


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
