"""Telling that a plan has ended, or is revoked: signed as in Standard Webhooks, tried again for a
day, never to a private address.

What is to be told, and when the next time, is kept with the plan; many are told at once, and few of
them at one receiver, so that who never answers delays nobody else.
"""

import asyncio
import ipaddress
import logging
import socket
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import httpx
from sqlalchemy import ColumnElement, and_, exists, not_, or_, select, update
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook

from app import instants
from app.db import Database
from app.errors import in_one_line
from app.plans import service, stored
from app.plans.schemas import ENDED
from app.plans.stored import Notice
from app.plans.tables import PlanRow
from app.projects import secret_of
from app.settings import Settings
from app.telemetry import measures
from app.undelivered import FAILURES, Refused, Unwelcome, in_words
from app.workers import now_s

log = logging.getLogger(__name__)

# Seconds from one attempt to the next: as many attempts as pauses, and one more.
PAUSES_S = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
_PATIENCE_S = 15.0
# So many are told at the same time, and at one receiver.
_AT_ONCE, _AT_ONE = 256, 4
# Who was about to tell it and has not said what came of it by then is gone.
_GONE_S = 60.0
# RFC 6052 and RFC 4291.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told of a plan, and where."""

    plan_id: str
    project: str
    notice: Notice
    name: str
    body: bytes


class Deliveries:
    """Tells what is due, until the process ends."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self.bell = threading.Event()
        """Rung when something may be due."""
        self._names = ThreadPoolExecutor(64, "names of receivers")
        self._busy: Counter[str] = Counter()
        """How many are told at each receiver, by its origin."""
        self._telling: set[asyncio.Task[None]] = set()

    def due(self, session: Session) -> bool:
        """Whether something could be told now."""
        if self._settings.webhook_secret is None:
            return False
        return bool(session.scalar(select(exists().where(_due(session), self._free()))))

    def run(self) -> None:
        """Tell what is due whenever the bell is rung; nothing that goes wrong ends it."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        bell = ThreadPoolExecutor(1, "webhooks")
        context = None
        while True:
            await asyncio.get_running_loop().run_in_executor(bell, self.bell.wait)
            self.bell.clear()
            try:
                context = context or httpx.create_ssl_context(trust_env=False)
                while taken := await asyncio.to_thread(self._take):
                    for plan_id, origin in taken:
                        task = asyncio.create_task(self._tell(plan_id, origin, context))
                        self._telling.add(task)
                        task.add_done_callback(self._telling.discard)
            except Exception as failure:  # the database is away: the bell is rung again
                log.warning("webhooks: %s", in_one_line(failure))

    async def _tell(self, plan_id: str, origin: str, context: ssl.SSLContext) -> None:
        try:
            message = await asyncio.to_thread(_message, self._database, plan_id)
            if message is not None:
                notice = await _tried(self._settings, message, self._names, context)
                await asyncio.to_thread(_record, self._database, plan_id, notice)
        except Exception as failure:  # it is tried again, since nothing says what came of it
            log.warning("webhook of plan %s: %s", plan_id, in_one_line(failure))
        finally:
            self._busy[origin] -= 1
            if self._busy[origin] == 0:
                del self._busy[origin]
            self.bell.set()

    def _take(self) -> list[tuple[str, str]]:
        """Plans whose end is told now, each with the origin of its receiver, and noted as being
        told.
        """
        room = _AT_ONCE - self._busy.total()
        if room <= 0:
            return []
        taken: list[tuple[str, str]] = []
        with self._database.writing() as session:
            found = session.execute(
                select(PlanRow.id, stored.WEBHOOK)
                .where(_due(session), self._free())
                .order_by(PlanRow.webhook_due_s.is_not(None), PlanRow.webhook_due_s, PlanRow.number)
                .limit(room)
                .with_for_update(skip_locked=True)
            )
            for plan_id, kept in found:
                origin = "" if kept is None else Notice.read(kept).origin
                if self._busy[origin] < _AT_ONE:
                    self._busy[origin] += 1
                    taken.append((plan_id, origin))
            session.execute(
                update(PlanRow)
                .where(PlanRow.id.in_([plan_id for plan_id, _ in taken]))
                .values(webhook_due_s=now_s(session) + _GONE_S)
                .execution_options(synchronize_session=False)
            )
        return taken

    def _free(self) -> ColumnElement[bool]:
        """Whether a plan's receiver may be told one more now."""
        full = [origin for origin, count in list(self._busy.items()) if count >= _AT_ONE]
        return and_(True, *(not_(_at(origin)) for origin in full))


