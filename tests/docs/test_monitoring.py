"""The dashboard and the alert rules, loaded and evaluated by a real Prometheus."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Metric

from app import workers
from app.auth.issuer import Issuer
from app.telemetry import measures
from app.telemetry.measures import Solve
from tests.support.background import eventually
from tests.support.robust.requests import ROBUST, a_cell, a_user
from tests.support.servers import Service

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
PROMETHEUS = shutil.which("prometheus")
NAMES = re.compile(r"\b(?:splitplan|process)_[a-z0-9_]+")


def expressions() -> list[str]:
    """What the dashboard shows; what the rules ask is read from Prometheus."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.slow
@pytest.mark.either
@pytest.mark.skipif(PROMETHEUS is None, reason="install Debian's prometheus package")
def test_prometheus_evaluates_the_dashboard_and_the_rules(
    service: Service, client: httpx.Client, tmp_path: Path
) -> None:
    assert PROMETHEUS is not None
    assert client.post(ROBUST, json=a_cell(a_user())).status_code == 201
    measures.IN_WORKER.count(Solve("robust", "solved", 0.1, 0.0))
    measures.DELIVERIES.labels("delivered").inc()
    with service.database.writing() as session:
        workers.beat(session, "w", 1, measures.snapshot())
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FOLDER / "alerts.yaml")],
        "scrape_configs": [
            {"job_name": "splitplan", "static_configs": [{"targets": [service.url[7:]]}]}
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    log = tmp_path / "log"
    command = [
        PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/tsdb",
        "--web.listen-address=127.0.0.1:0",
    ]  # fmt: skip
    with log.open("wb") as written, subprocess.Popen(command, stderr=written) as running:
        try:
            found = eventually(
                lambda: re.search(r"Listening on.*?address=(\S+:\d+)", log.read_text())
            )
            check(f"http://{found[1]}")
        finally:
            running.terminate()


def check(at: str) -> None:
    """Every expression is one, and every name in it is of something that was scraped."""
    with httpx.Client(base_url=at, trust_env=False, verify=False) as asking:

        def asked(path: str, **query: str) -> Any:
            answer = asking.get(path, params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()["data"]

        eventually(lambda: asking.get("/-/ready").is_success)
        eventually(lambda: asked("/api/v1/query", query="splitplan_workers_alive")["result"])
        rules = eventually(lambda: evaluated(asked("/api/v1/rules")))
        assert {rule["health"] for rule in rules} == {"ok"}, rules
        known = set(asked("/api/v1/label/__name__/values"))
        names = set()
        for expression in [*expressions(), *(rule["query"] for rule in rules)]:
            asked("/api/v1/query", query=expression)
            names |= set(NAMES.findall(expression))
        known |= {each.name for each in of_an_issuer()}
        # On Postgres nobody knows the room on the server's disk.
        assert names - known <= {"splitplan_database_free_bytes"}


def of_an_issuer() -> Iterable[Metric]:
    """What is told where an identity provider is set."""
    registry = CollectorRegistry()
    Issuer("https://id.example.org").measure(registry)
    return registry.collect()


def evaluated(told: Any) -> list[dict[str, Any]]:
    """The rules, once each was evaluated."""
    rules = [rule for group in told["groups"] for rule in group["rules"]]
    return [] if any(rule["health"] == "unknown" for rule in rules) else rules
