"""Names of profiles, with and without a revision."""

import pytest

from app.profiles.references import ProfileRef


@pytest.mark.parametrize(
    ("text", "ref"), [("net", ProfileRef("net")), ("a.b-c_1@12", ProfileRef("a.b-c_1", 12))]
)
def test_a_reference_is_read_and_written(text: str, ref: ProfileRef) -> None:
    assert ProfileRef.parse(text) == ref
    assert str(ref) == text


def test_revisions_are_in_order() -> None:
    refs = [ProfileRef("a", 10), ProfileRef("b", 1), ProfileRef("a", 9)]
    assert sorted(refs) == [ProfileRef("a", 9), ProfileRef("a", 10), ProfileRef("b", 1)]
