"""What was answered is kept: through a crowd of clients, and through a process that is killed."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.db import Database, open_database
from app.plans.tables import PlanRow, PlanUsersRow
from tests.support.builders import Body
from tests.support.robust.requests import ROBUST, a_cell, a_user


def a_family_of(count: int) -> Body:
    return a_cell(*(a_user(id=f"camera-{n}", gain_db=-90.0 - 2.0 * n) for n in range(count)))


def incomplete(database: Database) -> list[str]:
    """Stored plans whose users are not all there."""
    with database.reading() as session:
        stored: dict[int, list[str]] = {}
        for block in session.query(PlanUsersRow).order_by(
            PlanUsersRow.plan_number, PlanUsersRow.block
        ):
            assert [entry["id"] for entry in block.entries] == block.ids
            stored.setdefault(block.plan_number, []).extend(block.ids)
        plans = session.query(PlanRow).all()
        asked = {plan.number: [user["id"] for user in plan.request["users"]] for plan in plans}
        assert stored.keys() <= asked.keys(), "users without a plan"
        return [plan.id for plan in plans if stored.get(plan.number, []) != asked[plan.number]]


@pytest.mark.slow
def test_clients_do_not_hinder_each_other(client: httpx.Client) -> None:
    def post(n: int) -> httpx.Response:
        return client.post(ROBUST, json=a_family_of(1 + n % 5) | {"name": f"client-{n % 8}"})

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(post, range(64)))
    assert [answer.status_code for answer in answers] == [201] * 64
    listed = client.get("/v1/plans?limit=1000").json()["items"]
    assert {item["id"] for item in listed} == {answer.json()["id"] for answer in answers}
    for answer in answers:
        assert client.get(answer.headers["location"]).content == answer.content


@contextmanager
def serving(database_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real `splitplan serve`, and its address."""
    command = [
        str(Path(sys.executable).with_name("splitplan")),
        "serve",
        "--migrate",
        "--port",
        "0",
    ]
    environment = {**os.environ, "SPLITPLAN_DATABASE_URL": database_url}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"listening on (http://[^,\s]+)", line):
                break
        else:
            pytest.fail("the service ended before it listened")
        # Nobody may stop reading: a full pipe would stop the service.
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield process, found[1]
        finally:
            process.kill()
            process.wait(timeout=30)
            drain.join(timeout=30)
    finally:
        process.stderr.close()


def wait_until_up(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            client.get("/livez")
        except httpx.TransportError:
            continue
        return
    pytest.fail("the service does not answer")


@pytest.mark.slow
def test_a_killed_service_has_kept_every_plan_it_answered(new_database_url: str) -> None:
    answered: dict[str, bytes] = {}
    enough, killed = threading.Event(), threading.Event()

    def post_until_killed(url: str, n: int) -> None:
        with httpx.Client(base_url=url, timeout=60.0, trust_env=False, verify=False) as client:
            while not killed.is_set():
                try:
                    answer = client.post(ROBUST, json=a_family_of(1 + n % 4))
                except httpx.TransportError:
                    assert enough.is_set(), "nobody had killed the service yet"
                    return
                assert answer.status_code == 201, answer.text
                answered[answer.headers["location"]] = answer.content
                if len(answered) >= 40:
                    enough.set()

    with serving(new_database_url) as (process, url):
        with httpx.Client(base_url=url, trust_env=False, verify=False) as client:
            wait_until_up(client)
        with ThreadPoolExecutor(6) as clients:
            running = [clients.submit(post_until_killed, url, n) for n in range(6)]
            assert enough.wait(timeout=60), [
                future.exception(timeout=0) for future in running if future.done()
            ]
            process.kill()
            killed.set()
            for future in running:
                future.result(timeout=60)

    with (
        serving(new_database_url) as (_, url),
        httpx.Client(base_url=url, trust_env=False, verify=False) as client,
    ):
        wait_until_up(client)
        for address, content in answered.items():
            assert client.get(address).content == content
        assert client.post(ROBUST, json=a_family_of(3)).status_code == 201, "and it goes on"

    database = open_database(new_database_url)
    try:
        assert incomplete(database) == []
        if database.engine.dialect.name == "sqlite":
            with database.reading() as session:
                assert session.scalars(text("PRAGMA integrity_check")).all() == ["ok"]
                assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    finally:
        database.engine.dispose()
