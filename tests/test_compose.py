"""compose.yaml without Docker: its environment and commands, started here on a Postgres of the
tests.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.command import main
from app.settings import Settings

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services that are made from the image."""
    document = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
    return {
        name: service
        for name, service in document["services"].items()
        if service["image"] == "splitplan"
    }


@pytest.fixture
def backend() -> str:
    """What compose.yaml runs on."""
    return "postgresql"


def environment(service: dict[str, Any]) -> dict[str, str]:
    """What a service is given, where nobody set a webhook's secret."""
    return {name: value for name, value in service["environment"].items() if value is not None}


def seconds(duration: str) -> float:
    """A duration as compose writes it, in seconds."""
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def test_it_names_commands_and_settings_that_exist(services: dict[str, Any]) -> None:
    fields = {f"SPLITPLAN_{name.upper()}" for name in Settings.model_fields}
    assert services.keys() == {"migrate", "web", "worker"}
    for service in services.values():
        assert service["environment"].keys() <= fields
        values = {
            name.removeprefix("SPLITPLAN_").lower(): value
            for name, value in environment(service).items()
        }
        assert Settings(**values).database_url.startswith("postgresql://")  # type: ignore[arg-type]  # as the environment has them
        called = re.findall(r"splitplan (\w+)", " ".join(service["command"]))
        assert called
        assert set(called) <= main.commands.keys()


def test_only_this_machine_may_come_in(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert [port.rpartition(":")[0].partition(":")[0] for port in published] == ["127.0.0.1"]


def test_who_is_stopped_has_the_time_that_it_was_promised(services: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        given = environment(services[name])
        promised_s = float(given.get("SPLITPLAN_DRAIN_S", 0)) if name == "web" else 0.0
        promised_s += float(given["SPLITPLAN_SHUTDOWN_GRACE_S"]) if name == "worker" else 10.0
        assert seconds(services[name]["stop_grace_period"]) > promised_s + 5.0


@pytest.mark.soak
@pytest.mark.slow
def test_what_it_starts_plans_and_stops(
    services: dict[str, Any], new_database_url: str, tmp_path: Path
) -> None:
    own = {
        "SPLITPLAN_DATABASE_URL": new_database_url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def start(name: str, *more: str) -> tuple["subprocess.Popen[bytes]", Path]:
        log = tmp_path / f"{name}.log"
        with log.open("wb") as written:
            command = [*services[name]["command"], *more]
            process = subprocess.Popen(
                command, env=os.environ | environment(services[name]) | own, stderr=written
            )
        return process, log

    migrate, log = start("migrate")
    assert migrate.wait(60.0) == 0, log.read_text()
    web, web_log = start("web", "--port", "0")
    worker, worker_log = start("worker")
    try:
        deadline = time.monotonic() + 120.0
        while (
            "solves" not in worker_log.read_text() or "startup complete" not in web_log.read_text()
        ):
            assert time.monotonic() < deadline, web_log.read_text() + worker_log.read_text()
            time.sleep(0.05)
        found = re.search(r"listening on (http://\S+?),", web_log.read_text())
        assert found is not None
        with httpx.Client(base_url=found[1], timeout=60.0, trust_env=False, verify=False) as client:
            assert client.get("/readyz").json()["workers"] == 1
            user = {
                "device": "jetson-xavier-nx-cpu",
                "model": "alexnet",
                "distance_m": 50.0,
                "deadline_s": 0.2,
            }
            body = {
                "channel": "lte-10mhz",
                "server": "nvidia-t4",
                "users": [{"id": "camera", "risk": 0.02, **user}],
            }
            answer = client.post("/v1/plans/robust", json=body, headers={"Prefer": "respond-async"})
            while (plan := client.get(answer.headers["location"]).json())["status"] in (
                "queued",
                "running",
            ):
                assert time.monotonic() < deadline, plan
                time.sleep(0.05)
            assert plan["status"] == "solved", plan
    finally:
        for process in (web, worker):
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(40.0) for process in (web, worker)]
    assert codes == [0, 0]
    assert "Traceback" not in web_log.read_text() + worker_log.read_text()
