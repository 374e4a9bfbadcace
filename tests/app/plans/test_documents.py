"""What the service answers is what its OpenAPI document says, whatever it is asked."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support import seeds
from tests.support.builders import Body
from tests.support.robust.requests import a_cell, a_crowd, a_stored_cell, a_user, store_profiles
from tests.support.servers import Service

pytestmark = pytest.mark.either

OPERATIONS = [
    ("POST", "/v1/plans/robust"),
    ("GET", "/v1/plans"),
    ("GET", "/v1/plans/current"),
    ("GET", "/v1/plans/{plan_id}"),
    ("DELETE", "/v1/plans/{plan_id}"),
    ("GET", "/v1/plans/{plan_id}/users"),
    ("GET", "/v1/plans/{plan_id}/users/{user_id}"),
]


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_answers_as_documented(
    running: Service,
    document: schemathesis.schemas.BaseSchema,
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    operation = document[path][method]

    @settings(
        max_examples=24 if seeds.SOAKING else 6,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        # No schema can say which names are stored, nor what a cursor looks like.
        case.call_and_validate(timeout=30.0, excluded_checks=[positive_data_acceptance])

    answers()


@pytest.fixture(scope="module")
def document(running: Service) -> schemathesis.schemas.BaseSchema:
    """The document as the service serves it."""
    return schemathesis.openapi.from_url(f"{running.url}/openapi.json", timeout=60.0)


ANSWERS: dict[str, Body] = {
    "solved": a_cell(a_user(gain_db=3.0, server_timing=None), name="lobby"),
    "infeasible": a_cell(a_user(deadline_s=1e-4)),
    "a crowd": a_stored_cell(*a_crowd(1001, deadline_s=0.4), options={"gap": 1e-3}),
    "refused": a_cell(a_user(risk=1.0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS)
def test_real_answers_are_as_documented(
    client: httpx.Client, document: schemathesis.schemas.BaseSchema, body: Body
) -> None:
    store_profiles(client)
    post = document["/v1/plans/robust"]["POST"]
    answer = post.Case(body=body, media_type="application/json").call_and_validate()
    post.Case(
        body=body, media_type="application/json", query={"dry_run": "true"}
    ).call_and_validate()
    if answer.status_code != 201:
        return
    at = {"plan_id": answer.json()["id"]}
    user_id = body["users"][0]["id"]
    for path, parameters in (
        ("/v1/plans/{plan_id}", at),
        ("/v1/plans/{plan_id}/users", at),
        ("/v1/plans/{plan_id}/users/{user_id}", at | {"user_id": user_id}),
        ("/v1/plans", {}),
    ):
        assert (
            document[path]["GET"].Case(path_parameters=parameters).call_and_validate().status_code
            == 200
        )
    assert (
        document["/v1/plans/{plan_id}"]["DELETE"]
        .Case(path_parameters=at)
        .call_and_validate()
        .status_code
        == 204
    )
