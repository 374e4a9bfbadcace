"""A key for a browser: taken once, kept in a cookie that no script reads, forgotten on demand."""

import re
from urllib.parse import parse_qs, urlsplit

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from app.auth.callers import SCOPES
from app.auth.guard import Guard
from app.auth.throttle import Throttle
from app.errors import CrossOriginRefused, NotAuthenticated
from app.ui.door import COOKIE, ROOT
from app.ui.rendering import page

# A browser keeps 4096 bytes for a cookie, with its name and all that is said of it.
_LONGEST = 3800
_OWN = re.compile(rf"[^\\?#]*{ROOT}(/[^\\]*)?")
_PRINTED = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
"""What may stand in a cookie (RFC 6265, 4.1.1)."""


def form(request: Request, to: str | None) -> Response:
    """The page where a key is entered."""
    return page(request.scope, "key.html", fault=None, to=_within(request, to))


async def enter(request: Request) -> Response:
    """Keep a key that is good, and go where the browser wanted to."""
    _require_own(request)
    given = parse_qs((await request.body()).decode("utf-8", "replace"))
    key, to = given.get("key", [""])[0].strip(), _within(request, given.get("to", [None])[0])
    fault = await _fault_of(request, key)
    if fault is not None:
        return page(request.scope, "key.html", 401, fault=fault, to=to)
    answer = RedirectResponse(to, 303)
    _set(request, answer, key)
    return answer


def forget(request: Request) -> Response:
    """Have the browser forget its key."""
    _require_own(request)
    answer = RedirectResponse(f"{_root(request)}/key", 303)
    _set(request, answer, "", max_age=0)
    return answer


async def _fault_of(request: Request, key: str) -> str | None:
    """Why a key is not kept; None where it is good."""
    if not key:
        return "Enter a key."
    if len(key) > _LONGEST:
        return f"A browser keeps keys and tokens of at most {_LONGEST} characters."
    if not _PRINTED.fullmatch(key):
        return "A key has no spaces, commas, quotes or semicolons."
    guard: Guard = request.app.state.guard
    throttle: Throttle = request.app.state.throttle
    try:
        caller = await guard.caller_of(
            f"Bearer {key}", "GET", ROOT, lambda: throttle.require_trusted(request.scope)
        )
    except NotAuthenticated as refused:
        return refused.detail
    return None if SCOPES[0] in caller.scopes else "This token may not read."


def _set(request: Request, answer: Response, key: str, max_age: int | None = None) -> None:
    """A cookie that is sent below the pages' root only, with no request that another site began,
    read by no script, and gone with the browser.
    """
    answer.set_cookie(
        COOKIE,
        key,
        max_age,
        path=_root(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _require_own(request: Request) -> None:
    """Refuse a form that stands in a page of somebody else. Raises CrossOriginRefused."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_own = site in (None, "same-origin", "none")
    if origin is not None and site is None:
        is_own = urlsplit(origin).netloc == request.headers.get("host")
    if not is_own:
        raise CrossOriginRefused("A key is entered on this service's own page only.")


def _within(request: Request, to: str | None) -> str:
    """An address of ours to go on to, and no other."""
    root = _root(request)
    if to is not None and to.startswith(root) and _OWN.fullmatch(to) and "/key" not in to:
        return to
    return f"{root}/"


def _root(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}{ROOT}"
