"""Failures as problems."""

import logging
import uuid
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import insert, select, text

from app.db import WriteSession
from app.errors import FieldError, InvalidRequest
from app.problem_types import PROBLEMS
from app.problems import problem
from app.profiles.tables import RevisionRow
from app.settings import Settings
from tests.support.answers import slug
from tests.support.builders import a_device, a_model
from tests.support.document import DOCUMENT
from tests.support.servers import Service


def test_the_catalogue_is_published_and_every_type_resolves(client: httpx.Client) -> None:
    catalogue = client.get("/v1/problem-types").json()
    assert {entry["type"] for entry in catalogue} == {
        f"/v1/problem-types/{kind.slug}" for kind in PROBLEMS.values()
    }
    for entry in catalogue:
        assert client.get(entry["type"]).json() == entry
        assert entry["mend"] == entry["remedy"]  # the earlier name, for this version still
    assert slug(client.get("/v1/problem-types/nonsense")) == "problem-type-not-found"


@pytest.mark.parametrize("path", ["/nope", "/v1/devices/a/b/c", "/static-offline-docs/nope.js"])
def test_no_such_address(client: httpx.Client, path: str) -> None:
    refused = client.get(path)
    assert (refused.status_code, slug(refused)) == (404, "not-found")


def test_no_such_method(client: httpx.Client) -> None:
    refused = client.patch("/v1/devices/camera-cpu")
    assert (refused.status_code, slug(refused)) == (405, "method-not-allowed")
    assert refused.headers["allow"] == "DELETE, GET, HEAD, PUT"


def test_at_most_a_hundred_faults_are_listed(client: httpx.Client) -> None:
    refused = client.post("/v1/models", json=a_model(cuts=[{} for _ in range(60)]))
    assert len(refused.json()["errors"]) == 100
    assert "239 more" in refused.json()["detail"]


def test_a_lone_surrogate_is_no_failure_of_ours(client: httpx.Client) -> None:
    body = rb'{"name": "\ud800", "\ud800": 1, "capacity_flop_per_s": 1, "provenance": "measured"}'
    refused = client.post("/v1/servers", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert problem(InvalidRequest([FieldError("/\ud800", "x")])).body.decode().count("ud800") == 2


def test_an_unforeseen_failure_tells_only_an_id(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with Service(settings) as service:

        @service.app.get("/boom")
        def boom() -> None:
            raise RuntimeError("secret")

        with caplog.at_level(logging.ERROR, "app"):
            refused = httpx.get(f"{service.url}/boom", trust_env=False)
    assert (refused.status_code, slug(refused)) == (500, "internal-error")
    assert "secret" not in refused.text
    instance = refused.json()["instance"]
    assert instance.startswith("urn:uuid:")
    record = next(record for record in caplog.records if instance in record.getMessage())
    assert record.exc_info is not None
    assert "secret" in str(record.exc_info[1])


@pytest.mark.slow
def test_an_unreachable_database_is_retried_later(settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": "postgresql://nobody:secret@127.0.0.1:1/none"}
    )
    with Service(away) as service:
        for answer in (
            httpx.get(f"{service.url}/v1/devices", trust_env=False),
            httpx.post(f"{service.url}/v1/devices", json=a_device(), trust_env=False),
            httpx.get(f"{service.url}/readyz", trust_env=False),
        ):
            assert (answer.status_code, slug(answer)) == (503, "database-unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert "secret" not in answer.text
        assert httpx.get(f"{service.url}/livez", trust_env=False).status_code == 200


@pytest.mark.slow
def test_a_failed_commit_never_answers_success(settings: Settings, backend: str) -> None:
    """A constraint that is checked only at the commit: every statement of the request succeeds."""
    with Service(settings) as service:

        @service.app.post("/orphan")
        def orphan(session: WriteSession) -> str:
            if backend == "sqlite":
                session.execute(text("PRAGMA defer_foreign_keys = ON"))
            else:
                session.execute(
                    text(
                        "ALTER TABLE profile_revision ALTER CONSTRAINT"
                        " fk_profile_revision_profile_id_profile DEFERRABLE INITIALLY DEFERRED"
                    )
                )
            orphan = {
                "id": uuid.uuid4(),
                "profile_id": 99,
                "number": 1,
                "created_at": datetime.now(UTC),
                "body": {},
            }
            session.execute(insert(RevisionRow).values(orphan))
            return "done"

        assert httpx.post(f"{service.url}/orphan", trust_env=False).status_code == 500
        with service.database.reading() as session:
            assert (
                session.scalars(select(RevisionRow).where(RevisionRow.profile_id == 99)).all() == []
            )


def test_the_documented_answers_are_the_ones_given() -> None:
    assert "HTTPValidationError" not in DOCUMENT["components"]["schemas"]
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (
                        path,
                        method,
                        status,
                    )
