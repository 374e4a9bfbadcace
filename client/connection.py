"""The way to a planning service and back: repeated where that is safe, page by page, as events."""

import logging
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import httpx

from client.errors import Json, PlanningError, briefly, json_object, not_the_service, refusal
from client.events import Event, events

log = logging.getLogger("splitplan.client")

# The service says something every 15 s while a plan is followed: after so much silence nobody is
# there.
_SILENCE_S = 40.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
# Answers that are about the moment and not about the request.
_PASSING = frozenset({429, 502, 503, 504})
# Of those, the ones that say that nothing was begun, so that any request may come again.
_NOT_BEGUN = frozenset({"/v1/problem-types/queue-full", "/v1/problem-types/importer-busy"})
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout)
_LOST_CONNECTION = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class Connection:
    """Requests to one planning service, sent again while it is away; see `PlanningClient`."""

    def __init__(
        self,
        url: str,
        timeout_s: float = 90.0,
        patience_s: float = 30.0,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        connect_s = min(timeout_s, 5.0)
        timeout = httpx.Timeout(timeout_s, connect=connect_s)
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(
            base_url=url, timeout=timeout, headers=headers, transport=transport
        )
        self._listening = httpx.Timeout(
            timeout_s, connect=connect_s, read=min(timeout_s, _SILENCE_S)
        )
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _listen(self, address: str, last: Event | None) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"}
        if last is not None and last.id is not None:
            headers["Last-Event-ID"] = last.id
        with self._http.stream(
            "GET", address, headers=headers, timeout=self._listening
        ) as response:
            if not response.is_success:
                response.read()
                raise refusal(response)
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                yield from events(response.iter_bytes())

    def _pieces(self, address: str) -> Iterator[bytes]:
        """An answer that may be large, piece by piece."""
        with self._http.stream("GET", address) as response:
            if not response.is_success:
                response.read()
                raise refusal(response)
            yield from response.iter_bytes()

    def _items(self, address: str, **params: str | int) -> Iterator[Json]:
        while True:
            page = self._json("GET", address, params=params)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    def _json(self, method: str, address: str, **how: Any) -> Json:
        response = self._send(method, address, **how)
        answer = json_object(response)
        if answer is None:
            raise not_the_service(response)
        return answer

    def _send(
        self,
        method: str,
        address: str,
        *,
        safe: bool | None = None,
        patience_s: float | None = None,
        file: BinaryIO | None = None,
        **how: Any,
    ) -> httpx.Response:
        """Send until it is answered or patience ends; only what is `safe` (by default, a GET) may
        arrive twice.
        """
        safe = method == "GET" if safe is None else safe
        until = time.monotonic() + (self._patience_s if patience_s is None else patience_s)
        pause_s = _FIRST_PAUSE_S
        while True:
            asked_s: float | None = None
            if file is not None:
                file.seek(0)
                how["content"] = file
            failure: PlanningError | httpx.TransportError
            try:
                response = self._http.request(method, address, **how)
                if response.is_success:
                    return response
                failure, asked_s = refusal(response), _retry_after_s(response)
                again = failure.status in _PASSING and (
                    safe or failure.status == 429 or failure.type in _NOT_BEGUN
                )
            except httpx.TransportError as lost:
                failure, again = (
                    lost,
                    isinstance(lost, _LOST_CONNECTION if safe else _NO_CONNECTION),
                )
            # Pauses of their own length, so that those who were sent away together do not come back
            # together.
            wait_s = max(asked_s or 0.0, pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (nothing secret)
            if not again or time.monotonic() + wait_s > until:
                raise failure
            log.warning(
                "%s %s: %s; trying again in %.1f s", method, address, briefly(failure), wait_s
            )
            time.sleep(wait_s)
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)


def address(*steps: str) -> str:
    """A path of steps that may hold anything."""
    return "".join("/" + quote(step, safe="") for step in steps)


def _retry_after_s(response: httpx.Response) -> float | None:
    """The pause that an answer asks for: a number of seconds, or a date."""
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
