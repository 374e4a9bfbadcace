"""A stocked service."""

from collections.abc import Iterator

import pytest

from client.planning import PlanningClient
from tests.support.builders import a_server_timing
from tests.support.client import PROFILES, connected
from tests.support.servers import Service


@pytest.fixture
def planning(service: Service) -> Iterator[PlanningClient]:
    with connected(service.url) as planning:
        yield planning


@pytest.fixture
def stocked(planning: PlanningClient) -> PlanningClient:
    """A client of a service that has one profile of each kind, and a server timing."""
    for collection, profile in PROFILES.items():
        planning.create(collection, profile)
    planning.create("timings", a_server_timing())
    return planning
