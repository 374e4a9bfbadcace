"""Plans from before validations existed, and validations from before they were jobs."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from alembic import command
from sqlalchemy import text

from app import migration
from app.db import open_database
from app.projects import DEFAULT
from app.settings import Settings
from app.validations import service
from tests.support.answers import slug
from tests.support.servers import Service


@pytest.mark.slow
def test_older_plans_stay_and_say_why_they_are_not_replayed(new_database_url: str) -> None:
    database = open_database(new_database_url)
    migration.migrate(database, "0002")
    row = {
        "id": "0" * 32,
        "kind": "robust",
        "status": "solved",
        "now": datetime.now(UTC),
        "request": '{"users": []}',
        "answer": (
            '{"options": {}, "warnings": [], "result": {"objective": {"energy_j": 1.0}},'
            ' "infeasible": null, "provenance": {}}'
        ),
    }
    with database.writing() as session:
        session.execute(
            text(
                "INSERT INTO plan (id, kind, status, users, created_at, request, request_hash,"
                " answer) VALUES (:id, :kind, :status, 1, :now, :request, '', :answer)"
            ),
            row,
        )
    migration.migrate(database)
    with (
        Service(Settings(database_url=new_database_url)) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        assert client.get(f"/v1/plans/{row['id']}").json()["status"] == "solved"
        refused = client.post(f"/v1/plans/{row['id']}/validations", json={})
        assert (refused.status_code, slug(refused)) == (409, "plan-not-replayable")
        assert "plan it again" in refused.json()["detail"]
    command.downgrade(migration.configuration(database), "0002")
    with database.reading() as session:
        assert session.execute(text("SELECT id, users FROM plan")).all() == [(row["id"], 1)]
    database.engine.dispose()


@pytest.mark.slow
def test_older_validations_stay_and_new_ones_that_have_not_ended_go(new_database_url: str) -> None:
    database = open_database(new_database_url)
    migration.migrate(database, "0011")
    verdict = {
        "trials": 1,
        "seed": 0,
        "distributions": [],
        "holds": True,
        "check": {},
        "solver_version": "0",
        "laws": {},
    }
    with database.writing() as session:
        session.execute(
            text(
                "INSERT INTO plan (number, id, kind, status, users, created_at, request,"
                " request_hash, answer)"
                " VALUES (7, 'p', 'robust', 'solved', 1, :now, '{}', '', '{}')"
            ),
            {"now": datetime.now(UTC)},
        )
        session.execute(
            text(
                "INSERT INTO validation (plan_number, number, created_at, verdict, evidence)"
                " VALUES (7, 1, :now, :verdict, '{}')"
            ),
            {"now": datetime.now(UTC), "verdict": json.dumps(verdict)},
        )
    migration.migrate(database)
    with database.of(DEFAULT).reading() as session:
        kept = service.get(session, "p", 1)
        assert kept["object"] == "validation"
        assert verdict.items() <= kept.items()
    with database.writing() as session:
        session.execute(
            text(
                "INSERT INTO validation (plan_number, number, id, status, created_at, verdict,"
                " evidence) VALUES (7, 2, 'v', 'queued', :now, '{}', '{}')"
            ),
            {"now": datetime.now(UTC)},
        )
    command.downgrade(migration.configuration(database), "0011")
    with database.reading() as session:
        assert session.execute(text("SELECT number FROM validation")).scalars().all() == [1]
    database.engine.dispose()
