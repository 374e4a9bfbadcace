"""Reports of devices over HTTP, and the plans they revoke."""

import threading
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import select

from app.evidence.tables import PlanEvidenceRow, UserEvidenceRow
from app.plans.tables import PlanEventRow, PlanRow
from client.edge import RiskMonitor
from tests.support.answers import pointers, slug
from tests.support.background import events
from tests.support.builders import Body
from tests.support.databases import asked
from tests.support.robust.requests import a_cell, a_user, plan
from tests.support.servers import Service

AT = "2026-11-27T00:00:00Z"


def observations(document: Body) -> str:
    """Where the reports about a plan go."""
    return f"/v1/plans/{document['id']}/observations"


def a_report(user: str, sequence: int, inferences: int, misses: int, **fields: Any) -> Body:
    """What one user saw since its last report."""
    return {
        "user": user,
        "sequence": sequence,
        "inferences": inferences,
        "misses": misses,
        **fields,
    }


def report(client: httpx.Client, document: Body, *reports: Body) -> Body:
    """Reports that must be counted."""
    answer = client.post(observations(document), json={"reports": list(reports)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def a_plan(client: httpx.Client, users: int = 3, **fields: Any) -> Body:
    """A plan of users with a risk of 5 % each."""
    every = [a_user(id=f"camera-{n}", gain_db=-80.0 - 20.0 * n / users) for n in range(users)]
    return plan(client, a_cell(*every, **fields))


def name_of(document: Body, position: int = 0) -> str:
    return str(document["result"]["users"][position]["id"])


@pytest.mark.either
def test_the_database_is_asked_for_each_thing_once(client: httpx.Client) -> None:
    document = a_plan(client)
    for sequence, most in ((1, 10), (2, 7)):  # the first makes the evidence
        with asked() as seen:
            report(client, document, a_report(name_of(document), sequence, 100, 0))
        assert len(seen) <= most, seen


def test_counts_what_is_reported(client: httpx.Client) -> None:
    document = a_plan(client)
    first, second = name_of(document, 0), name_of(document, 1)
    told = report(
        client,
        document,
        a_report(first, 1, 100, 5),
        a_report(second, 1, 50, 0, at=AT),
    )
    assert (told["counted"], told["repeated"]) == (2, 0)
    assert (told["inferences"], told["misses"], told["users_reporting"]) == (150, 5, 2)
    assert told["confidence"] == 0.95
    assert [user["user"] for user in told["users"]] == [first, second]
    assert told["users"][0]["risk"] == 0.05
    means = [user["e_value"] for user in told["users"]] + [1.0]  # the third user is silent
    assert told["e_value"] == pytest.approx(np.mean(means))
    assert client.get(observations(document)).json() == {
        name: told[name] for name in told if name not in ("counted", "repeated", "users")
    }


def test_the_device_and_the_service_play_the_same_game(client: httpx.Client) -> None:
    document = a_plan(client)
    monitor, rng = RiskMonitor(0.05), np.random.default_rng(1)
    for _ in range(5):
        for late in rng.random(40) < 0.08:
            monitor.observe(bool(late))
        sent = monitor.report()
        assert sent is not None
        told = report(client, document, {"user": name_of(document), **sent})
        monitor.acknowledge(told["users"][0]["sequence"])
    assert told["users"][0]["e_value"] == pytest.approx(monitor.e_value)
    assert told["users"][0]["refuted"] == monitor.refuted


def test_a_report_counts_once_however_often_and_in_whatever_order(client: httpx.Client) -> None:
    document = a_plan(client)
    user = name_of(document)
    reports = [a_report(user, n, 10 + n, n % 3) for n in range(1, 9)]
    order = np.random.default_rng(2).permutation(np.repeat(np.arange(8), 3))
    for n in order[:12].tolist():
        report(client, document, reports[n])
    told = report(client, document, *(reports[n] for n in order[12:].tolist()))
    assert told["inferences"] == sum(one["inferences"] for one in reports)
    assert told["misses"] == sum(one["misses"] for one in reports)
    assert told["users"][0]["sequence"] == 8
    assert told["users"][0]["missing"] == []
    late = report(client, document, a_report(user, 11, 1, 0))
    assert late["users"][0]["missing"] == [[9, 10]]
    again = report(client, document, a_report(user, 3, 999, 999))
    assert (again["counted"], again["repeated"], again["misses"]) == (0, 1, late["misses"])


def test_a_plan_that_no_longer_holds_is_revoked(client: httpx.Client, service: Service) -> None:
    document = a_plan(client)
    user = name_of(document)
    assert "revoked" not in client.get(f"/v1/plans/{document['id']}").json()
    told = report(client, document, a_report(user, 1, 100, 40))
    assert told["users"][0]["refuted"]
    assert told["users_refuted"] == 1
    assert told["revoked"]["e_value"] == told["e_value"]
    assert "40 of 100 inferences were late" in told["revoked"]["detail"]
    stored = client.get(f"/v1/plans/{document['id']}").json()
    assert stored["revoked"] == told["revoked"]
    assert stored["status"] == "solved"
    assert stored["result"] == document["result"]
    calm = report(client, document, a_report(user, 2, 100_000, 0))
    assert calm["users"][0]["e_value"] < 1.0
    assert calm["users"][0]["refuted"]  # it was, and nothing takes that back
    assert calm["revoked"] == told["revoked"]
    with service.database.reading() as session:
        kinds = list(session.scalars(select(PlanEventRow.status).order_by(PlanEventRow.id)))
    assert kinds.count("revoked") == 1


def test_a_reader_of_events_is_told_after_the_end(client: httpx.Client, service: Service) -> None:
    document = a_plan(client)
    with service.database.reading() as session:
        end = session.scalars(select(PlanEventRow.id)).all()[-1]
    report(client, document, a_report(name_of(document), 1, 100, 40))
    events = f"/v1/plans/{document['id']}/events"
    with client.stream("GET", events, headers={"Last-Event-ID": str(end)}) as answer:
        lines = []
        for line in answer.iter_lines():
            lines.append(line)
            if line.startswith("data:"):
                break
    assert "event: revoked" in lines


def test_one_user_among_many_does_not_revoke_a_fleet_by_bad_luck(client: httpx.Client) -> None:
    """Of many users whose promises hold, some are refuted by chance; the plan is not."""
    document = a_plan(client, users=200)
    ids = [user["id"] for user in document["result"]["users"]]
    told = report(client, document, a_report(ids[7], 1, 60, 10))
    assert told["users"][0]["refuted"]
    assert told["e_value"] < 20.0
    assert "revoked" not in told
    worse = report(client, document, a_report(ids[7], 2, 40, 30))
    assert "revoked" in worse  # beyond any doubt that a fleet of 200 leaves


def test_another_plan_is_made_instead(client: httpx.Client) -> None:
    document = a_plan(
        client, options={"margin": "gaussian", "on_revocation": "replan"}, name="cameras"
    )
    told = report(client, document, a_report(name_of(document), 1, 100, 40))
    child = told["revoked"]["replanned_as"]
    found = client.get(f"/v1/plans/{child}").json()
    assert found["parent"] == document["id"]
    assert found["options"]["margin"] == "unimodal"
    assert found["status"] in ("queued", "running", "solved")
    again = report(client, document, a_report(name_of(document), 2, 100, 40))
    assert again["revoked"]["replanned_as"] == child


def test_who_follows_the_name_is_told(client: httpx.Client) -> None:
    """The revoked plan stays current, with another tag, and is no more to be replaced unseen."""
    older = a_plan(client, name="cameras")
    document = a_plan(client, name="cameras")
    current, user = "/v1/plans/current?name=cameras", name_of(document)
    before = client.get(current)
    address = f"/v1/plans/current/users/{user}?name=cameras"
    assert "plan-revoked" not in client.get(address).headers
    report(client, older, a_report(name_of(older), 1, 100, 40))  # is told to nobody here
    with client.stream("GET", "/v1/plans/current/events?name=cameras") as answer:
        told = events(answer)
        standing, kind, data = next(told)
        assert (kind, data["plan"]) == ("current", document["id"])
        revoked = report(client, document, a_report(user, 1, 100, 40))["revoked"]
        number, kind, data = next(told)
    assert number > standing
    assert (kind, data["because"], data["plan"]) == ("revoked", "revoked", document["id"])
    assert (data["revoked"], data["changes"]) == (revoked, None)
    assert client.get(current).json() == document | {"revoked": revoked}
    assert client.get(address).headers["plan-revoked"] == revoked["at"]
    tag = before.headers["etag"]
    assert client.get(current, headers={"If-None-Match": tag}).status_code == 200
    again = f"/v1/plans/{document['id']}/replan"
    refused = client.post(again, json={}, headers={"If-Match": tag})
    assert (refused.status_code, slug(refused)) == (412, "plan-not-current")
    assert "it was revoked" in refused.json()["detail"]
    assert client.post(again, json={}, headers={"If-Match": "*"}).status_code == 201


def test_where_nothing_is_safer_it_says_so(client: httpx.Client) -> None:
    document = a_plan(client, options={"on_revocation": "replan"})
    told = report(client, document, a_report(name_of(document), 1, 100, 40))
    assert "measure again" in told["revoked"]["not_replanned"]


def test_users_are_listed_by_id(client: httpx.Client) -> None:
    document = a_plan(client, users=5)
    ids = sorted(user["id"] for user in document["result"]["users"])
    report(client, document, *(a_report(name, 1, 100, 40 if name == ids[2] else 1) for name in ids))
    where = f"{observations(document)}/users"
    seen, query = [], {"limit": "2"}
    while True:
        page = client.get(where, params=query).json()
        seen += [user["user"] for user in page["items"]]
        if page["next_cursor"] is None:
            break
        query = {"limit": "2", "cursor": page["next_cursor"]}
    assert seen == ids
    refuted = client.get(where, params={"refuted": "true"}).json()["items"]
    assert [user["user"] for user in refuted] == [ids[2]]
    assert len(client.get(where, params={"refuted": "false"}).json()["items"]) == 4


def test_refuses_whom_the_plan_does_not_know(client: httpx.Client, service: Service) -> None:
    document = a_plan(client)
    name = name_of(document)
    answer = client.post(
        observations(document),
        json={"reports": [a_report(name, 1, 10, 0), a_report(name + "x", 1, 10, 0)]},
    )
    assert answer.status_code == 422
    assert pointers(answer) == ["/reports/1/user"]
    assert f"is it {name!r}" in answer.json()["errors"][0]["detail"]
    with service.database.reading() as session:
        assert session.scalars(select(UserEvidenceRow)).all() == []
        assert session.scalars(select(PlanEvidenceRow)).all() == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"misses": 11}, "/reports/0/misses"),
        ({"sequence": 0}, "/reports/0/sequence"),
        ({"inferences": -1}, "/reports/0/inferences"),
        ({"at": "yesterday"}, "/reports/0/at"),
        ({"late": 1}, "/reports/0/late"),
    ],
)
def test_refuses_reports_that_cannot_be(client: httpx.Client, change: Body, pointer: str) -> None:
    document = a_plan(client)
    answer = client.post(
        observations(document), json={"reports": [a_report(name_of(document), 1, 10, 0) | change]}
    )
    assert answer.status_code == 422
    assert pointer in pointers(answer)


