"""Whatever is named is found at once, and as if each name had been asked for alone."""

import itertools
from typing import Any

import pytest
from sqlalchemy import event

from app.profiles import lookups
from app.profiles import service as profiles
from app.profiles.lookups import TimingKey, Wanted
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.revisions import SCHEMAS
from tests.support.builders import a_device, a_model, a_server, a_server_timing, a_timing
from tests.support.servers import Service

NAMES = ("camera-cpu", "small-net", "edge-gpu", "camera-cpu.small-net", "another", "gone", "nobody")
REVISIONS = (None, 1, 2, 3)
PROCESSOR_KINDS: tuple[ProcessorKind, ...] = ("device", "server")
WANTED = Wanted(
    {
        (schema.kind, ProfileRef(*named))
        for schema in SCHEMAS
        for named in itertools.product(NAMES, REVISIONS)
    },
    set(itertools.product(NAMES, PROCESSOR_KINDS, ("small-net", "net"))),
)
# What a name without a revision stands for, and the revisions that are there.
STORED = {
    ("device", "camera-cpu"): (2, {1, 2}),
    ("device", "gone"): (None, {1}),
    ("model", "small-net"): (1, {1}),
    ("server", "edge-gpu"): (1, {1}),
    ("timing", "camera-cpu.small-net"): (1, {1}),
    ("timing", "edge-gpu.small-net"): (1, {1}),
    ("timing", "another"): (1, {1}),
}
TIMED: dict[TimingKey, list[str]] = {
    ("camera-cpu", "device", "small-net"): ["another", "camera-cpu.small-net"],
    ("edge-gpu", "server", "small-net"): ["edge-gpu.small-net"],
}


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


def test_all_that_is_named_is_found(filled: Service) -> None:
    with filled.database.reading() as session:
        found = lookups.find(session, WANTED)
        for schema, name, revision in itertools.product(SCHEMAS, NAMES, REVISIONS):
            latest, numbered = STORED.get((schema.kind, name), (None, set()))
            meant = latest if revision is None else revision if revision in numbered else None
            ref = ProfileRef(name, revision)
            each = found.profile(schema, ref)
            assert (each and (each.name, each.revision)) == (meant and (name, meant)), (schema, ref)
            assert each is None or (type(each.body), each.body.name) == (schema, name)
            assert lookups.profile(session, schema, ref) == each
        assert set(found.timings) == set(WANTED.timings)
        for key, listed in found.timings.items():
            assert [each.name for each in listed] == TIMED.get(key, []), key
            assert lookups.timings(session, key) == listed


def test_asks_as_often_for_one_as_for_all(filled: Service) -> None:
    asked = list[str]()
    with filled.database.reading() as session:
        lookups.find(session, WANTED)  # and now the bodies are known
        event.listen(session.get_bind(), "before_cursor_execute", lambda *a: asked.append(a[2]))
        lookups.find(session, WANTED)
        assert len(asked) == 2, "latest revisions and timings, and numbered revisions"
        lookups.profile(session, type(body("device", a_device())), ProfileRef("camera-cpu"))
        assert len(asked) == 3


@pytest.mark.parametrize("revision", [None, 1])
def test_however_many_are_named_is_found(filled: Service, revision: int | None) -> None:
    """More than one statement may ask for, each part of them with some that exist."""
    nobody = [("device", ProfileRef(f"device-{n}", revision)) for n in range(1200)]
    known = [("device", ProfileRef("camera-cpu", revision)), ("model", ProfileRef("small-net", 1))]
    nowhere = [(f"device-{n}", PROCESSOR_KINDS[0], "small-net") for n in range(600)]
    with filled.database.reading() as session:
        found = lookups.find(session, Wanted([known[0], *nobody, known[1]], [*nowhere, *TIMED]))
        assert set(found.profiles) == set(known)
        assert {key for key, listed in found.timings.items() if listed} == set(TIMED)


def test_of_many_timings_of_the_same_ten_are_told(filled: Service) -> None:
    with filled.database.writing() as session:
        for n in range(11, 0, -1):
            profiles.create(session, body("timing", a_timing(name=f"a-{n:02}")))
    with filled.database.reading() as session:
        listed = lookups.timings(session, next(iter(TIMED)))
    assert [each.name for each in listed] == [f"a-{n:02}" for n in range(1, 11)]
