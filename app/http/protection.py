"""What browsers are told about every answer, and for which hosts the service answers."""

import base64
import hashlib
import ipaddress
import re
from collections.abc import Callable, Collection, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import HostUnknown
from app.oidc import is_this_machine

_NOTHING = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_A_YEAR = (b"strict-transport-security", b"max-age=31536000")
_INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_ASSETS = "/static-"


class SafeHeaders:
    """ASGI middleware: answers that a browser takes for nothing but what they are, shows in no
    frame, keeps in no cache that it should not, and of which a page runs only its own scripts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: Message | None = None

        async def send_safely(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *_ALWAYS]
                names = dict(message["headers"])
                if b"cache-control" not in names:
                    headers.append((b"cache-control", _kept(scope["path"], names)))
                if scope.get("scheme") == "https":
                    headers.append(_A_YEAR)
                message = {**message, "headers": headers}
                if b"content-security-policy" in names:
                    await send(message)
                    return
                if names.get(b"content-type", b"").startswith(b"text/html"):
                    held = message  # its policy names its scripts, which follow
                    return
                headers.append((b"content-security-policy", _NOTHING))
            elif held is not None:
                policy = _policy(message.get("body", b""))
                held["headers"].append((b"content-security-policy", policy))
                start, held = held, None
                await send(start)
            await send(message)

        await self.app(scope, receive, send_safely)


def _policy(page: bytes) -> bytes:
    """Of a page of ours, which comes in one piece: its own files, and its own inline scripts
    by their digests.
    """
    scripts = [hashlib.sha256(script).digest() for script in _INLINE.findall(page)]
    digests = b" ".join(b"'sha256-" + base64.b64encode(each) + b"'" for each in scripts)
    # The page of the documentation makes style attributes, and draws its arrows from data.
    return (
        b"default-src 'none'; script-src 'self' " + digests + b"; style-src 'self'"
        b" 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self';"
        b" frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _kept(path: str, names: dict[bytes, bytes]) -> bytes:
    """What a cache may do with an answer that does not say."""
    if path.startswith(_ASSETS):
        return b"public, max-age=86400"
    # Whoever holds an answer by its tag asks again before using it.
    return b"private, no-cache" if b"etag" in names else b"no-store"


class KnownHosts:
    """ASGI middleware: only requests that name one of these hosts are answered.

    Whoever has a browser look another name up as this service's address would else speak to it in
    the name of a page of theirs.
    """

    def __init__(
        self,
        app: ASGIApp,
        known: Callable[[str], bool],
        asked: Callable[[Scope], bool] = lambda _: True,
    ) -> None:
        """`asked`: whose host is looked at."""
        self.app = app
        self._known, self._asked = known, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._asked(scope):
            host = _host(Headers(scope=scope).get("host", ""))
            if not self._known(host):
                raise HostUnknown("The service does not answer for the host that was asked for.")
        await self.app(scope, receive, send)


def only_for(known: Callable[[str], bool], whole: WSGIApplication) -> WSGIApplication:
    """The same for a WSGI application, which has no problems to tell."""

    def asked(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if known(_host(environ.get("HTTP_HOST", ""))):
            return whole(environ, start)
        start("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Not a host of this service: ask by its own name or address.\n"]

    return asked


def called(own: str, allowed: Collection[str]) -> Callable[[str], bool] | None:
    """By which names a port may be asked for that asks nobody for a key, listening on `own`; None:
    by whatever name.
    """
    here = local(own)
    if "*" in allowed:
        return None
    if allowed:
        others = named(allowed)
        return lambda host: here(host) or others(host)
    return here if is_this_machine(own) else None


def named(hosts: Collection[str]) -> Callable[[str], bool]:
    """Whether a host is one of these, or below one that begins with `*.`."""
    exact = {host for host in hosts if not host.startswith("*.")}
    below = tuple(host[1:] for host in hosts if host.startswith("*."))
    return lambda host: host in exact or host.endswith(below)


def local(own: str) -> Callable[[str], bool]:
    """Whether a host is this machine to every browser, or `own`, on which the service listens: an
    address, or a name that nobody else can have looked up as another (RFC 6761, 6.3).

    A request that names none comes from no browser.
    """

    def known(host: str) -> bool:
        if host in ("", "localhost", own.lower()) or host.endswith(".localhost"):
            return True
        try:
            return bool(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
        except ValueError:
            return False

    return known


def _host(given: str) -> str:
    """A name without its port."""
    if given.startswith("["):
        return given.partition("]")[0].lower() + "]"
    return given.partition(":")[0].lower().removesuffix(".")
