"""What is found at once is what is found one by one."""

import itertools
from typing import Any

import pytest
from sqlalchemy import event

from app.errors import ProfileNotFound, RevisionNotFound
from app.profiles import at_once, stored
from app.profiles import service as profiles
from app.profiles.at_once import Found, Wanted
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing
from tests.support.builders import a_device, a_model, a_server, a_server_timing, a_timing
from tests.support.servers import Service

REFS = [
    ProfileRef(name, revision)
    for name in ("camera-cpu", "small-net", "edge-gpu", "camera-cpu.small-net", "gone", "nobody")
    for revision in (None, 1, 2, 3)
]
PROCESSORS = ("camera-cpu", "edge-gpu", "gone", "nobody")
PROCESSOR_KINDS: tuple[ProcessorKind, ...] = ("device", "server")
WANTED = Wanted(
    {(schema.kind, ref) for schema in SCHEMAS for ref in REFS},
    set(itertools.product(PROCESSORS, PROCESSOR_KINDS, ("small-net", "net"))),
)


def body(kind: str, fields: dict[str, Any]) -> Profile:
    schema = next(schema for schema in SCHEMAS if schema.kind == kind)
    return schema.model_validate(fields)


@pytest.fixture
def filled(service: Service) -> Service:
    """Revisions, a deleted name, and two timings of the same."""
    with service.database.writing() as session:
        for kind, fields in (
            ("device", a_device()),
            ("device", a_device(name="gone")),
            ("model", a_model()),
            ("server", a_server()),
            ("timing", a_timing()),
            ("timing", a_timing(name="another")),
            ("timing", a_server_timing()),
        ):
            profiles.create(session, body(kind, fields))
        profiles.replace(session, body("device", a_device(tx_power_w=0.3)), None)
        profiles.hide(session, type(body("device", a_device())), "gone")
    return service


def test_is_what_is_found_one_by_one(filled: Service) -> None:
    with filled.database.reading() as session:
        found = at_once.find(session, WANTED)
        for schema, ref in itertools.product(SCHEMAS, REFS):
            try:
                expected = profiles.get(session, schema, ref.name, ref.revision)
            except (ProfileNotFound, RevisionNotFound):
                assert found.profile(schema, ref) is None, (schema, ref)
            else:
                assert found.profile(schema, ref) == expected, (schema, ref)
        for key in WANTED.timings:
            assert found.timings[key] == stored.latest_timings(session, *key), key
        assert sorted(len(each) for each in found.timings.values()) == [0] * 14 + [1, 2]


def test_asks_as_often_for_one_as_for_all(filled: Service) -> None:
    asked = list[str]()
    with filled.database.reading() as session:
        at_once.find(session, WANTED)  # and now the bodies are known
        event.listen(filled.database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
        at_once.find(session, WANTED)
        assert len(asked) == 2, "latest revisions and timings, and numbered revisions"
        at_once.find(session, Wanted({("device", ProfileRef("camera-cpu"))}))
        assert len(asked) == 3


def test_leaves_to_others_what_no_statement_takes(filled: Service) -> None:
    many = {("device", ProfileRef(f"device-{n}")) for n in range(1000)}
    with filled.database.reading() as session:
        found = at_once.find(session, Wanted({*many, ("device", ProfileRef("camera-cpu"))}))
    assert found == Found()


def test_a_timing_of_two_is_ambiguous_either_way(filled: Service) -> None:
    with filled.database.reading() as session:
        found = at_once.find(session, WANTED).timings["camera-cpu", "device", "small-net"]
    assert [each.name for each in found] == sorted(each.name for each in found)
    assert all(isinstance(each.body, Timing) for each in found)
