"""Which pages of a browser may call the service, and what they may send and read (CORS)."""

from collections.abc import Callable, Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.errors import CrossOriginRefused, SplitplanError

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SENT = (
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "Prefer"),
    *("Idempotency-Key", "Last-Event-ID", "X-Request-ID", "traceparent", "tracestate"),
)
_READ = (
    *("ETag", "Link", "Location", "Preference-Applied", "Retry-After", "X-Request-ID"),
    *("RateLimit", "RateLimit-Policy"),
)


class CrossOrigin(CORSMiddleware):
    """Starlette's, without credentials; a page that may not call is told so as of any problem."""

    def __init__(
        self,
        app: ASGIApp,
        origins: Collection[str],
        refusal: Callable[[SplitplanError, str | None, dict[str, str] | None], Response],
    ) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_SENT,
            expose_headers=_READ,
        )
        self._refusal = refusal

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a browser is told that asks before it calls."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        if self.is_allowed_origin(request_headers["origin"]):
            detail = "Pages may not use this method, or not send these headers: others are allowed."
        else:
            detail = "Pages of this origin may not call the service."
        said = {
            name: value
            for name, value in answer.headers.items()
            if name == "vary" or name.startswith("access-control-")
        }
        return self._refusal(CrossOriginRefused(detail), None, said)
