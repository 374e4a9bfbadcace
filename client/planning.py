"""The service as a Python object.

with PlanningClient("http://127.0.0.1:8000") as planning:
    plan = planning.solve("robust", request)
"""

import json
import logging
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self
from urllib.parse import quote

import httpx

from client.events import Event, events

Json = dict[str, Any]
Collection = Literal["devices", "models", "channels", "servers", "timings"]
Kind = Literal["robust", "stopping", "multi-user", "adaptive"]

PROBLEM = "application/problem+json"
ENDED = frozenset({"solved", "infeasible", "failed", "cancelled", "timed_out"})
MEASUREMENT_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}

log = logging.getLogger("splitplan.client")

# The service says something every 15 s while a plan is followed: after so much silence nobody is
# there.
_SILENCE_S = 40.0
# How often a plan is looked at where its events do not come through.
_LOOK_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
# Answers that are about the moment and not about the request.
_PASSING = frozenset({429, 502, 503, 504})
# Of those, the ones that say that nothing was begun, so that any request may come again.
_NOT_BEGUN = frozenset({"/v1/problem-types/queue-full", "/v1/problem-types/importer-busy"})
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout)
_LOST_CONNECTION = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class PlanningError(Exception):
    """The service refused, or did not answer as itself.

    Attributes
    ----------
    type: address of the problem type, `/v1/problem-types/...`; `about:blank` where it was not the
    service that answered status: HTTP status
    detail: what happened, in a sentence
    errors: the faults of the request, `{"pointer", "detail", "parameter"?}`, at most 100
    instance: the occurrence in the service's log, for failures of its own
    title: the problem type's, in a few words
    """

    def __init__(
        self,
        problem_type: str,
        status: int,
        detail: str,
        errors: list[Json] | None = None,
        instance: str | None = None,
        title: str | None = None,
    ) -> None:
        self.type = problem_type
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.instance = instance
        self.title = title or detail
        faults = (
            f"{fault['pointer'] or fault.get('parameter') or '/'}: {fault['detail']}"
            for fault in self.errors
        )
        super().__init__("\n  ".join([f"{status} {detail} ({problem_type})", *faults]))


