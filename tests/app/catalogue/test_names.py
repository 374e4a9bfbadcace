"""Which profiles are shipped, told without what checks them."""

from app.catalogue.names import shipped_names
from app.catalogue.service import shipped


def test_they_are_those_that_can_be_stored() -> None:
    assert shipped_names() == {(profile.kind, profile.name) for profile in shipped()}
