"""Which profiles come with the program, for whoever only asks whether they are stored.

What they say is not looked at, nor is what would check it loaded.
"""

from importlib.resources import files
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.profiles.tables import ProfileRow

# The kinds of profiles, and the files that have them.
_FILES = {
    "device": "devices.json",
    "model": "models.json",
    "channel": "channels.json",
    "server": "servers.json",
    "timing": "timings.json",
}


def entries(kind: str) -> list[dict[str, Any]]:
    """The shipped profiles of a kind, as they are written."""
    content = files("app.catalogue").joinpath(_FILES[kind]).read_bytes()
    return list(orjson.loads(content))


def shipped_names() -> set[tuple[str, str]]:
    """The (kind, name) pairs of the shipped profiles."""
    return {(kind, entry["name"]) for kind in _FILES for entry in entries(kind)}


def names_in_use(session: Session, *, deleted: bool = True) -> set[tuple[str, str]]:
    """The (kind, name) pairs the store has, deleted ones too: a name once taken is the user's."""
    wanted = select(ProfileRow.kind, ProfileRow.name)
    if not deleted:
        wanted = wanted.where(ProfileRow.hidden.is_(False))
    return {(row.kind, row.name) for row in session.execute(wanted)}
