"""The mixture of `benchmarks.load`: what devices, controllers and operators ask."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.lean_client import Answer, Broken, Web
from benchmarks.open_loop import Kind
from benchmarks.rig import a_request

ROBUST = "/v1/plans/robust"
NAMES = tuple(f"hall-{n}" for n in range(10))
_DEVICES, _USERS, _REPORTS, _INFERENCES = 50, 3, 3, 300
# Plans that are looked at are among so many of the latest.
_RECENT = 200
_HOLD = frozenset({200, 304})


@dataclass(frozen=True, slots=True)
class Order:
    """A plan that a client wants, however often it has to ask."""

    key: str
    body: dict[str, Any]
    prefer: str | None = None


@dataclass(slots=True)
class Stock:
    """What there is to ask for, as clients know it."""

    plans: deque[str] = field(default_factory=lambda: deque(maxlen=_RECENT))
    accepted: dict[str, str] = field(default_factory=dict)
    """The plan of each key that was answered 200, 201 or 202."""
    unanswered: deque[Order] = field(default_factory=deque)
    """To be sent again: nobody knows what became of them."""
    tags: dict[str, str] = field(default_factory=dict)
    """The entity tag that a client holds of each address."""
    written: list[tuple[str, str, float]] = field(default_factory=list)
    """Device, entity tag and power of each PUT that was answered 200."""
    sequences: dict[str, int] = field(default_factory=dict)
    """The last sequence number of each plan that was reported on."""
    counted: Counter[str] = field(default_factory=Counter)
    """Inferences of each plan in reports that were answered 200."""
    sent: Counter[str] = field(default_factory=Counter)
    """Inferences of each plan in all reports."""
    devices: deque[str] = field(default_factory=deque)
    """Who is not being changed: nobody changes a device that another is changing."""


class Fleet:
    """Clients of one or more webs, which they ask by turns."""

    def __init__(self, webs: list[Web], seed: int) -> None:
        self._webs, self._turn = webs, 0
        self._chance = random.Random(seed)
        self._orders = 0
        self._in_doubt: set[str] = set()
        self.stock = Stock()

    def web(self) -> Web:
        """The web whose turn it is."""
        self._turn += 1
        return self._webs[self._turn % len(self._webs)]

    def schedule(self) -> Iterator[Kind]:
        """Kinds of requests without end, each as often as its share says."""
        kinds = self.kinds()
        shares = [kind.share for kind in kinds]
        while True:
            yield from self._chance.choices(kinds, shares, k=1000)

    def kinds(self) -> list[Kind]:
        """The mixture, with each kind's share of all requests."""
        # One that was not answered is asked for again by whichever comes next.
        made = frozenset({200, 201, 202})
        return [
            Kind("device, unchanged (304)", 0.15, self.held_device, _HOLD),
            Kind("device", 0.12, self.device),
            Kind("plan", 0.12, self.plan),
            Kind("user of a plan", 0.10, self.user),
            Kind("current plan of a name (304 if unchanged)", 0.12, self.current, _HOLD),
            Kind("current decision of a device (304 if unchanged)", 0.08, self.current_user, _HOLD),
            Kind("list of plans", 0.04, self.plans),
            Kind("list of devices", 0.04, self.devices),
            Kind("/readyz", 0.02, self.readyz),
            Kind("/metrics", 0.01, self.metrics),
            Kind("events of an ended plan (SSE)", 0.04, self.events),
            Kind("events of a name, the first (SSE)", 0.02, self.first_event),
            Kind("12 users to plan, answered at once", 0.01, self.plan_of_12, made),
            Kind("3 users to plan, answered at once", 0.03, self.plan_at_once, made),
            Kind("3 users to plan, in the background", 0.02, self.plan_later, made),
            Kind("9 reports of 3 devices", 0.05, self.report),
            Kind("PUT of a device, If-Match", 0.03, self.put),
        ]

    async def prepare(self) -> None:
        """Devices to change, and plans to look at."""
        web = self.web()
        while (await web.get("/readyz")).status_code != 200:  # until a worker lives
            await asyncio.sleep(0.2)
        body = (await web.get("/v1/devices/jetson-xavier-nx-cpu")).json()
        for key in ("name", "revision", "created_at"):
            body.pop(key, None)
        self._device: dict[str, Any] = body
        for n in range(_DEVICES):
            answer = await web.post("/v1/devices", self._device | {"name": f"camera-{n}"})
            self._keep(f"/v1/devices/camera-{n}", answer)
            self.stock.devices.append(f"camera-{n}")
        for n, name in enumerate(NAMES * 2):
            body = a_request(_USERS, seed=n, gap=1e-6) | {"name": name}
            await self.order(Order(f"first-{n}", body))

    def _keep(self, address: str, answer: Answer) -> Answer:
        if answer.status_code in (200, 201):
            self.stock.tags[address] = answer.headers["etag"]
        return answer

    async def _get_held(self, address: str) -> Answer:
        tag = self.stock.tags.get(address)
        headers = {} if tag is None else {"If-None-Match": tag}
        return self._keep(address, await self.web().get(address, headers=headers))

    def _one_of(self, things: Any) -> Any:
        return things[self._chance.randrange(len(things))]

    async def held_device(self) -> Answer:
        return await self._get_held(f"/v1/devices/camera-{self._chance.randrange(_DEVICES)}")

    async def device(self) -> Answer:
        return await self.web().get(f"/v1/devices/camera-{self._chance.randrange(_DEVICES)}")

    async def plan(self) -> Answer:
        return await self.web().get(f"/v1/plans/{self._one_of(self.stock.plans)}")

    async def user(self) -> Answer:
        user = f"camera-{self._chance.randrange(_USERS)}"
        return await self.web().get(f"/v1/plans/{self._one_of(self.stock.plans)}/users/{user}")

    async def current(self) -> Answer:
        return await self._get_held(f"/v1/plans/current?name={self._one_of(NAMES)}")

    async def current_user(self) -> Answer:
        user = f"camera-{self._chance.randrange(_USERS)}"
        return await self._get_held(f"/v1/plans/current/users/{user}?name={self._one_of(NAMES)}")

    async def plans(self) -> Answer:
        return await self.web().get("/v1/plans?limit=20")

    async def devices(self) -> Answer:
        return await self.web().get("/v1/devices?limit=20")

    async def readyz(self) -> Answer:
        return await self.web().get("/readyz")

    async def metrics(self) -> Answer:
        return await self.web().get("/metrics")

    async def events(self) -> Answer:
        return await self.web().get(f"/v1/plans/{self._one_of(self.stock.plans)}/events")

    async def first_event(self) -> Answer:
        address = f"/v1/plans/current/events?name={self._one_of(NAMES)}"
        return await self.web().get(address, enough=lambda told: b"data: " in told)

    async def order(self, order: Order) -> Answer:
        """Ask for a plan; one without an answer is asked for again later. Raises Broken."""
        headers = {"Idempotency-Key": order.key}
        headers |= {} if order.prefer is None else {"Prefer": order.prefer}
        try:
            answer = await self.web().post(ROBUST, order.body, headers=headers)
        except Broken:
            self.stock.unanswered.append(order)
            raise
        if answer.status_code in (200, 201, 202):
            told = answer.json()
            self.stock.accepted[order.key] = told["id"]
            if told["status"] == "solved":
                self.stock.plans.append(told["id"])
        else:
            self.stock.unanswered.append(order)
        return answer

    async def _plan(self, users: int, prefer: str | None = None) -> Answer:
        if self.stock.unanswered:
            return await self.order(self.stock.unanswered.popleft())
        body = a_request(users, seed=self._chance.randrange(10**6), gap=1e-6)
        body |= {"name": self._one_of(NAMES)}
        self._orders += 1
        return await self.order(Order(f"key-{self._orders}", body, prefer))

    async def plan_of_12(self) -> Answer:
        return await self._plan(12)

    async def plan_at_once(self) -> Answer:
        return await self._plan(_USERS)

    async def plan_later(self) -> Answer:
        return await self._plan(_USERS, "respond-async")

    async def report(self) -> Answer:
        stock, plan = self.stock, self._one_of(self.stock.plans)
        before = stock.sequences.get(plan, 0)
        stock.sequences[plan] = before + _REPORTS
        reports = [
            {
                "user": f"camera-{user}",
                "sequence": before + n,
                "inferences": _INFERENCES,
                "misses": 0,
            }
            for user in range(_USERS)
            for n in range(1, _REPORTS + 1)
        ]
        stock.sent[plan] += _INFERENCES * len(reports)
        answer = await self.web().post(f"/v1/plans/{plan}/observations", {"reports": reports})
        if answer.status_code == 200:
            stock.counted[plan] += _INFERENCES * len(reports)
        return answer

    async def put(self) -> Answer:
        if not self.stock.devices:
            raise Broken("all devices are being changed already")
        name = self.stock.devices.popleft()
        try:
            return await self._put(name, f"/v1/devices/{name}")
        finally:
            self.stock.devices.append(name)

    async def _put(self, name: str, address: str) -> Answer:
        if name in self._in_doubt:  # whether the last one was stored
            answer = self._keep(address, await self.web().get(address))
            if answer.status_code != 200:
                return answer
        self._in_doubt.add(name)
        power_w = round(self._chance.uniform(0.1, 0.2), 6)
        body = self._device | {"name": name, "tx_power_w": power_w}
        headers = {"If-Match": self.stock.tags[address]}
        answer = self._keep(address, await self.web().ask("PUT", address, body, headers=headers))
        # What says that nothing was changed is believed: were it wrong, the next would be refused.
        if answer.status_code == 200 or b"nothing was changed" in answer.content.lower():
            self._in_doubt.discard(name)
        if answer.status_code == 200:
            self.stock.written.append((address, answer.headers["etag"], power_w))
        return answer


@dataclass(slots=True)
class Listener:
    """Follows a name for ever, and comes back where it is cut off."""

    web: Web
    name: str
    events: int = 0
    returns: int = 0
    latest: dict[str, Any] = field(default_factory=dict)
    _last: str | None = None
    _rest: bytes = b""

    async def run(self) -> None:
        """Listen until cancelled."""
        address = f"/v1/plans/current/events?name={self.name}"
        while True:
            headers = {} if self._last is None else {"Last-Event-ID": self._last}
            with suppress(Broken):
                await self.web.get(address, headers=headers, enough=self._hear, within_s=1e6)
            self.returns += 1
            await asyncio.sleep(1.0)

    def _hear(self, told: bytes) -> bool:
        self._rest += told
        *events, self._rest = self._rest.split(b"\n\n")
        for event in events:
            said = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
            if b"data" in said:
                self.latest, self._last = orjson.loads(said[b"data"]), said[b"id"].decode()
                self.events += 1
        return False
