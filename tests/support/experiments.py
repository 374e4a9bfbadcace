"""Experiments: asked for, and worked off as a worker does it."""

from typing import Any

import httpx
from sqlalchemy import select

from app.experiments import jobs
from app.experiments.answers import Experiment, ExperimentPointPage
from app.experiments.tables import ExperimentBlockRow
from tests.support.builders import Body
from tests.support.robust.requests import a_cell, a_user
from tests.support.servers import Service
from tests.support.working import worked_off

AT = "/v1/experiments"
WIDTHS = [2e6, 5e6, 2e7]


def an_experiment(**fields: Any) -> Body:
    """Two deadlines by three bandwidths, of two cameras."""
    cell = a_cell(a_user(id="near", gain_db=-88.0), a_user(id="far", gain_db=-94.0))
    return {
        "base": {"kind": "robust", "request": cell},
        "axes": [
            {"pointer": "/users/*/deadline_s", "scale": True, "values": [1.0, 2.0]},
            {"pointer": "/bandwidth_hz", "values": WIDTHS},
        ],
        **fields,
    }


def order(client: httpx.Client, body: Body, **headers: str) -> Body:
    answer = client.post(AT, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def work_off(service: Service) -> None:
    """Plan the points of everything that waits."""
    with service.everything.reading() as session:
        waiting = select(ExperimentBlockRow.id).where(ExperimentBlockRow.status == "queued")
        blocks = session.scalars(waiting).all()
    for block in blocks:
        worked_off(service.everything, jobs.EXPERIMENTS, block)


def carried_out(service: Service, client: httpx.Client, body: Body) -> tuple[Body, list[Body]]:
    """An ended experiment, and its points."""
    made = order(client, body)
    work_off(service)
    ended = client.get(f"{AT}/{made['id']}").json()
    Experiment.model_validate(ended)
    assert ended["status"] == "finished", ended
    page = client.get(f"{AT}/{made['id']}/points", params={"limit": 1000}).json()
    ExperimentPointPage.model_validate(page)
    return ended, page["items"]
