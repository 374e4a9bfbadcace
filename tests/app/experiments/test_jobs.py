"""Blocks of experiments: fenced, taken over, cancelled, followed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.experiments import accepting, jobs
from app.experiments.tables import ExperimentBlockRow, ExperimentRow
from app.plans import taking
from app.plans.durable import Ending
from app.plans.family import Json, Outline, Prepare
from app.plans.robust.survey import RobustSurvey
from solvers.progress import Progress
from tests.support.builders import Body
from tests.support.experiments import AT, an_experiment, work_off
from tests.support.servers import Service
from tests.support.working import Silent, taken, worked_off


@pytest.fixture
def blocks(idle: Service, idle_client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three blocks of two points each."""
    monkeypatch.setattr(accepting, "_BLOCK_POINTS", 2)
    assert idle_client.post(AT, json=an_experiment()).status_code == 202
    with idle.everything.reading() as session:
        found = session.scalars(select(ExperimentBlockRow.id).order_by(ExperimentBlockRow.block))
        return list(found)


def now(client: httpx.Client) -> Body:
    """The only experiment."""
    (each,) = client.get(AT).json()["items"]
    return dict(client.get(f"{AT}/{each['id']}").json())


def indices(client: httpx.Client) -> list[int]:
    points = client.get(f"{AT}/{now(client)['id']}/points").json()["items"]
    return [point["index"] for point in points]


def test_what_is_done_stays_done_whoever_dies(
    idle: Service, idle_client: httpx.Client, blocks: list[str]
) -> None:
    assert len(blocks) == 3
    worked_off(idle.everything, jobs.EXPERIMENTS, blocks[1])
    assert (now(idle_client)["status"], indices(idle_client)) == ("running", [2, 3])
    assert now(idle_client)["progress"]["points_done"] == 2
    lost = taken(idle.everything, jobs.EXPERIMENTS, blocks[0])
    assert lost is not None
    late = jobs.claim(idle.everything, lost)
    assert late is not None
    # Its worker is taken for dead, and the block is another's.
    worked_off(idle.everything, jobs.EXPERIMENTS, blocks[0])
    kept = idle_client.get(f"{AT}/{now(idle_client)['id']}/points").json()
    assert not jobs.finish(idle.everything, late, jobs.Planned({}, cancelled=False))
    jobs.run(idle.everything, [lost], Silent())
    assert idle_client.get(f"{AT}/{now(idle_client)['id']}/points").json() == kept
    work_off(idle)
    ended = now(idle_client)
    assert (ended["status"], indices(idle_client)) == ("finished", list(range(6)))
    assert ended["finished_at"] > ended["started_at"]


def test_blocks_that_end_at_the_same_time_end_the_experiment(
    idle: Service, idle_client: httpx.Client, blocks: list[str]
) -> None:
    pieces = taking.take(idle.everything, jobs.EXPERIMENTS, "experiment", "someone", 3)
    assert [piece.work_id for piece in pieces] == blocks
    for piece in pieces:
        assert now(idle_client)["status"] == "running"
        jobs.run(idle.everything, [piece], Silent())
    assert now(idle_client)["status"] == "finished"


@pytest.mark.parametrize("keep_best", [False, True])
def test_a_cancelled_experiment_keeps_what_it_has(
    idle: Service,
    idle_client: httpx.Client,
    blocks: list[str],
    keep_best: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worked_off(idle.everything, jobs.EXPERIMENTS, blocks[0])
    at = f"{AT}/{now(idle_client)['id']}"
    usual = RobustSurvey.outlines

    def cancelled_within(
        survey: Any, bodies: list[Json], prepare: Prepare, progress: Progress
    ) -> Iterator[tuple[int, Outline]]:
        for n, found in enumerate(usual(survey, bodies, prepare, progress)):
            yield found
            if n == 0:
                asked = idle_client.post(f"{at}/cancel", params={"keep_best": keep_best})
                assert asked.status_code == 202
                # As its thread does it every 0.3 s.
                writers[0]._write_once()

    writers: list[Any] = []
    made = jobs.ProgressWriter

    def remembered(*how: Any) -> Any:
        writers.append(made(*how))
        return writers[-1]

    monkeypatch.setattr(RobustSurvey, "outlines", cancelled_within)
    monkeypatch.setattr(jobs, "ProgressWriter", remembered)
    worked_off(idle.everything, jobs.EXPERIMENTS, blocks[1])
    ended = now(idle_client)
    assert ended["status"] == "cancelled"
    assert indices(idle_client) == ([0, 1, 2] if keep_best else [0, 1])
    assert idle_client.post(f"{at}/cancel").json() == ended
    assert idle_client.delete(at).status_code == 204


def test_a_block_that_nobody_survives_fails_and_the_others_stand(
    idle: Service, idle_client: httpx.Client, blocks: list[str]
) -> None:
    assert taken(idle.everything, jobs.EXPERIMENTS, blocks[0]) is not None
    ending = Ending("failed", "crashed", "Its process died 3 times.")
    jobs.EXPERIMENTS.end(idle.everything, blocks[0], ending)
    work_off(idle)
    ended = now(idle_client)
    assert (ended["status"], ended["failure"]["reason"]) == ("failed", "crashed")
    assert indices(idle_client) == [2, 3, 4, 5]


def test_who_follows_is_told_until_the_end(
    idle: Service, idle_client: httpx.Client, blocks: list[str]
) -> None:
    at = f"{AT}/{now(idle_client)['id']}/events"
    with idle_client.stream("GET", at) as events:
        lines = events.iter_lines()
        assert next(lines) == "event: progress"
        work_off(idle)
        rest = list(lines)
    assert "event: end" in rest
    ids = [int(line[3:]) for line in rest if line.startswith("id:")]
    assert ids == sorted(set(ids))
    ended = idle_client.get(at, headers={"Last-Event-ID": str(ids[-1])})
    assert ended.status_code == 204
    snapshot = idle_client.get(at, headers={"Last-Event-ID": "unknown"})
    assert snapshot.text.startswith("event: end")


def test_an_experiment_that_is_deleted_ends_its_stream(
    idle: Service, idle_client: httpx.Client, blocks: list[str]
) -> None:
    with idle_client.stream("GET", f"{AT}/{now(idle_client)['id']}/events") as events:
        lines = events.iter_lines()
        assert next(lines) == "event: progress"
        with idle.database.writing() as session:
            session.delete(session.scalars(select(ExperimentRow)).one())
        assert not any(line.startswith("event:") for line in lines)


def test_the_queue_takes_blocks_in_their_order(
    idle: Service, idle_client: httpx.Client, blocks: list[str]
) -> None:
    assert idle_client.post(AT, json=an_experiment()).status_code == 202
    found = taking.take(idle.everything, jobs.EXPERIMENTS, "experiment", "someone", 4)
    assert [piece.work_id for piece in found][:3] == blocks
