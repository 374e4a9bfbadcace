"""Requests as they were sent, and bundles where there can be none."""

import io
import json

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.http.media import ARROW, CSV, PARQUET
from app.plans import service as plans
from tests.support.answers import slug
from tests.support.background import ended, submit_long
from tests.support.bundles import multi_user, posted, replanned
from tests.support.robust import requests as cells
from tests.support.robust.columns import as_table, planned, post
from tests.support.servers import Service
from tests.support.stopping import requests as rules


def test_a_request_comes_back_as_it_was_sent(client: httpx.Client) -> None:
    cells.store_profiles(client)
    body = cells.a_stored_cell(*cells.a_crowd(3, deadline_s=0.4), name="lobby", priority="high")
    plan = posted(client, cells.ROBUST, body)
    answer = client.get(f"/v1/plans/{plan['id']}/request")
    assert answer.json() == body
    again = posted(client, cells.ROBUST, answer.json())
    assert again["request_hash"] == plan["request_hash"]
    assert client.get(f"/v1/plans/{plan['id']}/request", headers={"Accept": ARROW}).json() == body
    assert slug(client.get(f"/v1/plans/{'0' * 32}/request")) == "plan-not-found"


@pytest.mark.slow
def test_columns_come_back_as_they_were_sent(client: httpx.Client) -> None:
    cells.store_profiles(client)
    body = cells.a_stored_cell(*cells.a_crowd(4100, deadline_s=0.4), bandwidth_hz=5e9)
    table = as_table(body)
    path = f"/v1/plans/{planned(client, table)['id']}/request"
    terms = {name: value for name, value in body.items() if name != "users"}
    assert client.get(path).json() == terms
    for media_type in (ARROW, PARQUET):
        content = client.get(path, headers={"Accept": media_type}).content
        read = (
            pa.ipc.open_stream(content).read_all()
            if media_type == ARROW
            else pq.read_table(io.BytesIO(content))
        )
        assert read.to_pylist() == table.to_pylist()
        assert json.loads(read.schema.metadata[b"splitplan"]) == terms
        assert post(client, content, media_type, params={"dry_run": "true"}).status_code == 200
    assert client.get(path, headers={"Accept": CSV}).text.count("\n") == 4101


def test_what_cannot_be_made_again_says_why(client: httpx.Client) -> None:
    assert slug(client.get(f"/v1/plans/{'0' * 32}/bundle")) == "plan-not-found"
    held = replanned(client)
    assert client.get(f"/v1/plans/{held['id']}/bundle").is_success
    assert client.delete(f"/v1/plans/{held['parent']}").status_code == 204
    answer = client.get(f"/v1/plans/{held['id']}/bundle")
    assert (answer.status_code, slug(answer)) == (409, "nothing-to-bundle")
    assert held["parent"] in answer.json()["detail"]


def test_a_plan_that_has_not_ended_or_has_nothing_to_say(client: httpx.Client) -> None:
    rules.store_profiles(client)
    plan_id = submit_long(client, 3)  # nobody works here
    answer = client.get(f"/v1/plans/{plan_id}/bundle")
    assert (answer.status_code, slug(answer)) == (409, "plan-not-ended")
    assert client.get(f"/v1/plans/{plan_id}/request").is_success
    client.post(f"/v1/plans/{plan_id}/cancel")
    ended(client, plan_id)
    answer = client.get(f"/v1/plans/{plan_id}/bundle")
    assert (answer.status_code, slug(answer)) == (409, "nothing-to-bundle")
    assert "cancelled" in answer.json()["detail"]


def test_the_address_of_a_webhook_stays_secret(client: httpx.Client, service: Service) -> None:
    body = multi_user(client)
    with service.database.writing() as session:
        row = plans.find(session, body["id"])
        row.request = row.request | {"webhook_url": "https://example.com/a-secret"}
    for path in ("request", "bundle"):
        answer = client.get(f"/v1/plans/{body['id']}/{path}")
        assert answer.is_success
        assert "a-secret" not in answer.text
