"""What was answered survives the end of the process, whenever it comes."""

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.db import Database, open_database
from app.plans.tables import PlanRow, PlanUsersRow
from app.settings import Settings
from tests.support.builders import Body, a_device
from tests.support.operator import serving
from tests.support.robust.requests import ROBUST, a_cell, a_user
from tests.support.servers import Service

WRITERS = 3
ENOUGH = 40


def a_family_of(count: int) -> Body:
    return a_cell(*(a_user(id=f"camera-{n}", gain_db=-90.0 - 2.0 * n) for n in range(count)))


class Seen:
    """What clients were answered: the revision of each device, the content of each plan."""

    def __init__(self) -> None:
        self.devices: dict[str, int] = {}
        self.plans: dict[str, bytes] = {}
        self.refused: list[httpx.Response] = []
        self.enough = threading.Event()

    def write_devices(self, client: httpx.Client, writer: int) -> None:
        """Create and revise until the service ends."""
        for number in itertools.count():
            name = f"device-{writer}-{number}"
            if not self.fine(client.post("/v1/devices", json=a_device(name=name)), 201):
                return
            self.devices[name] = 1
            revised = client.put(
                f"/v1/devices/{name}",
                json=a_device(name=name, tx_power_w=0.5),
                headers={"If-Match": '"1"'},
            )
            if not self.fine(revised, 200):
                return
            self.devices[name] = 2

    def post_plans(self, client: httpx.Client, writer: int) -> None:
        """Have cells planned until the service ends."""
        while self.fine(answer := client.post(ROBUST, json=a_family_of(1 + writer)), 201):
            self.plans[answer.headers["location"]] = answer.content

    def fine(self, answer: httpx.Response, status: int) -> bool:
        """Whether it was answered as it should; counts."""
        if answer.status_code != status:
            self.refused.append(answer)
        if min(len(self.devices), len(self.plans)) >= ENOUGH or self.refused:
            self.enough.set()
        return answer.status_code == status


def until_killed(write: Callable[[httpx.Client, int], None], url: str, writer: int) -> None:
    with httpx.Client(base_url=url, timeout=60.0, trust_env=False, verify=False) as client:
        try:
            write(client, writer)
        except httpx.TransportError:
            return


def incomplete(database: Database) -> list[str]:
    """Stored plans whose users are not all there."""
    with database.reading() as session:
        stored: dict[int, list[str]] = {}
        for block in session.query(PlanUsersRow).order_by(
            PlanUsersRow.plan_number, PlanUsersRow.block
        ):
            assert [entry["id"] for entry in block.entries] == block.ids
            stored.setdefault(block.plan_number, []).extend(block.ids)
        plans = session.query(PlanRow).all()
        asked = {plan.number: [user["id"] for user in plan.request["users"]] for plan in plans}
        assert stored.keys() <= asked.keys(), "users without a plan"
        return [plan.id for plan in plans if stored.get(plan.number, []) != asked[plan.number]]


@pytest.mark.slow
def test_what_was_answered_survives_a_kill(new_database_url: str, tmp_path: Path) -> None:
    """Writers create, revise and plan until the service is killed; every 201 and 200 they saw must
    be there after.
    """
    seen = Seen()
    settings = {"SPLITPLAN_DATABASE_URL": new_database_url, "SPLITPLAN_WORKERS": "0"}
    with serving(tmp_path / "log", "--migrate", **settings) as service:
        threads = [
            threading.Thread(target=until_killed, args=(write, service.url, writer))
            for write in (seen.write_devices, seen.post_plans)
            for writer in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        seen.enough.wait(timeout=120.0)
        service.kill()
        for thread in threads:
            thread.join(timeout=60.0)
    assert not seen.refused, seen.refused[0].text
    assert min(len(seen.devices), len(seen.plans)) >= ENOUGH

    database = open_database(new_database_url).of("default")
    if database.engine.dialect.name == "sqlite":
        with database.reading() as session:
            assert session.scalars(text("PRAGMA integrity_check")).all() == ["ok"]
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    assert incomplete(database) == []
    database.engine.dispose()
    with (
        Service(Settings(database_url=new_database_url)) as again,
        httpx.Client(base_url=again.url, trust_env=False, verify=False) as client,
    ):
        stored: dict[str, int] = {}
        address: str | None = "/v1/devices?limit=1000"
        while address is not None:
            page = client.get(address)
            for entry in page.json()["items"]:
                stored[entry["name"]] = entry["revision"]
                assert entry["tx_power_w"] == (0.2, 0.5)[entry["revision"] - 1]
            address = page.links.get("next", {}).get("url")
        # What was under way may or may not be there, but never less than what was answered.
        assert [name for name, least in seen.devices.items() if stored.get(name, 0) < least] == []
        for address, content in seen.plans.items():
            assert client.get(address).content == content
        assert client.post("/v1/devices", json=a_device(name="after")).status_code == 201
        assert client.post(ROBUST, json=a_family_of(3)).status_code == 201, "and it goes on"
