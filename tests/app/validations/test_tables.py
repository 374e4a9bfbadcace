"""Plans from before validations existed."""

from datetime import UTC, datetime

import httpx
from alembic import command
from sqlalchemy import text

from app import migration
from app.db import open_database
from app.settings import Settings
from tests.support.answers import slug
from tests.support.servers import Service


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
        Service(Settings(database_url=new_database_url)) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        assert client.get(f"/v1/plans/{row['id']}").json()["status"] == "solved"
        refused = client.post(f"/v1/plans/{row['id']}/validations", json={})
        assert (refused.status_code, slug(refused)) == (409, "plan-not-replayable")
        assert "plan it again" in refused.json()["detail"]
    command.downgrade(migration.configuration(database), "0002")
    with database.reading() as session:
        assert session.execute(text("SELECT id, users FROM plan")).all() == [(row["id"], 1)]
    database.engine.dispose()
