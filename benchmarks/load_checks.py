"""What became of all that a service accepted under load."""

import asyncio

from app.db import Database
from benchmarks.chaos import verdict, wait_until_ended
from benchmarks.lean_client import Broken
from benchmarks.load_kinds import Fleet, Listener

_PATIENCE_S = 180.0


async def missing(fleet: Fleet, listeners: list[Listener], database: Database) -> list[str]:
    """What was accepted and is not there as it should be, in words; plans without an answer are
    asked for until they have one.
    """
    async with asyncio.timeout(_PATIENCE_S):
        while fleet.stock.unanswered:
            try:
                await fleet.order(fleet.stock.unanswered.popleft())
            except Broken:
                await asyncio.sleep(0.5)
    await asyncio.to_thread(wait_until_ended, database, _PATIENCE_S)
    await asyncio.sleep(3.0)  # the last events are on their way
    found = [*await _devices(fleet), *await _reports(fleet), *await _names(fleet, listeners)]
    try:
        await asyncio.to_thread(verdict, database, fleet.stock.accepted)
    except AssertionError as fault:
        found.append(str(fault))
    return found


async def _devices(fleet: Fleet) -> list[str]:
    found = []
    for address, tag, power_w in fleet.stock.written:
        number = tag.strip('"')
        answer = await fleet.web().get(f"{address}/revisions/{number}")
        if answer.status_code != 200 or answer.json()["tx_power_w"] != power_w:
            found.append(f"{address} revision {tag}: {answer.told}")
    return found


async def _reports(fleet: Fleet) -> list[str]:
    found = []
    for plan, counted in fleet.stock.counted.items():
        answer = await fleet.web().get(f"/v1/plans/{plan}/observations")
        if not counted <= answer.json()["inferences"] <= fleet.stock.sent[plan]:
            found.append(f"reports of {plan}: {answer.content[:200]!r}, {counted} were counted")
    return found


async def _names(fleet: Fleet, listeners: list[Listener]) -> list[str]:
    found = []
    for listener in listeners:
        answer = await fleet.web().get(f"/v1/plans/current?name={listener.name}")
        if (now := answer.json()["id"]) != listener.latest.get("plan"):
            found.append(f"a listener of {listener.name} heard {listener.latest}, not {now}")
    return found
