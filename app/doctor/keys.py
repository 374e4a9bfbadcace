"""API keys: whether anybody may come in, and who should not any more."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.auth.tables import ApiKeyRow
from app.doctor.findings import Finding, listed, or_ok, warning, wrong
from app.settings import Settings

_MINE = "keys"
_SOON, _LONG = timedelta(days=14), timedelta(days=30)


def look(session: Session, settings: Settings) -> Iterator[Finding]:
    """All keys that were made, by their public ids."""
    keys = list(session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at)))
    if not keys:
        yield from none_made(settings)
        return
    now = datetime.now(UTC)
    used = [key for key in keys if key.revoked_at is None]
    good = [key for key in used if key.expires_at is None or key.expires_at > now]
    said = f"{len(good)} in use, {len(keys) - len(good)} revoked or expired"
    yield from or_ok(_MINE, said, _faults(used, good, now))


def none_made(settings: Settings) -> Iterator[Finding]:
    """Of a service without keys."""
    if settings.is_loopback:
        yield from or_ok(
            _MINE, "none: nobody is asked for one, and only this machine may come in", ()
        )
    elif settings.allow_unauthenticated:
        said = (
            f"none, and the service listens on {settings.host}: whoever reaches it may change"
            " everything"
        )
        mend = "Make keys (`splitplan keys create`), unless a proxy or container guards it."
        yield warning(_MINE, said, mend)
    else:
        said = f"none, and the service is to listen on {settings.host}: it does not start"
        yield wrong(_MINE, said, "Make one: `splitplan keys create`.")


def _faults(used: list[ApiKeyRow], good: list[ApiKeyRow], now: datetime) -> Iterator[Finding]:
    if not good:
        said = "every key is revoked or expired: nobody may come in"
        yield wrong(_MINE, said, "Make one: `splitplan keys create`.")
    if expired := [key for key in used if key not in good]:
        yield warning(
            _MINE, f"expired: {_named(expired)}", "Revoke them, or give their callers new ones."
        )
    soon = [key for key in good if key.expires_at is not None and key.expires_at < now + _SOON]
    if soon:
        yield warning(
            _MINE,
            f"expire within {_SOON.days} days: {_named(soon)}",
            "Give their callers new ones.",
        )
    never = [key for key in good if key.last_used_at is None and key.created_at < now - _LONG]
    if never:
        said = f"never used in {_LONG.days} days: {_named(never)}"
        yield warning(_MINE, said, "Revoke those that nobody needs.")


def _named(keys: list[ApiKeyRow]) -> str:
    return listed(f"{key.id} ({key.name})" for key in keys)
