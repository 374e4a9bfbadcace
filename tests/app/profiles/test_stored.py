"""Revisions read back, and the memory of those that were parsed."""

import uuid
from typing import Any

from app.profiles.schemas.device import Device
from app.profiles.stored import ParsedRevisions
from tests.support.builders import a_device


def device(**fields: Any) -> Device:
    return Device.model_validate(a_device(**fields))


def test_the_memory_of_parsed_revisions_is_bounded() -> None:
    memory = ParsedRevisions(capacity=2)
    keys = [uuid.uuid4() for _ in range(3)]
    memory.put(keys[0], device())
    memory.put(keys[1], device())
    assert memory.get(keys[0]) is not None
    memory.put(keys[2], device())
    assert memory.get(keys[1]) is None, "the one used longest ago goes"
    assert memory.get(keys[0]) is not None
