"""Clients that ask at once do not hinder each other."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.robust.requests import ROBUST, a_cell, a_user


@pytest.mark.slow
def test_clients_do_not_hinder_each_other(client: httpx.Client) -> None:
    def post(n: int) -> httpx.Response:
        users = (a_user(id=f"camera-{k}", gain_db=-90.0 - 2.0 * k) for k in range(1 + n % 5))
        return client.post(ROBUST, json=a_cell(*users, name=f"client-{n % 8}"))

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(post, range(64)))
    assert [answer.status_code for answer in answers] == [201] * 64
    listed = client.get("/v1/plans?limit=1000").json()["items"]
    assert {item["id"] for item in listed} == {answer.json()["id"] for answer in answers}
    for answer in answers:
        assert client.get(answer.headers["location"]).content == answer.content