def test_refuses_plans_that_promise_nothing(client: httpx.Client) -> None:
    document = plan(client, a_cell(a_user(), options={"margin": "mean"}))
    answer = client.post(observations(document), json={"reports": [a_report("camera", 1, 1, 0)]})
    assert (answer.status_code, slug(answer)) == (409, "plan-not-replayable")
    gone = client.post(
        f"/v1/plans/{'0' * 32}/observations", json={"reports": [a_report("a", 1, 1, 0)]}
    )
    assert gone.status_code == 404


@pytest.mark.slow
def test_many_report_at_once_and_nothing_is_lost(client: httpx.Client) -> None:
    document = a_plan(client, users=4)
    ids = [user["id"] for user in document["result"]["users"]]

    def sends(name: str) -> None:
        for n in range(1, 26):
            for _ in range(2):  # each twice
                report(client, document, a_report(name, n, 20, 1))

    threads = [threading.Thread(target=sends, args=(name,)) for name in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = client.get(observations(document)).json()
    assert (told["inferences"], told["misses"]) == (4 * 25 * 20, 4 * 25)


def test_evidence_goes_with_its_plan(client: httpx.Client, service: Service) -> None:
    document = a_plan(client)
    report(client, document, a_report(name_of(document), 1, 10, 0))
    assert client.delete(f"/v1/plans/{document['id']}").status_code == 204
    with service.database.reading() as session:
        assert session.scalars(select(UserEvidenceRow)).all() == []
        assert session.scalars(select(PlanRow)).all() == []
