"""The queue that rows are: who is taken, by whom, and what becomes of what the dead had."""

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import select, update

from app.db import Database
from app.drivers import AWAY
from app.plans import durable, taking
from app.plans.backlog import PLANS
from app.plans.tables import PlanRow
from tests.support.background import a_small_cell, read, submit
from tests.support.servers import Service
from tests.support.working import Silent


def take(service: Service, most: int, worker: str = "one") -> list[durable.Taken]:
    return taking.take(service.everything, PLANS, "quick", worker, most)


def row(service: Service, plan_id: str) -> PlanRow:
    with service.everything.reading() as session:
        return session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one()


def set_deaths(service: Service, plan_id: str, deaths: int) -> None:
    with service.everything.writing() as session:
        session.execute(update(PlanRow).where(PlanRow.id == plan_id).values(deaths=deaths))


def test_who_is_in_a_hurry_goes_first_and_then_who_came_first(
    idle: Service, idle_client: httpx.Client
) -> None:
    low, one, two, high = (
        submit(idle_client, a_small_cell(priority=priority))
        for priority in ("low", "normal", "normal", "high")
    )
    assert [piece.work_id for piece in take(idle, 3)] == [high, one, two]
    assert [piece.work_id for piece in take(idle, 3)] == [low]
    assert take(idle, 3) == []
    assert {row(idle, plan_id).taken_by for plan_id in (low, one, two, high)} == {"one"}
    assert taking.take(idle.everything, PLANS, "plan", "one", 1) == []


def test_one_that_breaks_leaves_the_others_to_be_done(service: Service) -> None:
    told: list[object] = []

    class Heard(Silent):
        def ended(self, work_ids: Sequence[str]) -> None:
            told.extend(work_ids)

        def broken(self, work_id: str) -> None:
            told.append(("broken", work_id))

        def enough(self) -> bool:
            return len(told) == 4

    def work(_: Database, piece: durable.Taken) -> None:
        if piece.work_id == "b":
            raise ZeroDivisionError
        if piece.attempt > 1:
            raise AWAY[0]("away", None, Exception())

    def failed(work_id: str) -> None:
        told.append((sys.exc_info()[0], work_id))

    pieces = [durable.Taken(work_id, 1) for work_id in "abcd"]
    durable.one_by_one("validation", work, failed, service.everything, pieces, Heard())
    assert told == ["a", (ZeroDivisionError, "b"), ("broken", "b"), "c"]
    told.clear()
    again = [durable.Taken("a", 2), *pieces]
    with pytest.raises(AWAY):
        durable.one_by_one("validation", work, failed, service.everything, again, Heard())
    assert told == []


def test_many_who_take_at_once_take_each_once(idle: Service, idle_client: httpx.Client) -> None:
    found = [submit(idle_client, a_small_cell()) for _ in range(10)]

    def run(worker: int) -> list[str]:
        taken: list[str] = []
        while some := take(idle, 3, f"worker-{worker}"):
            taken += [piece.work_id for piece in some]
        return taken

    with ThreadPoolExecutor(4) as workers:
        taken = Counter(plan_id for mine in workers.map(run, range(4)) for plan_id in mine)
    assert taken == Counter(found)


def test_a_batch_ends_together_but_for_what_is_someone_elses(
    idle: Service, idle_client: httpx.Client
) -> None:
    found = [submit(idle_client, a_small_cell()) for _ in range(4)]
    taken = take(idle, 4)
    lost, cancelled, *mine = found
    assert taking.hand_back(idle.everything, PLANS, taken[:1]) == 1
    idle_client.post(f"/v1/plans/{cancelled}/cancel")
    (again,) = take(idle, 4, "two")
    assert (again.work_id, again.attempt) == (lost, taken[0].attempt + 1)
    PLANS.run(idle.everything, taken, Silent())
    assert read(idle_client, lost)["status"] == "running"
    # Asked to stop too late: its answer was there before anyone looked.
    assert {read(idle_client, plan_id)["status"] for plan_id in (cancelled, *mine)} == {"solved"}
    PLANS.run(idle.everything, [again], Silent())
    assert read(idle_client, lost)["status"] == "solved"
    assert taking.hand_back(idle.everything, PLANS, [*taken, again]) == 0, "nothing ends twice"


def test_only_what_the_dead_had_is_in_line_again(idle: Service, idle_client: httpx.Client) -> None:
    for _ in range(3):
        submit(idle_client, a_small_cell())
    (dead,), (living,), (nobodys,) = (take(idle, 1, name) for name in ("dead", "living", "old"))
    with idle.everything.writing() as session:  # as the last release left it
        session.execute(update(PlanRow).where(PlanRow.id == nobodys.work_id).values(taken_by=None))
    assert taking.take_over(idle.everything, PLANS, ["living"]) == 2
    assert taking.take_over(idle.everything, PLANS, ["living"]) == 0
    assert [row(idle, piece.work_id).status for piece in (dead, living, nobodys)] == [
        "queued",
        "running",
        "queued",
    ]
    assert taking.taken_by(idle.everything, PLANS, "living") == [
        durable.Taken(living.work_id, living.attempt)
    ]


def test_what_a_worker_died_of_is_taken_alone_and_in_the_end_given_up(
    idle: Service, idle_client: httpx.Client
) -> None:
    one, two, three = (submit(idle_client, a_small_cell()) for _ in range(3))
    set_deaths(idle, two, 1)
    assert [piece.work_id for piece in take(idle, 3)] == [two]
    assert [piece.work_id for piece in take(idle, 3)] == [one, three]
    assert taking.take_over(idle.everything, PLANS, []) == 3
    set_deaths(idle, one, 20)
    assert [piece.work_id for piece in take(idle, 3)] == [two]
    document = read(idle_client, one)
    assert (document["status"], document["failure"]["reason"]) == ("failed", "crashed")
    assert "20 workers died" in document["failure"]["detail"]


def test_a_process_that_died_is_begun_again_once(idle: Service, idle_client: httpx.Client) -> None:
    submit(idle_client, a_small_cell())
    (first,) = take(idle, 1)
    second = taking.take_again(idle.everything, PLANS, first)
    assert second == durable.Taken(first.work_id, 2, first.time_limit_s)
    assert taking.take_again(idle.everything, PLANS, first) is None
    idle_client.post(f"/v1/plans/{first.work_id}/cancel")
    assert taking.take_again(idle.everything, PLANS, second) is None
    assert read(idle_client, first.work_id)["status"] == "cancelled"


@pytest.mark.parametrize("limit_s", [None, 7.0])
def test_a_worker_knows_how_long_it_may_take(
    idle: Service, idle_client: httpx.Client, limit_s: float | None
) -> None:
    options = {} if limit_s is None else {"options": {"time_limit_s": limit_s}}
    plan_id = submit(idle_client, a_small_cell(**options))
    (piece,) = take(idle, 1)
    assert piece.time_limit_s == read(idle_client, plan_id)["options"]["time_limit_s"]
