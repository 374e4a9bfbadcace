"""Plans replayed over HTTP."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from scipy.stats import gamma, lognorm
from sqlalchemy import func, select, update

from app.db import Database
from app.plans.tables import PlanRow, PlanUsersRow
from app.validations.schemas import Validation, ValidationPage
from app.validations.tables import ValidationRow
from tests.answers import pointers, slug
from tests.app.plans.cells import a_cell, a_crowd, a_stored_cell, a_stored_user, a_user, plan, store_profiles
from tests.builders import Body, a_channel, a_device, a_model, a_server, a_server_timing, a_timing
from tests.conftest import Service


def validations(document: Body) -> str:
    return f"/v1/plans/{document['id']}/validations"


def validate(client: httpx.Client, document: Body, **asked: Any) -> Body:
    answer = client.post(validations(document), json={"trials": 2000, **asked})
    assert answer.status_code == 201, answer.text
    Validation.model_validate(answer.json())
    return dict(answer.json())


def findings(validation: Body) -> Body:
    """All that the same replay finds again."""
    return {name: value for name, value in validation.items() if name not in ("number", "created_at")}


def stored(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(ValidationRow)) or 0


def a_tight_cell(count: int = 8, **fields: Any) -> Body:
    """Cameras that keep their deadlines with nothing to spare."""
    return a_stored_cell(*a_crowd(count), **fields)


def test_the_evidence_is_kept(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_tight_cell())
    answer = client.post(validations(document), json={})
    assert answer.status_code == 201, answer.text
    validation = answer.json()
    Validation.model_validate(validation)
    assert answer.headers["location"] == f"{validations(document)}/1"
    assert client.get(answer.headers["location"]).json() == validation
    assert (validation["number"], validation["plan_id"]) == (1, document["id"])
    assert (validation["trials"], validation["seed"]) == (10_000, 0)
    assert validation["distributions"] == list(validation["laws"]) == ["gamma", "lognormal", "two_point"]
    assert validation["holds"]
    assert validation["check"]["holds"]
    assert validation["check"]["energy_j"] == pytest.approx(document["result"]["objective"]["energy_j"], rel=1e-12)
    for law in validation["laws"].values():
        assert [user["id"] for user in law["users"]] == [f"camera-{n}" for n in range(8)]
        assert sorted(law["worst"], key=lambda user: user["id"]) == law["users"]
        ratios = [user["share"] / user["risk"] for user in law["worst"]]
        assert ratios == sorted(ratios, reverse=True)
        assert law["users_count"] == 8
        assert law["misses_total"] == sum(user["misses"] for user in law["users"])
        assert law["share_max"] == max(user["share"] for user in law["users"])
        assert law["rejected_users"] == 0
        for user in law["users"]:
            assert user["share"] == user["misses"] / 10_000
            assert user["interval"][0] <= user["share"] <= user["interval"][1]
            assert user["risk"] == 0.05


def test_shares_are_those_of_the_distributions(client: httpx.Client) -> None:
    """The tails of each law by its formula, at the mean and deviation that the plan says."""
    store_profiles(client)
    document = plan(client, a_tight_cell(options={"margin": "gaussian"}))
    validation = validate(client, document, trials=50_000)
    varied = [user for user in document["result"]["users"] if user["latency"]["std_s"] > 0.0]
    assert len(varied) >= 4
    for user in varied:
        mean, std, deadline = user["latency"]["mean_s"], user["latency"]["std_s"], user["deadline_s"]
        spread = lognorm.fit_s if False else (std / mean) ** 2  # noqa
        expected = {
            "gamma": gamma.sf(deadline, 1.0 / spread, scale=mean * spread),
            "lognormal": lognorm.sf(deadline, _sigma(spread), scale=mean / (1.0 + spread) ** 0.5),
            "two_point": user["violation_bound"],
        }
        for law, probability in expected.items():
            found = next(one for one in validation["laws"][law]["users"] if one["id"] == user["id"])
            assert abs(found["share"] - probability) <= 5.0 * (probability * (1.0 - probability) / 50_000) ** 0.5
