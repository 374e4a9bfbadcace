"""Plans of a planning service: ordered, followed, found again, replayed."""

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx

from client.connection import Connection, address
from client.errors import Json, PlanningError, briefly
from client.events import Event

Kind = Literal["robust", "stopping", "multi-user", "adaptive"]

ENDED = frozenset({"solved", "infeasible", "failed", "cancelled", "timed_out"})
UNENDED = frozenset({"queued", "running"})

TABLES = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".arrows": "application/vnd.apache.arrow.stream",
}
"""The media types of tables of users, by the suffix of their files."""

log = logging.getLogger("splitplan.client")

# How often a plan is looked at where its events do not come through.
_LOOK_S = 2.0


class Plans(Connection):
    """What a service plans."""

    def solve(
        self,
        kind: Kind,
        request: Mapping[str, Any],
        *,
        users: Path | None = None,
        key: str | None = None,
        told: Callable[[Json], object] | None = None,
    ) -> Json:
        """Plan a fleet, however long that takes; an infeasible one is an answer too: look at
        `status`.

        Parameters
        ----------
        users: a table of the users (.csv, .tsv, .parquet, .arrow), whose columns are called as
            their fields are; the request then says everything else
        key: Idempotency-Key. One is made for each call; name one to have the same plan again from
            another call.
        told: given the plan without its result each time that it has come further, where it is
            solved in the background
        """
        plan = self.submit(kind, request, users=users, key=key)
        return plan if plan["status"] in ENDED else self.wait(plan["id"], told=told)

    def submit(
        self,
        kind: Kind,
        request: Mapping[str, Any],
        *,
        users: Path | None = None,
        respond_async: bool = False,
        key: str | None = None,
    ) -> Json:
        """Order a plan.

        A small one has ended already; a large one, or any with `respond_async`, only has an `id`
        yet.

        `users` and `key` as in `solve`: two calls with the same key and request are one plan.
        """
        body = {"json": request} if users is None else _table(request, users)
        return self._order(f"/v1/plans/{kind}", respond_async, key, **body)

    def estimate(
        self, kind: Kind, request: Mapping[str, Any], *, users: Path | None = None
    ) -> Json:
        """What planning this would take; nothing is solved or stored. `users` as in `solve`."""
        body: Json = {"json": request} if users is None else _table(request, users)
        body["params"] = body.get("params", {}) | {"dry_run": "true"}
        return self._json("POST", f"/v1/plans/{kind}", safe=True, **body)

    def replan(
        self,
        plan_id: str,
        patch: Mapping[str, Any],
        *,
        respond_async: bool = False,
        key: str | None = None,
        if_current: bool = False,
    ) -> Json:
        """Order a plan from an earlier one: its request with a merge patch (RFC 7396), on the
        revisions it pinned.

        `users` is an object keyed by id: null removes one, a new id is a full user. Answered as
        `submit` is. With `if_current` the plan is made only to replace the earlier one, and refused
        with status 412 where that is replaced already, or about to be.
        """
        path = address("v1", "plans", plan_id, "replan")
        headers = {"Content-Type": "application/merge-patch+json"}
        headers |= {"If-Match": "*"} if if_current else {}
        return self._order(path, respond_async, key, headers=headers, json=patch)

    def repairs(
        self, plan_id: str, prices: Mapping[str, Any], *, time_limit_s: float | None = None
    ) -> Json:
        """What would give an infeasible plan's request a plan, cheapest first, each planned and
        checked; the plan stays as it is. Its `patch` is what `replan` takes.

        Refused (409) where the plan is not infeasible.

        Parameters
        ----------
        prices: of changes, whose units are in the names: `drop`, `users` (by id; None: it has to
            stay), `deadline_per_s`, `risk`, `bandwidth_per_hz`, `server_per_inference`,
            `server_per_flop_per_s`; what has no price is not changed
        """
        asked: Json = {"prices": dict(prices)}
        if time_limit_s is not None:
            asked["time_limit_s"] = time_limit_s
        path = address("v1", "plans", plan_id, "repairs")
        return self._json("POST", path, json=asked, safe=True)

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
        path = address("v1", "plans", plan_id)
        last: Event | None = None
        streaming = True
        while True:
            heard = False
            try:
                for event in self._listen(f"{path}/events", last) if streaming else ():
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
            "POST", address("v1", "plans", plan_id, "cancel"), params=params, safe=True
        )

    def plan(self, plan_id: str) -> Json:
        """A plan as it was answered, or how far it has come."""
        return self._json("GET", address("v1", "plans", plan_id))

    def plans(self, **filters: str) -> Iterator[Json]:
        """Plans in brief, newest first; filters: status, kind, name."""
        return self._items("/v1/plans", **filters)

    def users(self, plan_id: str) -> Iterator[Json]:
        """What a plan says of each user, in the order of the request, however many there are."""
        return self._items(f"{address('v1', 'plans', plan_id)}/users", limit=1000)

    def user(self, plan_id: str, user_id: str) -> Json:
        """What a plan says of one user."""
        return self._json("GET", address("v1", "plans", plan_id, "users", user_id))

    def compare(self, before: str, after: str) -> Json:
        """What distinguishes two ended plans of one kind; its `summary` says it in words."""
        return self._json("GET", address("v1", "plans", before, "compare", after))

    def changed_users(
        self, before: str, after: str, *, change: str | None = None
    ) -> Iterator[Json]:
        """Whom two plans tell different things, how and why; `change`: only who changed so."""
        filters = {} if change is None else {"change": change}
        path = address("v1", "plans", before, "compare", after, "users")
        return self._items(path, limit=1000, **filters)

    def explain(self, plan_id: str, user_id: str) -> Json:
        """Why a user has its cut, what would make another win, and what the cell owes to it."""
        path = address("v1", "plans", plan_id, "explain")
        return self._json("GET", path, params={"user": user_id})

    def forget(self, plan_id: str) -> None:
        """Delete a plan that has ended."""
        self._send("DELETE", address("v1", "plans", plan_id))

    def validate(
        self,
        plan_id: str,
        *,
        trials: int = 10_000,
        seed: int = 0,
        distributions: Sequence[str] | None = None,
        told: Callable[[Json], object] | None = None,
    ) -> Json:
        """Replay a robust plan, however long that takes: how often would its users have been late?

        The evidence stays with the plan. One that failed, or that someone cancelled, has none: look
        at `status`, which is `replayed` where it has.

        Parameters
        ----------
        trials: inferences per user and distribution
        distributions: of `gamma`, `lognormal`, `two_point`, `empirical`; the service's choice by
            default
        told: given the validation each time it was looked at, where it is made in the background
        """
        asked: Json = {"trials": trials, "seed": seed}
        if distributions is not None:
            asked["distributions"] = list(distributions)
        path = address("v1", "plans", plan_id, "validations")
        found = self._json("POST", path, json=asked)
        while found.get("status") in UNENDED:
            if told is not None:
                told(found)
            time.sleep(_LOOK_S)
            found = self.validation(plan_id, found["number"])
        return found

    def validation(self, plan_id: str, number: int) -> Json:
        """A validation as it was answered, or how far it has come."""
        return self._json("GET", address("v1", "plans", plan_id, "validations", str(number)))

    def cancel_validation(self, plan_id: str, number: int) -> Json:
        """Stop a validation within a second or so; ended ones stay."""
        path = address("v1", "plans", plan_id, "validations", str(number), "cancel")
        return self._json("POST", path, safe=True)

    def request(self, plan_id: str) -> Json:
        """The request of a plan as it was sent; of one in columns everything but the users."""
        return self._json("GET", address("v1", "plans", plan_id, "request"))

    def bundle(self, plan_id: str) -> Iterator[bytes]:
        """All that a plan was made of, as JSON in pieces: for a file that `splitplan replay` reads.

        Refused (409) where the plan has not ended or has nothing to say.
        """
        return self._pieces(address("v1", "plans", plan_id, "bundle"))

    def validations(self, plan_id: str) -> Iterator[Json]:
        """The replays of a plan in brief, newest last."""
        return self._items(address("v1", "plans", plan_id, "validations"))

    def _order(self, address: str, respond_async: bool, key: str | None, **body: Any) -> Json:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, **body.pop("headers", {})}
        if respond_async:
            headers["Prefer"] = "respond-async"
        return self._json("POST", address, headers=headers, safe=True, **body)


def _table(terms: Mapping[str, Any], users: Path) -> Json:
    """A table of users as it is sent, with everything else of the request in the address."""
    if (media_type := TABLES.get(users.suffix.lower())) is None:
        raise ValueError(f"{users} must end in one of {', '.join(TABLES)}")
    params = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in terms.items()
        if value is not None
    }
    headers = {"Content-Type": media_type}
    return {"params": params, "headers": headers, "content": users.read_bytes()}