def _due(session: Session) -> ColumnElement[bool]:
    return and_(
        PlanRow.webhook_waiting.is_(True),
        PlanRow.status.in_(ENDED),
        or_(PlanRow.webhook_due_s.is_(None), PlanRow.webhook_due_s <= now_s(session)),
    )


def _at(origin: str) -> ColumnElement[bool]:
    url = stored.WEBHOOK_URL
    return or_(
        url == origin, *(url.startswith(origin + mark, autoescape=True) for mark in ("/", "?"))
    )


def deliver(database: Database, settings: Settings, plan_id: str) -> tuple[int, float] | None:
    """Try once to tell that a plan has ended; the number of the next attempt and the pause before
    it, if one is due.
    """
    if (message := _message(database, plan_id)) is None:
        return None
    notice = asyncio.run(_tried(settings, message))
    return _record(database, plan_id, notice)


def _message(database: Database, plan_id: str) -> Message | None:
    """What is to be told of a plan; None where nothing is."""
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
    # A receiver knows a message again by this: the end of a plan and its revocation are two.
    name = f"plan_{plan_id}" if revoked is None else f"plan_{plan_id}_revoked"
    return Message(plan_id, row.project, notice, name, instants.json(told))


async def _tried(
    settings: Settings,
    message: Message,
    names: ThreadPoolExecutor | None = None,
    context: ssl.SSLContext | None = None,
) -> Notice:
    """What comes of an attempt to tell a message."""
    attempts = message.notice.attempts + 1
    try:
        async with asyncio.timeout(_PATIENCE_S):
            status, detail = "delivered", await _post(settings, message, names, context)
    except (*FAILURES, Refused, Unwelcome) as failure:
        detail = in_words(failure, _PATIENCE_S)
        last = attempts > len(PAUSES_S) or isinstance(failure, Refused)
        status = "failed" if last else "waiting"
        log.warning("webhook of plan %s, attempt %d: %s", message.plan_id, attempts, detail)
    measures.DELIVERIES.labels(status).inc()
    return Notice(message.notice.url, status, attempts, detail[:200])


def _record(database: Database, plan_id: str, notice: Notice) -> tuple[int, float] | None:
    """Keep what came of an attempt; the next one and the pause before it, if one is due."""
    pause_s = PAUSES_S[notice.attempts - 1] if notice.status == "waiting" else None
    with database.writing() as session:
        row = session.scalars(
            select(PlanRow).where(PlanRow.id == plan_id).with_for_update()
        ).one_or_none()
        if row is not None:
            notice.keep(row)
            if pause_s is not None:
                now = session.scalar(select(now_s(session)))
                row.webhook_due_s = (now or 0.0) + pause_s
    return None if pause_s is None else (notice.attempts, pause_s)


async def _post(
    settings: Settings,
    message: Message,
    names: ThreadPoolExecutor | None,
    context: ssl.SSLContext | None,
) -> str:
    """Send a signed message.

    Raises those of FAILURES, Unwelcome, Refused.
    """
    assert settings.webhook_secret is not None
    now = datetime.now(UTC)
    target = httpx.URL(message.notice.url)
    # The very address that was looked at is called: a name that is asked twice may answer twice.
    address = await asyncio.get_running_loop().run_in_executor(
        names, partial(_address, target, private=settings.webhook_private)
    )
    secret = secret_of(settings.webhook_secret, message.project)
    signature = Webhook(secret).sign(message.name, now, message.body.decode())
    headers = {
        "Host": target.netloc.decode(),
        "Content-Type": "application/json",
        "User-Agent": "splitplan",
        "webhook-id": message.name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    # Whatever comes after the status is not read.
    async with (
        httpx.AsyncClient(
            timeout=_PATIENCE_S, trust_env=False, verify=True if context is None else context
        ) as client,
        client.stream(
            "POST",
            target.copy_with(host=address),
            content=message.body,
            headers=headers,
            extensions={"sni_hostname": target.host},
        ) as answer,
    ):
        status = answer.status_code
    if not 200 <= status < 300:
        raise Unwelcome(f"answered {status}")
    return f"answered {status}"


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
