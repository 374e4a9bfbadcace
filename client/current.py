"""The current plan of a name: read, and followed by those who carry it out."""

import json
import logging
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx

from client.connection import Connection, address
from client.errors import Json, PlanningError, briefly
from client.events import Event

log = logging.getLogger("splitplan.client")

_CURRENT = "/v1/plans/current"
# How often the plan is looked at where events do not come through.
_LOOK_S = 2.0
# More users than this are read page by page, together with the others.
_ONE_BY_ONE = 100


class Current(Connection):
    """What is in force under a name."""

    def current_plan(self, name: str, *, any_ended: bool = False) -> Json:
        """The newest plan of a name with a result; with `any_ended` the newest that has ended."""
        params = {"name": name} | ({"any": "true"} if any_ended else {})
        return self._json("GET", _CURRENT, params=params)

    def current_user(self, name: str, user_id: str) -> Json:
        """What one device should do by the current plan of a name."""
        at = address("v1", "plans", "current", "users", user_id)
        return self._json("GET", at, params={"name": name})

    def follow_name(self, name: str, *, after: str | None = None) -> Iterator[Json]:
        """How a name stands, and then each time that it has another current plan, or that the one
        it has is revoked; without end.

        Each is the data of an event of the service, with its id as `event`: name that as `after`
        to go on from there in another process. A connection that breaks is made again, and nothing
        that happened in between is missed. Where events do not come through, the current plan is
        looked at every two seconds, and `event` is null.
        """
        path = f"{_CURRENT}/events?name={quote(name, safe='')}"
        last = None if after is None else Event("", "", after, None)
        while True:
            heard = False
            try:
                for event in self._listen(path, last):
                    heard, last = True, event
                    yield json.loads(event.data) | {"event": event.id}
            except PlanningError as refused:
                if refused.type != "about:blank" and refused.status < 500:
                    raise
                log.warning("the events of %s cannot be had: %s", name, briefly(refused))
            except httpx.ReadTimeout:
                if not heard:  # something on the way keeps them back, and the next ones too
                    log.warning("the events of %s do not come", name)
                    yield from self._looked_at(name)
            except httpx.TransportError as lost:
                log.warning("the connection broke while %s was followed: %s", name, briefly(lost))
            time.sleep(_LOOK_S if last is None or last.retry_s is None else last.retry_s)

    def decisions(self, news: Json) -> Iterator[tuple[str, Json | None]]:
        """Whom news of `follow_name` concern, and what each is to do now; None: the plan says
        nothing of it any more.

        All users where there is nothing to compare with. What they do is read from the plan that is
        current by now: carried out in the order of the news, it ends with the newest.
        """
        name, changes = news["name"], news["changes"]
        if news["because"] == "revoked" or news["plan"] is None:
            return
        if changes is None:
            yield from self._everybody(name)
            return
        concerned = [user["id"] for user in self._changed(changes)]
        if len(concerned) > _ONE_BY_ONE:
            every = dict(self._everybody(name))
            yield from ((user_id, every.get(user_id)) for user_id in concerned)
            return
        for user_id in concerned:
            try:
                yield user_id, self.current_user(name, user_id)
            except PlanningError as refused:
                if refused.status != 404 or refused.type == "about:blank":
                    raise
                yield user_id, None

    def _changed(self, changes: Json) -> Iterator[Json]:
        if "users" in changes:
            yield from changes["users"]
            return
        url = httpx.URL(changes["users_url"])
        yield from self._items(url.path, **dict(url.params), limit=1000)

    def _everybody(self, name: str) -> Iterator[tuple[str, Json]]:
        plan = self.current_plan(name)
        found = plan["result"].get("users")
        if found is None:
            found = self._items(address("v1", "plans", plan["id"], "users"), limit=1000)
        for user in found:
            yield user["id"], user

    def _looked_at(self, name: str) -> Iterator[Json]:
        """How a name stands each time that it is found to stand differently."""
        known: tuple[object, object] | None = None
        while True:
            try:
                plan: Json | None = self.current_plan(name)
            except PlanningError as refused:
                if refused.status != 404 or refused.type == "about:blank":
                    raise
                plan = None
            stands = (plan and plan["id"], plan and plan.get("revoked"))
            if stands != known:
                known = stands
                yield {
                    "name": name,
                    "because": "asked",
                    "plan": plan and plan["id"],
                    "kind": plan and plan["kind"],
                    "status": plan and plan["status"],
                    "users_count": plan["users_count"] if plan else 0,
                    "previous": None,
                    **({"revoked": plan["revoked"]} if plan and "revoked" in plan else {}),
                    "changes": None,
                    "event": None,
                }
            time.sleep(_LOOK_S)
