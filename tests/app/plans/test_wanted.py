"""A request of any family finds its profiles by one statement, and a plan made again too."""

from typing import Any

import httpx
import pytest
from sqlalchemy import event

from app.plans import orders
from app.plans.families import FAMILIES
from app.plans.pins import Pins
from tests.support.builders import Body
from tests.support.multiuser import requests as multiuser
from tests.support.robust import requests as robust
from tests.support.servers import Service
from tests.support.stopping import requests as stopping

pytestmark = pytest.mark.either


def named(body: Body) -> Body:
    """The request with stored profiles in place of its own."""
    own = {"device": "camera-cpu", "model": "small-net"}
    users = [
        {key: own.get(key, value) for key, value in user.items() if not key.endswith("_timing")}
        for user in body["users"]
    ]
    return body | {"channel": "cell", "server": "edge-gpu", "users": users}


REQUESTS = {
    "robust": named(robust.a_cell()),
    "stopping": named(stopping.a_fleet()) | {"channel": stopping.a_radio()},
    "multi-user": named(multiuser.a_cell()),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_one_statement_finds_all(client: httpx.Client, service: Service, kind: str) -> None:
    robust.store_profiles(client)
    family = FAMILIES[kind]
    request = family.request.model_validate(REQUESTS[kind])
    asked = list[str]()

    def heard(*cursor: Any) -> None:
        asked.append(cursor[2])

    with service.database.reading() as session:
        pins = orders.prepared(session, family.prepare, request).resolver.pins
        event.listen(session.get_bind(), "before_cursor_execute", heard)
        again = orders.prepared(session, family.prepare, request)
        assert len(asked) == 1, asked
        replanned = orders.prepared(session, family.prepare, request, Pins.of(pins.kept))
        assert len(asked) == 2, asked[1:]
    assert again.resolver.pins == pins == replanned.resolver.pins
    assert len(pins.kept) >= 5
