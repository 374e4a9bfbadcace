"""PlanningClient against the real service, on either database."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from client.planning import PlanningClient, PlanningError
from tests.support.builders import a_server
from tests.support.client import PROFILES, a_request, connected

pytestmark = pytest.mark.either


@pytest.mark.slow
def test_every_kind_of_profile_is_stored_read_revised_and_deleted(stocked: PlanningClient) -> None:
    for collection, profile in reversed(PROFILES.items()):
        name = profile["name"]
        stored = stocked.profile(collection, name)
        assert stored["revision"] == 1
        assert name in [entry["name"] for entry in stocked.profiles(collection)]
        revised = stocked.replace(collection, stored | {"reference": "measured again"})
        assert revised["revision"] == 2
        assert stocked.profile(collection, name) == revised
        assert stocked.profile(collection, name, revision=1)["provenance"] == profile["provenance"]
        stocked.delete(collection, name)
        with pytest.raises(PlanningError) as gone:
            stocked.profile(collection, name)
        assert (gone.value.status, gone.value.type) == (404, "/v1/problem-types/profile-not-found")


def test_a_change_that_another_overtook_is_refused(stocked: PlanningClient) -> None:
    read = stocked.profile("servers", "edge-gpu")
    stocked.replace("servers", read | {"capacity_flop_per_s": 5.0e12})
    with pytest.raises(PlanningError) as stale:
        stocked.replace("servers", read | {"capacity_flop_per_s": 6.0e12})
    assert stale.value.status == 412
    assert stocked.profile("servers", "edge-gpu")["capacity_flop_per_s"] == 5.0e12


@pytest.mark.slow
def test_lists_are_read_to_their_end(planning: PlanningClient) -> None:
    names = [f"server-{n:03}" for n in range(101)]  # the service's page has 100
    for name in names:
        planning.create("servers", a_server(name=name))
    assert [entry["name"] for entry in planning.profiles("servers")] == names


def test_a_plan_is_answered_found_listed_and_forgotten(stocked: PlanningClient) -> None:
    plan = stocked.solve("robust", a_request(name="lobby"))
    assert plan["status"] == "solved"
    assert plan["result"]["certificate"]["holds"] is True
    assert stocked.plan(plan["id"]) == plan
    assert stocked.current_plan("lobby") == plan
    assert list(stocked.users(plan["id"])) == plan["result"]["users"]
    assert stocked.user(plan["id"], "camera 1?#") == plan["result"]["users"][1]

    other = stocked.solve("robust", a_request())
    assert [entry["id"] for entry in stocked.plans()] == [other["id"], plan["id"]]
    assert [entry["id"] for entry in stocked.plans(name="lobby", status="solved")] == [plan["id"]]
    stocked.forget(other["id"])
    assert [entry["id"] for entry in stocked.plans()] == [plan["id"]]


def test_the_users_of_a_large_plan_come_in_pages(stocked: PlanningClient) -> None:
    request = a_request(users=1001, bandwidth_hz=2.0e9)
    plan = stocked.solve("robust", request)
    assert "users" not in plan["result"]
    assert [user["id"] for user in stocked.users(plan["id"])] == [
        user["id"] for user in request["users"]
    ]


def test_an_infeasible_cell_is_an_answer(stocked: PlanningClient) -> None:
    request = a_request()
    request["users"][0]["deadline_s"] = 1e-4
    plan = stocked.solve("robust", request)
    assert (plan["status"], plan["result"]) == ("infeasible", None)
    assert plan["infeasible"]["users"][0]["id"] == "camera 0?#"


def test_an_estimate_stores_nothing(stocked: PlanningClient) -> None:
    assert stocked.estimate("robust", a_request(users=7))["users"] == 7
    assert list(stocked.plans()) == []


def test_a_refusal_says_what_to_mend(stocked: PlanningClient) -> None:
    request = a_request()
    request["users"][1] |= {"risk": 2.0, "deadlin_s": 0.1}
    with pytest.raises(PlanningError) as refused:
        stocked.solve("robust", request)
    error = refused.value
    assert (error.status, error.type) == (422, "/v1/problem-types/invalid-request")
    assert {fault["pointer"] for fault in error.errors} == {"/users/1/risk", "/users/1/deadlin_s"}
    assert all(fault["pointer"] in str(error) for fault in error.errors)


@contextmanager
def stranger(status: int, content_type: str, content: bytes) -> Iterator[str]:
    """Some other program on the port, such as a proxy before a service that is down."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "content_type", "content"),
    [
        (502, "text/html", b"<h1>Bad Gateway</h1>"),
        (502, "application/problem+json", b"not JSON"),
        (200, "text/html", b"<h1>Welcome</h1>"),
        (200, "application/json", b"[]"),
    ],
)
def test_what_the_service_did_not_say_is_not_its_answer(
    status: int, content_type: str, content: bytes
) -> None:
    with (
        stranger(status, content_type, content) as url,
        connected(url, patience_s=0.0) as planning,
        pytest.raises(PlanningError) as error,
    ):
        planning.plan("0" * 32)
    assert (error.value.type, error.value.status, error.value.errors) == ("about:blank", status, [])
    assert content.decode() in error.value.detail


def test_silence_ends_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with (
            connected(url, timeout_s=0.2) as planning,
            pytest.raises(httpx.ReadTimeout),
        ):
            planning.ready()
