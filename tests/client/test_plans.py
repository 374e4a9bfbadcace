"""Plans that are solved in the background, over connections that break."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.plans.tables import PlanEventRow, PlanRow
from client.planning import Json, PlanningClient, PlanningError
from tests.support.builders import a_channel, a_server
from tests.support.client import a_long_request, a_request, connected
from tests.support.relay import Relay, Trouble
from tests.support.robust.requests import a_user
from tests.support.servers import Service

POST = b"POST /v1/plans/robust"
EVENTS = b"/events HTTP/1.1"


# What a client does is the same whatever stores the plans. A parameter and not a fixture of that
# name, whose service would stay on for all later tests, also for those that ask for Postgres.
pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
]


def kept(service: Service, plan_id: str) -> list[Json | None]:
    """The progress of every event that the service has kept, oldest first."""
    with service.database.reading() as session:
        events = select(PlanEventRow.progress).join(
            PlanRow, PlanRow.number == PlanEventRow.plan_number
        )
        return list(session.scalars(events.where(PlanRow.id == plan_id).order_by(PlanEventRow.id)))


def in_branches(plan: Json) -> bool:
    stage = (plan.get("progress") or {}).get("stage")
    return (plan["status"], stage) == ("running", "branch and bound")


def test_a_plan_is_followed_to_its_end(stocked: PlanningClient, worker: str) -> None:
    ordered = stocked.submit("robust", a_request(), respond_async=True)
    assert ordered["result"] is None
    told: list[Json] = []
    plan = stocked.wait(ordered["id"], told=told.append)
    assert plan["status"] == told[-1]["status"] == "solved"
    assert plan["result"]["certificate"]["holds"] is True
    assert {entry["id"] for entry in told} == {plan["id"]}
    assert [entry["status"] for entry in stocked.follow(plan["id"])] == ["solved"]


def test_a_plan_that_is_too_large_to_be_answered_at_once_is_waited_for(
    service: Service, stocked: PlanningClient, worker: str
) -> None:
    settings = service.settings.model_copy(update={"sync_max_users": 0})
    with Service(settings) as background, connected(background.url) as planning:
        plan = planning.solve("robust", a_request(name="large"))
        assert plan["status"] == "solved"
        assert planning.current_plan("large") == plan


def test_a_plan_is_cancelled_with_the_best_so_far(stocked: PlanningClient, worker: str) -> None:
    plan_id = stocked.submit("multi-user", a_long_request(), respond_async=True)["id"]
    told: list[Json] = []
    for plan in stocked.follow(plan_id):
        told.append(plan)
        if in_branches(plan):
            stocked.cancel(plan_id, keep_best=True)
    assert [entry["status"] for entry in told[-2:]] == ["running", "cancelled"]
    fractions = [entry["progress"]["fraction"] for entry in told if entry["status"] == "running"]
    assert fractions == sorted(fractions)
    plan = stocked.plan(plan_id)
    assert plan["result"]["certificate"]["holds"] is True
    assert plan["result"]["objective"]["cost"] >= plan["result"]["certificate"]["lower_bound"] > 0.0
    assert stocked.cancel(plan_id)["status"] == "cancelled"
    assert len(list(stocked.users(plan_id))) == 4000


def test_a_plan_is_planned_again_with_changes(stocked: PlanningClient, worker: str) -> None:
    parent = stocked.solve("robust", a_request())
    patch = {"users": {"camera 0?#": {"deadline_s": 0.4}, "camera 1?#": None}}
    plan = stocked.replan(parent["id"], patch)
    assert (plan["parent"], plan["status"]) == (parent["id"], "solved")
    assert plan["changed"]["users_removed"] == ["camera 1?#"]
    later = stocked.replan(parent["id"], patch, respond_async=True)
    assert later["id"] != plan["id"]
    assert stocked.wait(later["id"])["result"]["objective"] == plan["result"]["objective"]


def test_a_replay_is_kept_with_the_plan(stocked: PlanningClient) -> None:
    plan = stocked.solve("robust", a_request())
    found = stocked.validate(plan["id"], trials=500, seed=7, distributions=["gamma"])
    assert (found["holds"], found["trials"], list(found["laws"])) == (True, 500, ["gamma"])
    assert [entry["number"] for entry in stocked.validations(plan["id"])] == [found["number"]]


@pytest.mark.parametrize("after_byte", [0, 100, 1000])
def test_a_lost_answer_makes_no_second_plan(
    stocked: PlanningClient, service: Service, after_byte: int
) -> None:
    with Relay(service.url, Trouble(POST, after_byte)) as relay, connected(relay.url) as planning:
        plan = planning.solve("robust", a_request())
        assert sum(request.startswith(POST) for request in relay.requests) == 2
    assert plan["status"] == "solved"
    assert [entry["id"] for entry in stocked.plans()] == [plan["id"]]


def test_the_same_key_is_the_same_plan_from_another_client(
    stocked: PlanningClient, service: Service
) -> None:
    first = stocked.solve("robust", a_request(), key="shift-7")
    with connected(service.url) as other:
        assert other.solve("robust", a_request(), key="shift-7") == first
        with pytest.raises(PlanningError) as reused:
            other.solve("robust", a_request(users=3), key="shift-7")
    assert reused.value.type == "/v1/problem-types/idempotency-key-reused"
    assert stocked.solve("robust", a_request())["id"] != first["id"]


def test_what_would_be_stored_twice_is_not_sent_twice(
    stocked: PlanningClient, service: Service
) -> None:
    lost = Trouble(b"POST /v1/servers", 0)
    with (
        Relay(service.url, lost) as relay,
        connected(relay.url) as planning,
        pytest.raises(httpx.TransportError),
    ):
        planning.create("servers", a_server(name="other"))
    assert stocked.profile("servers", "other")["revision"] == 1


def test_events_go_on_where_the_connection_broke(
    stocked: PlanningClient, service: Service, worker: str
) -> None:
    told: list[Json] = []
    broken = False
    with (
        Relay(service.url, Trouble(EVENTS, 400)) as relay,
        connected(relay.url) as planning,
    ):  # within the first event
        plan_id = planning.submit("multi-user", a_long_request(), respond_async=True)["id"]
        for plan in planning.follow(plan_id):
            told.append(plan)
            if in_branches(plan) and not broken:
                relay.cut()
                broken = True
                once(
                    lambda: sum(EVENTS in request for request in relay.requests) == 3,
                    stocked.cancel,
                    plan_id,
                )
    assert relay.troubles == []
    assert any(
        EVENTS in request and b"last-event-id: " in request.lower() for request in relay.requests
    )
    assert told[-1]["status"] == "cancelled"
    running = [entry["progress"] for entry in told if entry["status"] == "running"]
    steps = [step for step in kept(service, plan_id) if step is not None]
    assert running[-len(steps) :] == steps[-len(running) :], "each once, and none missed"


def once(ready: Callable[[], bool], act: Callable[[str], object], plan_id: str) -> None:
    """Act from a thread of its own as soon as it is time."""

    def run() -> None:
        end = time.monotonic() + 60.0
        while not ready() and time.monotonic() < end:
            time.sleep(0.02)
        act(plan_id)

    threading.Thread(target=run).start()


@pytest.mark.slow
def test_a_restart_of_the_service_is_survived(
    stocked: PlanningClient, service: Service, worker: str
) -> None:
    told: list[str] = []
    with (
        Service(service.settings) as first,
        Relay(first.url) as relay,
        connected(relay.url) as planning,
    ):
        plan_id = planning.submit("multi-user", a_long_request(), respond_async=True)["id"]
        for plan in planning.follow(plan_id):
            if in_branches(plan) and first.url == relay.upstream:
                first.app.state.draining.set()
                first.__exit__()
                relay.cut()
                threading.Timer(1.0, relay.move, [service.url]).start()
                once(
                    lambda: sum(EVENTS in request for request in relay.requests) > 1,
                    stocked.cancel,
                    plan_id,
                )
            told.append(plan["status"])
    assert told[-2:] == ["running", "cancelled"]


def test_where_events_are_kept_back_the_plan_is_looked_at(
    stocked: PlanningClient, service: Service, worker: str
) -> None:
    with (
        Relay(service.url, Trouble(EVENTS, 0, "mute")) as relay,
        connected(relay.url, timeout_s=2.0) as planning,
    ):
        plan_id = stocked.submit("robust", a_request(), respond_async=True)["id"]
        told = [plan["status"] for plan in planning.follow(plan_id)]
        assert told[-1] == "solved"
        assert sum(EVENTS in request for request in relay.requests) == 1


def test_a_plan_that_is_not_there_is_not_waited_for(planning: PlanningClient) -> None:
    with pytest.raises(PlanningError) as missing:
        planning.wait("0" * 32)
    assert missing.value.status == 404


Answer = tuple[int, dict[str, str], bytes]
BUSY = b'{"type": "/v1/problem-types/%s", "title": "Busy", "status": 503, "detail": "Come back."}'
PROBLEM = {"Content-Type": "application/problem+json"}


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[tuple[float, str]]]]:
    """A program that answers one request after the other with these; its address, and when it was
    asked what.
    """
    left, asked = list(answers), list[tuple[float, str]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((time.monotonic(), str(self.headers)))
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = left.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


SOLVED: Answer = (
    201,
    {"Content-Type": "application/json"},
    b'{"id": "1", "status": "solved", "result": {}}',
)


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_service_asks_for_is_kept(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    busy: Answer = (status, PROBLEM | {"Retry-After": "1"}, BUSY % b"queue-full")
    with answering(busy, SOLVED) as (url, asked), connected(url) as planning:
        assert planning.solve("robust", {})["status"] == "solved"
    (first, sent), (second, sent_again) = asked
    assert 1.0 <= second - first < 3.0
    assert sent == sent_again, "the same key"
    assert "Idempotency-Key" in sent
    assert [record.getMessage() for record in caplog.records] == [
        "POST /v1/plans/robust: Come back.; trying again in 1.0 s"
    ]


def test_patience_ends() -> None:
    busy: Answer = (503, PROBLEM | {"Retry-After": "60"}, BUSY % b"queue-full")
    with (
        answering(busy) as (url, asked),
        connected(url, patience_s=5.0) as planning,
        pytest.raises(PlanningError) as error,
    ):
        planning.solve("robust", {})
    assert (error.value.status, len(asked)) == (503, 1)


def test_pauses_grow() -> None:
    busy: Answer = (503, PROBLEM, BUSY % b"database-unavailable")
    with answering(busy, busy, busy, SOLVED) as (url, asked), connected(url) as planning:
        planning.solve("robust", {})
    times = [at for at, _ in asked]
    assert 0.125 <= times[1] - times[0] < 0.4
    assert 0.5 <= times[3] - times[2] < 1.2


@pytest.mark.parametrize(
    ("slug", "comes_again"),
    [(b"queue-full", True), (b"importer-busy", True), (b"database-unavailable", False)],
)
def test_what_may_not_arrive_twice_is_repeated_only_if_nothing_was_begun(
    slug: bytes, comes_again: bool
) -> None:
    busy: Answer = (503, PROBLEM, BUSY % slug)
    with answering(busy, SOLVED) as (url, asked), connected(url) as planning:
        if comes_again:
            assert planning.validate("1")["id"] == "1"
        else:
            with pytest.raises(PlanningError):
                planning.validate("1")
    assert len(asked) == 1 + comes_again


def test_a_key_is_sent_as_bearer() -> None:
    with answering(SOLVED) as (url, asked), connected(url, api_key="secret-1") as planning:
        planning.solve("robust", {})
    assert "Authorization: Bearer secret-1" in asked[0][1]


def test_a_service_that_comes_up_late_is_waited_for(
    service: Service, stocked: PlanningClient
) -> None:
    with Relay("http://127.0.0.1:1") as relay, connected(relay.url) as planning:
        up = threading.Timer(0.5, relay.move, [service.url])
        up.start()
        assert planning.solve("robust", a_request())["status"] == "solved"
        up.join()


def test_nan_never_leaves(stocked: PlanningClient) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        stocked.solve("robust", a_request(bandwidth_hz=float("nan")))


def test_a_file_of_measurements_needs_a_suffix_that_says_what_it_is(
    planning: PlanningClient, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"\.json, \.csv, \.parquet"):
        planning.send_measurements("t", tmp_path / "samples.xlsx")


def test_an_inline_request_needs_nothing_stored(planning: PlanningClient) -> None:
    plan = planning.solve(
        "robust", {"channel": a_channel(), "server": a_server(), "users": [a_user()]}
    )
    assert plan["status"] == "solved"


def test_plans_are_compared_and_explained(stocked: PlanningClient) -> None:
    before = stocked.submit("robust", a_request())
    (first, *_) = before["result"]["users"]
    after = stocked.replan(before["id"], {"users": {first["id"]: {"deadline_s": 0.31}}})
    told = stocked.compare(before["id"], after["id"])
    (changed,) = stocked.changed_users(before["id"], after["id"])
    assert [changed] == told["users"]
    assert changed["because"] == ["deadline"]
    assert list(stocked.changed_users(before["id"], after["id"], change="left")) == []
    why = stocked.explain(before["id"], first["id"])
    assert [cut["cut"] for cut in why["cuts"] if cut["chosen"]] == [first["cut"]]
    with pytest.raises(PlanningError, match="nobody"):
        stocked.explain(before["id"], "nobody")
