"""Users of stored requests, found by id."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.db import Database
from app.evidence.schemas import MissReport
from app.evidence.service import Receiver
from app.plans import columnar, stored
from app.plans.requested import users_named
from app.plans.tables import PlanRow
from tests.support.robust.columns import as_table, planned
from tests.support.robust.requests import a_crowd, a_stored_cell, plan, store_profiles
from tests.support.servers import Service

pytestmark = pytest.mark.either

USERS = 1200


@pytest.fixture
def fleet(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plan of users in columns, in any order, each with a risk of its own, in small blocks."""
    monkeypatch.setattr(columnar, "BLOCK_ROWS", 64)
    monkeypatch.setattr(columnar, "_INDEX_ROWS", 100)
    store_profiles(client)
    crowd = a_crowd(USERS, deadline_s=0.4)
    for n, user in enumerate(crowd):
        user["risk"] = 0.02 + 0.05 * n / USERS
    shuffled = [crowd[n] for n in np.random.default_rng(1).permutation(USERS)]
    request = a_stored_cell(*shuffled, bandwidth_hz=1e6 * USERS)
    return str(planned(client, as_table(request))["id"])


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile, by who writes and by who reads."""
    seen: list[str] = []
    # Sessions ask through an engine of their own, which tells those that it is made of.
    engines = {database.engine, database._readers.of_all}

    def look(*told: object) -> None:
        seen.append(str(told[2]))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", look)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", look)


def row_of(session: Session, plan_id: str) -> PlanRow:
    return session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one()


@pytest.mark.slow
def test_finds_users_in_columns_by_the_index(fleet: str, service: Service) -> None:
    rng = np.random.default_rng(2)
    with service.database.reading() as session:
        row = row_of(session, fleet)
        for count in (1, 2, 30, USERS):
            ids = [f"camera-{n}" for n in rng.permutation(USERS)[:count]]
            found = users_named(session, row.number, ids)
            assert found == stored.request_of(session, row).named(ids)
            assert found.keys() == set(ids)
        strangers = ["", "camera-1", "camera-1200", "camera-99x", "zebra"]
        assert users_named(session, row.number, strangers).keys() == {"camera-1"}


def test_finds_users_that_came_as_json(client: httpx.Client, service: Service) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(5, deadline_s=0.4), bandwidth_hz=5e6))
    with service.database.reading() as session:
        row = row_of(session, document["id"])
        found = users_named(session, row.number, ["camera-3", "camera-5"])
    assert [user["id"] for user in found.values()] == ["camera-3"]


@pytest.mark.slow
def test_a_report_reads_no_more_of_a_large_plan_than_its_user(fleet: str, service: Service) -> None:
    receiver = Receiver(service.database)
    for sequence, blocks in ((1, 1), (2, 0)):  # its risk is known the second time
        sent = MissReport(user="camera-700", sequence=sequence, inferences=10, misses=1)
        with statements(service.database) as seen:
            told = receiver.receive(service.database, fleet, (sent,))
        assert told["users"][0]["risk"] == 0.02 + 0.05 * 700 / USERS
        assert not [one for one in seen if "plan.request," in one or "plan.pins" in one]
        assert len([one for one in seen if "FROM plan_columns" in one]) == blocks
