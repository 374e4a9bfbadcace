"""The current plan of a name, as controllers follow it."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from client import current
from client.errors import Json
from client.planning import PlanningClient, PlanningError
from tests.support.client import a_request
from tests.support.servers import Service

pytestmark = pytest.mark.either


def carried_out(planning: PlanningClient, news: Json, held: Json) -> None:
    """What a controller does."""
    for user_id, todo in planning.decisions(news):
        if todo is None:
            del held[user_id]
        else:
            held[user_id] = todo


def by_id(plan: Json) -> Json:
    return {user["id"]: user for user in plan["result"]["users"]}


@pytest.mark.parametrize("one_by_one", [100, 0])
def test_a_controller_holds_what_is_current(
    stocked: PlanningClient, monkeypatch: pytest.MonkeyPatch, one_by_one: int
) -> None:
    monkeypatch.setattr(current, "_ONE_BY_ONE", one_by_one)
    held: Json = {}
    first = stocked.solve("robust", a_request(3, name="lobby"))
    news = stocked.follow_name("lobby")
    carried_out(stocked, next(news), held)
    assert held == by_id(first)
    patch: Json = {"users": {"camera 0?#": None, "camera 1?#": {"deadline_s": 0.4}}}
    second = stocked.replan(first["id"], patch, if_current=True)
    carried_out(stocked, last := next(news), held)
    assert held == by_id(second)
    assert stocked.current_user("lobby", "camera 1?#") == held["camera 1?#"]
    with pytest.raises(PlanningError) as late:
        stocked.replan(first["id"], {}, if_current=True)
    assert late.value.status == 412
    stocked.forget(second["id"])
    again = stocked.follow_name("lobby", after=last["event"])  # in another process
    carried_out(stocked, back := next(again), held)
    assert (back["because"], held) == ("deleted", by_id(first))
    stocked.forget(first["id"])
    assert next(again)["plan"] is None


def test_nothing_is_missed_through_a_broken_connection(
    stocked: PlanningClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    draining: threading.Event = service.app.state.draining
    news = stocked.follow_name("lobby")
    assert next(news)["plan"] is None
    draining.set()  # the service ends its streams
    first = stocked.solve("robust", a_request(name="lobby"))
    monkeypatch.setattr("time.sleep", lambda _: draining.clear())
    told = next(news)
    assert (told["plan"], told["because"]) == (first["id"], "ended")


def test_where_events_do_not_come_the_plan_is_looked_at(
    stocked: PlanningClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> Iterator[object]:
        raise httpx.ReadTimeout("nothing")
        yield

    monkeypatch.setattr(stocked, "_listen", silent)
    monkeypatch.setattr(current, "_LOOK_S", 0.0)
    news = stocked.follow_name("lobby")
    assert next(news)["plan"] is None
    first = stocked.solve("robust", a_request(name="lobby"))
    told = next(news)
    assert (told["plan"], told["changes"], told["event"]) == (first["id"], None, None)
    assert dict(stocked.decisions(told)) == by_id(first)
