"""Telling that a plan has ended, or is revoked: signed as in Standard Webhooks, tried again for a
day, never to a private address.

Each attempt is a job of its own; what came of it is kept with the plan.
"""

import asyncio
import ipaddress
import logging
import socket
from datetime import UTC, datetime

import httpx
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from app import instants
from app.db import Database
from app.plans import service, stored
from app.plans.schemas import ENDED
from app.plans.stored import Notice
from app.plans.tables import PlanRow
from app.settings import Settings
from app.telemetry import measures

log = logging.getLogger(__name__)

# Seconds from one attempt to the next: as many attempts as pauses, and one more.
PAUSES_S = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
_PATIENCE_S = 15.0
# RFC 6052 and RFC 4291.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


class Refused(Exception):
    """The address may not be told anything; trying again would not help."""


def due(database: Database, most: int = 500) -> list[tuple[str, int]]:
    """Ended plans whose end nobody was told yet, and how often that was tried."""
    with database.reading() as session:
        rows = session.execute(
            select(PlanRow.id, stored.WEBHOOK)
            .where(PlanRow.webhook_waiting.is_(True), PlanRow.status.in_(ENDED))
            .order_by(PlanRow.number)
            .limit(most)
        )
        return [(plan_id, Notice.read(kept).attempts) for plan_id, kept in rows if kept is not None]


def deliver(database: Database, settings: Settings, plan_id: str) -> tuple[int, float] | None:
    """Try once to tell that a plan has ended; the number of the next attempt and the pause before
    it, if one is due.
    """
    with database.reading() as session:
        row = session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one_or_none()
        if row is None or not row.webhook_waiting or row.status not in ENDED:
            return None
        revoked = row.revoked
        told = {
            "type": "plan.ended" if revoked is None else "plan.revoked",
            "timestamp": row.finished_at if revoked is None else instants.text(revoked["at"]),
            "data": service.heading(session, row),
        }
        notice = stored.notice_of(row)
        assert notice is not None  # it waits, so there is one
        url, attempts = notice.url, notice.attempts + 1
    pause_s = PAUSES_S[attempts - 1] if attempts <= len(PAUSES_S) else None
    try:
        # A receiver knows a message again by this: the end of a plan and its revocation are two.
        message = f"plan_{plan_id}" if revoked is None else f"plan_{plan_id}_revoked"
        detail = _post(settings, url, message, instants.json(told))
        status = "delivered"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, Refused) as failure:
        detail = str(failure) or type(failure).__name__
        status = "failed" if pause_s is None or isinstance(failure, Refused) else "waiting"
        log.warning("webhook of plan %s, attempt %d: %s", plan_id, attempts, detail)
    measures.DELIVERIES.labels(status).inc()
    _record(database, plan_id, Notice(url, status, attempts, detail[:200]))
    return (attempts, pause_s) if status == "waiting" and pause_s is not None else None


def _record(database: Database, plan_id: str, notice: Notice) -> None:
    with database.writing() as session:
        row = session.scalars(
            select(PlanRow).where(PlanRow.id == plan_id).with_for_update()
        ).one_or_none()
        if row is not None:
            notice.keep(row)


def _post(settings: Settings, url: str, message: str, body: bytes) -> str:
    """Send a signed message.

    Raises httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, Refused.
    """
    assert settings.webhook_secret is not None
    now = datetime.now(UTC)
    target = httpx.URL(url)
    address = _address(target, private=settings.webhook_private)
    headers = {
        "Host": target.netloc.decode(),
        "Content-Type": "application/json",
        "User-Agent": "splitplan",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(settings.webhook_secret).sign(message, now, body.decode()),
    }
    # The very address that was looked at is called: a name that is asked twice may answer twice.
    status = asyncio.run(_status(target.copy_with(host=address), target.host, headers, body))
    if not 200 <= status < 300:
        raise httpx.HTTPError(f"answered {status}")
    return f"answered {status}"


async def _status(url: httpx.URL, host: str, headers: dict[str, str], body: bytes) -> int:
    """What a message is answered with, all in all within `_PATIENCE_S`; whatever comes after the
    status is not read.
    """
    async with (
        asyncio.timeout(_PATIENCE_S),
        httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False) as client,
        client.stream(
            "POST", url, content=body, headers=headers, extensions={"sni_hostname": host}
        ) as answer,
    ):
        return answer.status_code


def _address(target: httpx.URL, *, private: bool) -> str:
    """An address of a host, public unless private ones are allowed. Raises Refused, OSError."""
    found = socket.getaddrinfo(
        target.host,
        target.port or (443 if target.scheme == "https" else 80),
        type=socket.SOCK_STREAM,
    )
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not private and not all(_is_public(address) for address in addresses):
        raise Refused(f"{target.host} has a private address, and webhook_private is off")
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if (
            parsed in _TRANSLATED or parsed.ipv4_mapped is not None
        ):  # what is meant is the IPv4 address in its last 32 bits
            return _is_public(str(ipaddress.IPv4Address(parsed.packed[-4:])))
        if parsed not in _GLOBAL_UNICAST or parsed.sixtofour is not None:
            return False
    return parsed.is_global and not parsed.is_multicast
