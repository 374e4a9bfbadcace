"""Requests named, counted, logged; what a web and a worker tell of themselves."""

import json
import logging
import re
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import about, metrics, workers
from app.about import About
from app.plans import taking
from app.plans.backlog import PLANS
from app.settings import LogFormat, Settings
from app.telemetry import logs, measures
from app.telemetry.measures import Solve
from tests.support.background import a_small_cell, submit
from tests.support.robust.requests import ROBUST, a_cell, a_user
from tests.support.servers import Service


def samples(told: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(told):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def value(told: str, name: str, **labels: str) -> float:
    """Of the only sample of this name with these labels; 0 where there is none yet."""
    found = [
        each
        for called, of, each in samples(told)
        if called == name and labels.items() <= of.items()
    ]
    assert len(found) <= 1, found
    return found[0] if found else 0.0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("mine-1", True), ("a" * 128, True), ("a" * 129, False), ("", False), ("a b", False),
        ('a"b', False), ("\u00e9", False),
    ],
)  # fmt: skip
def test_a_request_is_known_by_its_id(client: httpx.Client, given: str, kept: bool) -> None:
    for path in ("/livez", "/nowhere", "/v1/plans/nothing"):
        answer = client.get(path, headers={"X-Request-ID": given.encode("latin-1")})
        named = answer.headers.get_list("x-request-id")
        assert named == [given] if kept else re.fullmatch(r"[0-9a-f]{32}", named[0])


@pytest.mark.slow
def test_requests_and_plans_are_counted(client: httpx.Client) -> None:
    def look() -> tuple[float, ...]:
        told = client.get("/metrics").text
        get = {"method": "GET", "status": "4xx"}
        head = {"method": "HEAD", "route": "/v1/plans/{plan_id}"}
        robust = {"kind": "robust", "outcome": "solved"}
        return (
            value(told, "splitplan_http_requests_total", route=ROBUST, method="POST", status="2xx"),
            value(told, "splitplan_http_requests_total", route="unmatched", **get),
            value(told, "splitplan_http_request_duration_seconds_count", **head),
            value(told, "splitplan_web_solve_duration_seconds_count", **robust),
            value(told, "splitplan_web_solve_gap_ratio_count", kind="robust"),
        )  # fmt: skip

    before = look()
    made = client.post(ROBUST, json=a_cell(a_user()))
    assert made.status_code == 201
    assert client.get("/not/an/address/of/mine").status_code == 404
    assert client.head(made.headers["location"]).status_code == 200
    assert [after - then for after, then in zip(look(), before, strict=True)] == [1.0] * 5


@pytest.mark.slow
def test_labels_are_as_many_as_addresses(client: httpx.Client) -> None:
    for n in range(20):
        client.get(f"/v1/devices/unknown-{n}")
        client.get(f"/nowhere/{n}")
        client.request(f"M{n}", "/livez")
    routes = {
        labels["route"]
        for _, labels, _ in samples(client.get("/metrics").text)
        if "route" in labels
    }
    assert not any("unknown" in route or "nowhere" in route for route in routes)
    methods = {
        labels["method"]
        for _, labels, _ in samples(client.get("/metrics").text)
        if "method" in labels
    }
    assert methods <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}


def test_every_line_of_a_request_names_it(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    handler = logging.Handler()
    lines: list[dict[str, object]] = []
    written = logs.formatter(Settings(log_format=LogFormat.JSON))
    handler.setFormatter(written)
    handler.addFilter(logs.add_about)
    handler.emit = lambda record: lines.append(json.loads(written.format(record)))  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with (
            Service(settings.model_copy(update={"access_log": True})) as service,
            caplog.at_level(logging.INFO, "app"),
            httpx.Client(base_url=service.url, trust_env=False, verify=False) as client,
        ):

            @service.app.get("/boom")
            def boom() -> None:
                logging.getLogger("app.somewhere").warning("about\nto fail")
                raise RuntimeError

            client.get("/boom?token=planted", headers={"X-Request-ID": "mine"})
            made = client.post(ROBUST, json=a_cell(a_user()), headers={"X-Request-ID": "other"})
    finally:
        root.removeHandler(handler)
    mine = [line for line in lines if line.get("request_id") == "mine"]
    assert [line["logger"] for line in mine] == [
        "app.somewhere",
        "app.last_resort",
        "app.telemetry.requests",
    ]
    assert "RuntimeError" in str(mine[1]["exception"])
    access = mine[-1]
    assert (access["path"], access["route"], access["status"]) == ("/boom", "/boom", 500)
    (other,) = [line for line in lines if line.get("request_id") == "other"]
    assert other["plan_id"] == made.json()["id"]
    assert "planted" not in json.dumps(lines)


def test_a_line_for_people_stays_a_line_and_hides_secrets() -> None:
    settings = Settings(database_url="postgresql://me:p%40ssword@db/x")
    record = logging.LogRecord("a", 30, "f", 1, "hello\nforged %s", ("p@ssword p%40ssword",), None)
    with about.Concerning(About("mine", plan_id="p1")):
        logs.add_about(record)
    line = logs.formatter(settings).format(record)
    assert line.endswith(r"a: hello\nforged *** *** request_id=mine plan_id=p1")
    assert "\n" not in line


def test_what_workers_counted_is_told_by_every_web(client: httpx.Client, service: Service) -> None:
    measures.IN_WORKER.count(Solve("robust", "solved", 0.1, 1e-7))
    told = measures.snapshot()
    with service.database.writing() as session:
        workers.beat(session, "w-1", 2, told)
        workers.beat(session, "w-1", 2)  # no news: what it has told stays
    service.app.state.metrics = metrics.registry(service.everything, service.settings)
    seen = client.get("/metrics").text
    counted = {"worker": "w-1", "kind": "robust", "outcome": "solved"}
    assert value(seen, "splitplan_worker_solve_duration_seconds_count", **counted) >= 1.0
    assert 0.0 <= value(seen, "splitplan_worker_silence_seconds", worker="w-1") < 15.0
    assert (value(seen, "splitplan_workers_alive"), value(seen, "splitplan_database_up")) == (1, 1)
    assert value(seen, "splitplan_database_bytes") > 0.0


def test_work_in_line_remembers_its_request(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_small_cell(), **{"X-Request-ID": "later"})
    with idle.everything.reading() as session:
        found = {(each.what, each.of): each.value for each in metrics.look(session)}
    assert (found["plans", "queued"], found["line", "plan"]) == (1.0, 1.0)
    assert 0.0 <= found["oldest", "plan"] < 600.0
    assert found["oldest", "validation"] is None
    [taken] = taking.take(idle.everything, PLANS, "quick", "one", most=1)
    assert (taken.work_id, taken.origin.request_id) == (plan_id, "later")
