"""API keys as functions of a session: made, listed, revoked, told from others."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from app.auth.callers import Caller, Scope, up_to
from app.auth.tables import ApiKeyRow
from app.errors import NotAuthenticated
from app.limits import NONE, OwnLimits

PREFIX = "spk_"
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{12}})_([0-9a-f]{{64}})")
_SECRET_BYTE = 32
# Compared with where no key has the id, so that it takes as long.
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Known:
    """A key that is in use, or a token, as it was when it was looked at."""

    caller: Caller
    expires_at: datetime | None
    last_used_at: datetime | None


def create(
    session: Session,
    name: str,
    project: str,
    scope: Scope,
    expires_at: datetime | None,
    limits: OwnLimits = NONE,
) -> str:
    """Make a key; what is returned is not kept anywhere, and cannot be shown again."""
    key_id, secret = secrets.token_hex(6), secrets.token_bytes(_SECRET_BYTE)
    session.add(
        ApiKeyRow(
            id=key_id,
            digest=_digest(secret),
            name=name,
            project=project,
            scope=scope,
            created_at=datetime.now(UTC),
            expires_at=expires_at,
            limits=limits.given() or None,
        )
    )
    return f"{PREFIX}{key_id}_{secret.hex()}"


def list_keys(session: Session, project: str | None = None) -> list[ApiKeyRow]:
    """All keys (of a project), those no longer in use too, the oldest first."""
    wanted = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    return list(session.scalars(wanted if project is None else wanted.filter_by(project=project)))


def revoke(session: Session, key_id: str) -> ApiKeyRow | None:
    """Take a key out of use for good; None if there is none of that id."""
    row = session.get(ApiKeyRow, key_id)
    if row is not None and row.revoked_at is None:
        row.revoked_at = datetime.now(UTC)
    return row


def any_made(session: Session) -> bool:
    """Whether a key was ever made, in use or not."""
    return session.scalar(select(ApiKeyRow.id).limit(1)) is not None


def verify(session: Session, key: str) -> Known:
    """Whose key it is. Raises NotAuthenticated."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise NotAuthenticated(f"This is no key of this service: they begin with {PREFIX}.")
    row = session.get(ApiKeyRow, found[1])
    right = hmac.compare_digest(
        _digest(bytes.fromhex(found[2])), _NO_DIGEST if row is None else row.digest
    )
    if row is None or not right:
        raise NotAuthenticated("This service has no such key.")
    # Only who has the secret is told what became of it.
    if row.revoked_at is not None:
        raise NotAuthenticated("This key was revoked.")
    require_unexpired("key", row.expires_at)
    own = NONE if row.limits is None else OwnLimits.read(row.limits)
    caller = Caller(row.id, row.project, up_to(cast(Scope, row.scope)), own)
    return Known(caller, row.expires_at, row.last_used_at)


def require_unexpired(what: str, expires_at: datetime | None) -> None:
    """Refuse what is only good for a time that is over. Raises NotAuthenticated."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise NotAuthenticated(f"This {what} expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}.")


def note_use(session: Session, key_id: str, at: datetime) -> None:
    """Remember that a key was used, unless a later use is known."""
    earlier: ColumnElement[bool] = or_(
        ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < at
    )
    session.execute(
        update(ApiKeyRow).where(ApiKeyRow.id == key_id, earlier).values(last_used_at=at)
    )


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
