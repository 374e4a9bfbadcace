"""The door of the web: whose request it is, before anything of it is read."""

import hashlib
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from app.auth import service
from app.auth.callers import ANYONE, NOBODY, SCOPES, Caller, is_for, required_scope
from app.auth.rates import Share
from app.auth.service import Known
from app.auth.throttle import Throttle, require_allowed, telling, told
from app.db import Database
from app.errors import (
    IssuerUnavailable,
    NotAuthenticated,
    ScopeMissing,
    SplitplanError,
    TooManyRequests,
    in_one_line,
)
from app.projects import DEFAULT
from app.settings import Settings

if TYPE_CHECKING:
    from app.auth.tokens import Tokens

log = logging.getLogger(__name__)

REALM = "splitplan"
_USE_NOTED_EVERY = timedelta(minutes=1)
# Keys remembered at a time, right and wrong ones.
_REMEMBERED = 4096
_LONGEST_KEY = 16_384
"""Tokens of identity providers are one or two thousand bytes long, more with many groups."""
_UNQUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
"""What may not stand in an `error_description` (RFC 6750, 3)."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found of a key, and until when (by this process's clock) that is believed."""

    known: Known | str
    """Or why it is refused."""
    until: float


class Guard:
    """Tells whose a key is. What it found is believed for `key_cache_s`: so long a revoked key may
    go on, and a first key may not be asked for.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._believed_s = settings.key_cache_s
        self._may_be_open = settings.oidc_issuer is None and (
            settings.is_loopback or settings.allow_unauthenticated
        )
        self._tokens = _tokens(settings)
        self._open_until = 0.0
        self._keys_made = not self._may_be_open
        self._looked: OrderedDict[bytes, _Looked] = OrderedDict()
        # Of one thread: a use is noted when the database has time for it, and no request waits.
        self._notes = ThreadPoolExecutor(1, "key-use")

    def start(self) -> None:
        """Get ready for the first token, in the event loop of the web."""
        if self._tokens is not None:
            self._tokens.issuer.begin()

    def measure(self, registry: CollectorRegistry) -> None:
        """Have it told there how the identity provider is, where one is set."""
        if self._tokens is not None:
            self._tokens.issuer.measure(registry)

    def close(self) -> None:
        """Finish what is to be noted."""
        self._notes.shutdown()
        if self._tokens is not None:
            self._tokens.issuer.close()

    def forget(self) -> None:
        """Look anew: the keys are others now."""
        self._looked.clear()
        self._open_until, self._keys_made = 0.0, not self._may_be_open

    async def caller_of(
        self,
        authorization: str | None,
        method: str,
        path: str,
        before_looking: Callable[[], None] = lambda: None,
    ) -> Caller:
        """Who sends a request; `before_looking` may refuse to look at a key that was never found
        good. Raises NotAuthenticated, IssuerUnavailable, what that does, and a database's errors.
        """
        if required_scope(method, path) is None:
            return NOBODY
        return await self._caller(authorization, before_looking)

    async def _caller(
        self, authorization: str | None, before_looking: Callable[[], None]
    ) -> Caller:
        key = _bearer(authorization)
        is_key = key is not None and key.startswith(service.PREFIX)
        # A proxy that asks for passwords of its own may hand them on.
        if not is_key and await self._is_open():
            return ANYONE
        if key is None:
            or_token = "" if self._tokens is None else f", or a token of {self._tokens.issuer.url}"
            raise NotAuthenticated(
                f"This service asks for a key{or_token}: send `Authorization: Bearer`."
            )
        if len(key) > _LONGEST_KEY:
            raise NotAuthenticated(f"Keys and tokens have at most {_LONGEST_KEY} characters.")
        digest = hashlib.sha256(key.encode()).digest()  # what is remembered is no key
        looked = self._looked.get(digest)
        if looked is None or looked.until < time.monotonic():
            if looked is None or isinstance(looked.known, str):
                before_looking()
            found = await self._find_out(key, is_key=is_key)
            looked = _Looked(found, time.monotonic() + self._believed_s)
            self._looked[digest] = looked
            self._looked.move_to_end(digest)
            while len(self._looked) > _REMEMBERED:
                self._looked.popitem(last=False)
        if isinstance(looked.known, str):
            raise NotAuthenticated(looked.known)
        service.require_unexpired("key" if is_key else "token", looked.known.expires_at)
        return looked.known.caller

    async def _find_out(self, key: str, *, is_key: bool) -> Known | str:
        if self._tokens is None or is_key:
            return await run_in_threadpool(self._look, key)
        try:
            return await self._tokens.verify(key)
        except NotAuthenticated as refused:
            return refused.detail

    def require_scope(self, caller: Caller, method: str, path: str) -> None:
        """Refuse what a caller may not do. Raises ScopeMissing."""
        needed = required_scope(method, path)
        if needed is None or (needed in caller.scopes and is_for(caller, path)):
            return
        what, wanted = "key", str(needed)
        if self._tokens is not None and self._tokens.brought(caller):
            what, wanted = "token", self._tokens.name_of(needed)
        if needed in caller.scopes:
            no = ScopeMissing(f"{path} tells of all projects: it needs a {what} of `{DEFAULT}`.")
        else:
            mine = max(caller.scopes, key=SCOPES.index, default="nothing")
            no = ScopeMissing(f"This needs a {what} with the scope `{wanted}`; yours has `{mine}`.")
        no.scope = wanted
        raise no

    async def _is_open(self) -> bool:
        """Whether nobody is asked for a key: none was ever made, and who listens is guarded by
        something else.
        """
        if not self._keys_made and self._open_until < time.monotonic():
            self._keys_made = await run_in_threadpool(self._any_made)
            self._open_until = time.monotonic() + self._believed_s
        return not self._keys_made

    def _any_made(self) -> bool:
        with self._database.reading() as session:
            return service.any_made(session)

    def _look(self, key: str) -> Known | str:
        try:
            with self._database.reading() as session:
                known = service.verify(session, key)
        except NotAuthenticated as refused:
            return refused.detail
        now, key_id = datetime.now(UTC), known.caller.key_id
        if key_id and (known.last_used_at is None or now - known.last_used_at > _USE_NOTED_EVERY):
            self._notes.submit(self._note, key_id, now)
        return known

    def _note(self, key_id: str, at: datetime) -> None:
        try:
            with self._database.writing() as session:
                service.note_use(session, key_id, at)
        except SQLAlchemyError as away:
            log.warning("the use of key %s is not noted: %s", key_id, in_one_line(away))


def _tokens(settings: Settings) -> "Tokens | None":
    """Who tells whose a token is, where an identity provider is set."""
    if settings.oidc_issuer is None:
        return None
    from app.auth.tokens import Tokens  # what verifies signatures takes 15 MB

    return Tokens(settings)


def _bearer(authorization: str | None) -> str | None:
    """The key or token in a header (RFC 6750), if there is one."""
    scheme, _, key = (authorization or "").strip().partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and key and key.isascii() else None


def challenge(refused: NotAuthenticated | ScopeMissing, *, sent: bool) -> dict[str, str]:
    """The header that goes with a refusal (RFC 6750, 3); `sent`: the request had a key."""
    said = f'Bearer realm="{REALM}"'
    if isinstance(refused, ScopeMissing):
        said += f', error="insufficient_scope", scope="{refused.scope}"'
    elif sent:
        why = _UNQUOTABLE.sub("'", refused.detail)
        said += f', error="invalid_token", error_description="{why}"'
    return {"WWW-Authenticate": said}


class Authentication:
    """ASGI middleware: `request.state.caller` and what they may take, `request.state.limits`, or a
    refusal before the body is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard,
        throttle: Throttle,
        refusal: Callable[[SplitplanError], Response],
    ) -> None:
        self.app, self._guard, self._refusal = app, guard, refusal
        self._throttle = throttle

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused: SplitplanError
        try:
            caller, share = await self._admitted(scope)
        except (NotAuthenticated, IssuerUnavailable, ScopeMissing, TooManyRequests) as no:
            refused = no
        else:
            state = scope.setdefault("state", {})
            state["caller"], state["limits"] = caller, self._throttle.limits(caller)
            await self.app(scope, receive, telling(share, send))
            return
        await self._refusal(refused)(scope, receive, send)

    async def _admitted(self, scope: Connection) -> tuple[Caller, Share | None]:
        """Who asks, and how often they still may; a refusal says so in its headers."""
        method, throttle = scope["method"], self._throttle
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        authorization = Headers(scope=scope).get("authorization")
        sent = _bearer(authorization) is not None
        share: Share | None
        try:
            caller = await self._guard.caller_of(
                authorization, method, path, lambda: throttle.require_trusted(scope)
            )
        except (NotAuthenticated, IssuerUnavailable) as no:
            share = throttle.stranger(scope)
            require_allowed(share)
            asked = challenge(no, sent=sent) if isinstance(no, NotAuthenticated) else {}
            no.headers = asked | told(share)
            raise
        share = throttle.caller(caller, scope, path)
        require_allowed(share)
        try:
            self._guard.require_scope(caller, method, path)
        except ScopeMissing as no:
            no.headers = challenge(no, sent=sent) | told(share)
            raise
        return caller, share
