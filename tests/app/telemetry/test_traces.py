"""One trace of all who work on a plan, received by a real OTLP/HTTP endpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import migration
from app.db import open_database
from app.settings import Settings
from app.telemetry import traces
from tests.support.background import a_small_cell, a_worker, ended, eventually, submit
from tests.support.collector import Collector
from tests.support.servers import Service

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

PROCESSES = {
    "POST /v1/plans/robust": "web",
    "plan in line": "worker",
    "plan in a worker": "worker",
    "solver of plan": "solver",
    "solve robust": "solver",
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.mark.slow
@pytest.mark.either
def test_a_plan_is_one_trace_from_its_caller_to_its_solver(
    collector: Collector, new_database_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=new_database_url, otlp_endpoint=collector.url)
    database = open_database(new_database_url)
    migration.migrate(database)
    database.engine.dispose()
    traces.start(settings, "web")
    try:
        with (
            Service(settings) as service,
            a_worker(settings, tmp_path / "log"),
            httpx.Client(base_url=service.url, trust_env=False, verify=False) as client,
        ):
            plan_id = submit(client, a_small_cell(), traceparent=CALLER)
            assert ended(client, plan_id)["status"] == "solved"
            traces.stop()
            eventually(lambda: {span.name for _, span in mine(collector)} >= set(PROCESSES))
    finally:
        traces.stop()
    found = {span.name: (process, span) for process, span in mine(collector)}
    told = {name: process for name, (process, _) in found.items()}
    assert told.items() >= PROCESSES.items()
    stages = [name for name in told if name.startswith("solve: ")]
    assert stages, told

    def parent(name: str) -> bytes:
        return bytes(found[name][1].parent_span_id)

    assert parent("POST /v1/plans/robust").hex() == CALLER.split("-")[2]
    for name, above in {
        "plan in line": "POST /v1/plans/robust", "plan in a worker": "POST /v1/plans/robust",
        "solver of plan": "plan in a worker", "solve robust": "solver of plan",
        stages[0]: "solve robust",
    }.items():  # fmt: skip
        assert parent(name) == found[above][1].span_id, name


def mine(collector: Collector) -> list[tuple[str, Any]]:
    trace = CALLER.split("-")[1]
    return [(process, span) for process, span in collector.spans if span.trace_id.hex() == trace]
