"""Every example of the page is answered as it is printed."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.catalogue import service as catalogue
from tests.support.answers import differences
from tests.support.servers import Service

pytestmark = pytest.mark.either

PAGE = Path(__file__).parent.parent.parent / "docs" / "families" / "robust_terms.md"


def examples() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Title, what is sent and what is answered; the first is a request, the others patches of
    it.
    """
    found = []
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        sent, answered = blocks[::2], blocks[1::2]
        for request, answer in zip(sent, answered, strict=True):
            found.append((section.splitlines()[0], json.loads(request), json.loads(answer)))
    return found


@pytest.fixture
def stocked(service: Service) -> Service:
    """A service with the catalogue."""
    with service.database.writing() as session:
        assert catalogue.load(session, catalogue.shipped()).created
    return service


@pytest.mark.slow
def test_every_example_is_answered_as_printed(stocked: Service, client: httpx.Client) -> None:
    (_, request, answer), *patches = examples()
    assert len(patches) >= 8
    made = client.post("/v1/plans/robust", json=request)
    assert made.status_code == 201, made.text
    assert differences(answer, made.json()) == []
    for title, patch, expected in patches:
        told = client.post(f"/v1/plans/{made.json()['id']}/replan", json=patch)
        assert told.status_code in (201, 422), told.text
        assert (title, differences(expected, told.json())) == (title, [])
