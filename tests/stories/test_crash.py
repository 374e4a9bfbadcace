"""What was answered survives the end of the process, whenever it comes."""

import threading
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.db import open_database
from tests.support.builders import a_device
from tests.support.operator import serving

WRITERS = 6


@pytest.mark.slow
@pytest.mark.parametrize("answered", [50])
def test_every_answered_profile_survives_a_kill(
    new_database_url: str, tmp_path: Path, answered: int
) -> None:
    """Writers create and revise until the service is killed; every 201 and 200 they saw must be
    there after.
    """
    seen: dict[str, int] = {}
    refused: list[httpx.Response] = []

    def write(writer: int) -> None:
        with httpx.Client(base_url=service.url, timeout=10.0, trust_env=False) as client:
            for number in range(100_000):
                name = f"device-{writer}-{number}"
                try:
                    created = client.post("/v1/devices", json=a_device(name=name))
                    if created.status_code != 201:
                        refused.append(created)
                        return
                    seen[name] = 1
                    body = a_device(name=name, tx_power_w=0.5)
                    revised = client.put(
                        f"/v1/devices/{name}", json=body, headers={"If-Match": '"1"'}
                    )
                    if revised.status_code != 200:
                        refused.append(revised)
                        return
                    seen[name] = 2
                except httpx.TransportError:
                    return

    settings = {"SPLITPLAN_DATABASE_URL": new_database_url}
    with serving(tmp_path / "log", "--migrate", **settings) as service:
        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60.0
        while len(seen) < answered and time.monotonic() < deadline:
            time.sleep(0.001)
        service.kill()
        for thread in threads:
            thread.join(timeout=30)
    assert not refused, refused[0].text
    assert len(seen) >= answered

    if new_database_url.startswith("sqlite"):
        database = open_database(new_database_url)
        with database.reading() as session:
            assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
        database.engine.dispose()
    with (
        serving(tmp_path / "log", **settings) as service,
        httpx.Client(base_url=service.url, trust_env=False) as client,
    ):
        stored: dict[str, int] = {}
        address: str | None = "/v1/devices?limit=1000"
        while address is not None:
            page = client.get(address)
            stored |= {entry["name"]: entry["revision"] for entry in page.json()["items"]}
            address = page.links.get("next", {}).get("url")
        # What was under way may or may not be there, but never less than what was answered.
        assert {
            name: stored.get(name, 0) for name in seen if stored.get(name, 0) < seen[name]
        } == {}
        assert all(
            entry["tx_power_w"] == (0.2, 0.5)[entry["revision"] - 1]
            for entry in page.json()["items"]
        )
        again = a_device(name="after")
        assert client.post("/v1/devices", json=again).status_code == 201