class PlanningClient:
    """A connection to one planning service.

    Every method raises PlanningError, or httpx.TransportError without answer.

    While the service is away or busy (no connection, 429, 502, 503, 504), requests that are safe to
    repeat are sent again, after the pause it asks for or else after growing pauses. Planning
    requests are safe, since each carries an Idempotency-Key. What would be stored twice (profiles,
    models, measurements, validations) is sent again only where it is certain that nothing was
    begun. Each repetition is a warning of the logger `splitplan.client`.

    Parameters
    ----------
    url: address of the service
    timeout_s: the longest silence while an answer is awaited; the request's `time_limit_s` is what
    limits planning patience_s: how long a request is tried again before its failure is raised; 0:
    never api_key: sent as `Authorization: Bearer`, for services that ask for keys
    transport: how bytes travel; httpx's own by default
    """

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

    def ready(self) -> Json:
        """What `/readyz` says at this moment."""
        return self._json("GET", "/readyz", patience_s=0.0)

    # Profiles

    def create(self, collection: Collection, profile: Mapping[str, Any]) -> Json:
        """Store revision 1 of a new name."""
        return self._json("POST", f"/v1/{collection}", json=profile)

    def profile(self, collection: Collection, name: str, revision: int | None = None) -> Json:
        """A profile: its latest revision, or the one asked for."""
        address = _address("v1", collection, name)
        return self._json("GET", address if revision is None else f"{address}/revisions/{revision}")

    def profiles(self, collection: Collection) -> Iterator[Json]:
        """The latest revision of every name, by name; pages are fetched as they are needed."""
        return self._items(f"/v1/{collection}")

    def replace(self, collection: Collection, profile: Mapping[str, Any]) -> Json:
        """Store a profile that was read and changed as a new revision; 412 if another came between.

        `profile` carries the `revision` it was read with.
        """
        headers = {"If-Match": f'"{profile["revision"]}"'}
        return self._json(
            "PUT", _address("v1", collection, profile["name"]), json=profile, headers=headers
        )

    def delete(self, collection: Collection, name: str) -> None:
        """Take a name out of use; its revisions stay."""
        self._send("DELETE", _address("v1", collection, name))

    def import_model(
        self,
        file: Path,
        name: str,
        *,
        shapes: Sequence[str] = (),
        input_byte: Sequence[str] = (),
        max_tensors: int = 1,
        fusion_boundaries: bool = False,
        pareto: bool = False,
    ) -> Json:
        """Store the places to cut the network of an ONNX file as a new model profile; the file is
        sent as it is read.

        Parameters
        ----------
        shapes: an input with its dimensions, `data:1,3,224,224`, for each that leaves some open
        input_byte: what sending an input takes, `data:150528`, where it is not sent as it is
        max_tensors: how many tensors may cross a cut
        fusion_boundaries: leave out cuts inside what a runtime computes in one kernel
        pareto: leave out cuts that another beats in FLOP and bytes
        """
        params = {
            "name": name,
            "shape": list(shapes),
            "input_byte": list(input_byte),
            "max_tensors": max_tensors,
            "fusion_boundaries": fusion_boundaries,
            "pareto": pareto,
        }
        headers = {"Content-Type": "application/octet-stream"}
        with file.open("rb") as opened:
            return self._json(
                "POST", "/v1/models/import", params=params, headers=headers, file=opened
            )

    # Measurements

    def send_measurements(
        self,
        timing: str,
        measured: Mapping[str, Any] | Path,
        *,
        model: str | None = None,
        processor: str | None = None,
        processor_kind: Literal["device", "server"] | None = None,
        model_sha256: str | None = None,
    ) -> Json:
        """Make the next revision of a timing from samples, or hold observed times against the one a
        plan was made with.

        Parameters
        ----------
        measured: samples (`sessions`) or observations (`plan`), or a file with either as JSON, or
        with samples as CSV
            or Parquet, by its suffix
        model, processor, processor_kind, model_sha256: for tables, which have no place for them
        """
        told = {
            "model": model,
            "processor": processor,
            "processor_kind": processor_kind,
            "model_sha256": model_sha256,
        }
        params = {field: value for field, value in told.items() if value is not None}
        address = _address("v1", "timings", timing, "measurements")
        if not isinstance(measured, Path):
            return self._json("POST", address, params=params, json=measured)
        if (media_type := MEASUREMENT_TYPES.get(measured.suffix.lower())) is None:
            raise ValueError(f"{measured} must end in one of {', '.join(MEASUREMENT_TYPES)}")
        with measured.open("rb") as opened:
            return self._json(
                "POST", address, params=params, headers={"Content-Type": media_type}, file=opened
            )

    def measurements(self, timing: str) -> Iterator[Json]:
        """The samples behind a timing's revisions and the observations against them, oldest first,
        in brief.
        """
        return self._items(_address("v1", "timings", timing, "measurements"))

    # Plans

    def solve(
        self,
        kind: Kind,
        request: Mapping[str, Any],
        *,
        key: str | None = None,
        told: Callable[[Json], object] | None = None,
    ) -> Json:
        """Plan a fleet, however long that takes; an infeasible one is an answer too: look at
        `status`.

        Parameters
        ----------
        key: Idempotency-Key. One is made for each call; name one to have the same plan again from
        another call. told: given the plan without its result each time that it has come further,
        where it is solved in the background
        """
        plan = self.submit(kind, request, key=key)
        return plan if plan["status"] in ENDED else self.wait(plan["id"], told=told)

    def submit(
        self,
        kind: Kind,
        request: Mapping[str, Any],
        *,
        respond_async: bool = False,
        key: str | None = None,
    ) -> Json:
        """Order a plan.

        A small one has ended already; a large one, or any with `respond_async`, only has an `id`
        yet.

        `key` as in `solve`: two calls with the same key and request are one plan.
        """
        return self._order(f"/v1/plans/{kind}", request, "application/json", respond_async, key)

    def estimate(self, kind: Kind, request: Mapping[str, Any]) -> Json:
        """What planning this would take; nothing is solved or stored."""
        return self._json(
            "POST", f"/v1/plans/{kind}", json=request, params={"dry_run": "true"}, safe=True
        )

    def replan(
        self,
        plan_id: str,
        patch: Mapping[str, Any],
        *,
        respond_async: bool = False,
        key: str | None = None,
    ) -> Json:
        """Order a plan from an earlier one: its request with a merge patch (RFC 7396), on the
        revisions it pinned.

        `users` is an object keyed by id: null removes one, a new id is a full user. Answered as
        `submit` is.
        """
        address = _address("v1", "plans", plan_id, "replan")
        return self._order(address, patch, "application/merge-patch+json", respond_async, key)

    def wait(self, plan_id: str, *, told: Callable[[Json], object] | None = None) -> Json:
        """The plan once it has ended; `told` as in `solve`."""
        for plan in self.follow(plan_id):
            if told is not None:
                told(plan)
        return self.plan(plan_id)

    def follow(self, plan_id: str) -> Iterator[Json]:
        """The plan without its result each time that it has come further; the last one has ended.

        A connection that breaks is made again, and nothing that happened in between is missed.
        Where events do not come through, the plan is looked at every two seconds. To stop listening
        does not stop the plan.
        """
        address = _address("v1", "plans", plan_id)
        last: Event | None = None
        streaming = True
        while True:
            heard = False
            try:
                for event in self._listen(f"{address}/events", last) if streaming else ():
                    heard, last = True, event
                    yield json.loads(event.data)
                    if event.name == "end":
                        return
            except PlanningError as refused:
                if refused.status == 404 and refused.type != "about:blank":
                    raise
                log.warning("the events of plan %s cannot be had: %s", plan_id, briefly(refused))
            except httpx.ReadTimeout:
                # something on the way that keeps back events keeps back the next ones, too
                streaming = heard
                log.warning("the events of plan %s do not come", plan_id)
            except httpx.TransportError as lost:
                log.warning(
                    "the connection broke while plan %s was followed: %s", plan_id, briefly(lost)
                )
            plan = self.plan(plan_id)
            if not streaming or plan["status"] in ENDED:
                yield plan | {"result": None}
            if plan["status"] in ENDED:
                return
            time.sleep(_LOOK_S if last is None or last.retry_s is None else last.retry_s)

    def cancel(self, plan_id: str, *, keep_best: bool = False) -> Json:
        """Stop a plan: one that waits ends at once, one that is being solved within a second or so;
        ended ones stay.

        With `keep_best` the best plan found so far is its result, where there is one.
        """
        params = {"keep_best": "true"} if keep_best else {}
        return self._json(
            "POST", _address("v1", "plans", plan_id, "cancel"), params=params, safe=True
        )

    def plan(self, plan_id: str) -> Json:
        """A plan as it was answered, or how far it has come."""
        return self._json("GET", _address("v1", "plans", plan_id))

    def current_plan(self, name: str) -> Json:
        """The newest ended plan of a name."""
        return self._json("GET", "/v1/plans/current", params={"name": name})

    def plans(self, **filters: str) -> Iterator[Json]:
        """Plans in brief, newest first; filters: status, kind, name."""
        return self._items("/v1/plans", **filters)

    def users(self, plan_id: str) -> Iterator[Json]:
        """What a plan says of each user, in the order of the request, however many there are."""
        return self._items(f"{_address('v1', 'plans', plan_id)}/users", limit=1000)

    def user(self, plan_id: str, user_id: str) -> Json:
        """What a plan says of one user."""
        return self._json("GET", _address("v1", "plans", plan_id, "users", user_id))

    def forget(self, plan_id: str) -> None:
        """Delete a plan that has ended."""
        self._send("DELETE", _address("v1", "plans", plan_id))

    def validate(
        self,
        plan_id: str,
        *,
        trials: int = 10_000,
        seed: int = 0,
        distributions: Sequence[str] | None = None,
    ) -> Json:
        """Replay a robust plan: how often would its users have been late? The evidence stays with
        the plan.

        Parameters
        ----------
        trials: inferences per user and distribution
        distributions: of `gamma`, `lognormal`, `two_point`, `empirical`; the service's choice by
        default
        """
        asked: Json = {"trials": trials, "seed": seed}
        if distributions is not None:
            asked["distributions"] = list(distributions)
        return self._json("POST", _address("v1", "plans", plan_id, "validations"), json=asked)

    def validations(self, plan_id: str) -> Iterator[Json]:
        """The replays of a plan in brief, newest last."""
        return self._items(_address("v1", "plans", plan_id, "validations"))

    # The way there and back

    def _order(
        self,
        address: str,
        body: Mapping[str, Any],
        media_type: str,
        respond_async: bool,
        key: str | None,
    ) -> Json:
        headers = {"Content-Type": media_type, "Idempotency-Key": key or uuid.uuid4().hex}
        if respond_async:
            headers["Prefer"] = "respond-async"
        return self._json("POST", address, json=body, headers=headers, safe=True)

    def _listen(self, address: str, last: Event | None) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"}
        if last is not None and last.id is not None:
            headers["Last-Event-ID"] = last.id
        with self._http.stream(
            "GET", address, headers=headers, timeout=self._listening
        ) as response:
            if not response.is_success:
                response.read()
                raise _refusal(response)
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                yield from events(response.iter_bytes())

    def _items(self, address: str, **params: str | int) -> Iterator[Json]:
        while True:
            page = self._json("GET", address, params=params)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    def _json(self, method: str, address: str, **how: Any) -> Json:
        response = self._send(method, address, **how)
        answer = _object(response)
        if answer is None:
            raise _not_the_service(response)
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
                failure, asked_s = _refusal(response), _retry_after_s(response)
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


def _address(*steps: str) -> str:
    return "".join("/" + quote(step, safe="") for step in steps)


def briefly(failure: PlanningError | httpx.TransportError) -> str:
    """What happened, in a line."""
    if isinstance(failure, PlanningError):
        return failure.detail
    return re.sub(r"^\[Errno -?\d+\] ", "", str(failure)) or type(failure).__name__


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


def _object(response: httpx.Response) -> Json | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _refusal(response: httpx.Response) -> PlanningError:
    problem = (
        _object(response) if response.headers.get("content-type", "").startswith(PROBLEM) else None
    )
    if problem is None:
        return _not_the_service(response)
    return PlanningError(
        problem.get("type", "about:blank"),
        response.status_code,
        problem.get("detail", response.reason_phrase),
        problem.get("errors"),
        problem.get("instance"),
        problem.get("title"),
    )


def _not_the_service(response: httpx.Response) -> PlanningError:
    """A proxy's error page, or another program on that port."""
    detail = f"{response.url} answered {response.text[:200]!r}, which is not Splitplan's"
    return PlanningError("about:blank", response.status_code, detail)
