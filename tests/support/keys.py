"""API keys for tests."""

from datetime import datetime

from app import projects
from app.auth import service as auth
from app.auth.callers import Scope
from tests.support.servers import Service

Headers = dict[str, str]


def a_key(
    service: Service,
    scope: Scope = "admin",
    project: str = projects.DEFAULT,
    name: str = "a test",
    expires_at: datetime | None = None,
) -> str:
    """A new key, asked for at once."""
    with service.everything.writing() as session:
        key = auth.create(session, name, project, scope, expires_at)
    service.app.state.guard.forget()
    return key


def bearing(key: str) -> Headers:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


def id_of(key: str) -> str:
    """The part of a key that is no secret."""
    return key.split("_")[1]
