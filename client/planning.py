"""The service as a Python object.

with PlanningClient("http://127.0.0.1:8000") as planning:
    plan = planning.plan_robust(request)
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

Json = dict[str, Any]
Collection = Literal["devices", "models", "channels", "servers", "timings"]

PROBLEM = "application/problem+json"


class PlanningError(Exception):
    """The service refused, or did not answer as itself.

    Attributes
    ----------
    type: address of the problem type, `/v1/problem-types/...`; `about:blank` where it was not the service that answered
    status: HTTP status
    detail: what happened, in a sentence
    errors: the faults of the request, `{"pointer", "detail", "parameter"?}`, at most 100
    instance: the occurrence in the service's log, for failures of its own
    """

    def __init__(
        self, problem_type: str, status: int, detail: str, errors: list[Json] | None = None, instance: str | None = None
    ) -> None:
        self.type = problem_type
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.instance = instance
        faults = (f"{fault['pointer'] or fault.get('parameter') or '/'}: {fault['detail']}" for fault in self.errors)
        super().__init__("\n  ".join([f"{status} {detail} ({problem_type})", *faults]))


class PlanningClient:
    """A connection to one planning service. Every method raises PlanningError, or httpx.TransportError without answer.

    Parameters
    ----------
    url: address of the service
    timeout_s: the longest silence while an answer is awaited; the request's `time_limit_s` is what limits planning
    transport: how bytes travel; httpx's own by default
    """

    def __init__(self, url: str, timeout_s: float = 90.0, transport: httpx.BaseTransport | None = None) -> None:
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0))
        self._http = httpx.Client(base_url=url, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def ready(self) -> Json:
        """What `/readyz` says."""
        return self._json("GET", "/readyz")

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
        return self._json("PUT", _address("v1", collection, profile["name"]), json=profile, headers=headers)

    def delete(self, collection: Collection, name: str) -> None:
        """Take a name out of use; its revisions stay."""
        self._send("DELETE", _address("v1", collection, name))

    def plan_robust(self, request: Mapping[str, Any]) -> Json:
        """Plan a cell; an infeasible one is an answer too: look at `status`."""
        return self._json("POST", "/v1/plans/robust", json=request)

    def estimate_robust(self, request: Mapping[str, Any]) -> Json:
        """What planning this cell would take; nothing is solved or stored."""
        return self._json("POST", "/v1/plans/robust", json=request, params={"dry_run": "true"})

    def plan(self, plan_id: str) -> Json:
        """A plan as it was answered."""
        return self._json("GET", _address("v1", "plans", plan_id))

    def current_plan(self, name: str) -> Json:
        """The newest plan of a name."""
        return self._json("GET", "/v1/plans/current", params={"name": name})

    def plans(self, **filters: str) -> Iterator[Json]:
        """Plans in brief, newest first; filters: status, kind, name."""
        return self._items("/v1/plans", **filters)

    def plan_users(self, plan_id: str) -> Iterator[Json]:
        """What a plan says of each user, in the order of the request, however many there are."""
        return self._items(f"{_address('v1', 'plans', plan_id)}/users", limit=1000)

    def plan_user(self, plan_id: str, user_id: str) -> Json:
        """What a plan says of one user."""
        return self._json("GET", _address("v1", "plans", plan_id, "users", user_id))

    def delete_plan(self, plan_id: str) -> None:
        """Forget a plan."""
        self._send("DELETE", _address("v1", "plans", plan_id))

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

    def _send(self, method: str, address: str, **how: Any) -> httpx.Response:
        response = self._http.request(method, address, **how)
        if response.is_success:
            return response
        problem = _object(response) if response.headers.get("content-type", "").startswith(PROBLEM) else None
        if problem is None:
            raise _not_the_service(response)
        raise PlanningError(
            problem.get("type", "about:blank"),
            response.status_code,
            problem.get("detail", response.reason_phrase),
            problem.get("errors"),
            problem.get("instance"),
        )


def _address(*steps: str) -> str:
    return "".join("/" + quote(step, safe="") for step in steps)


def _object(response: httpx.Response) -> Json | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _not_the_service(response: httpx.Response) -> PlanningError:
    """A proxy's error page, or another program on that port."""
    detail = f"{response.url} answered {response.text[:200]!r}, which is not Splitplan's"
    return PlanningError("about:blank", response.status_code, detail)
