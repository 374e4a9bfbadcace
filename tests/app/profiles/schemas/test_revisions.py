"""The published examples of every kind."""

import pytest

from app.profiles.plausibility import warnings_of
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import SCHEMAS


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.kind)
def test_the_published_examples_are_valid_and_sane(schema: type[Profile]) -> None:
    extra = schema.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    for example in extra["examples"]:  # type: ignore[union-attr]
        assert warnings_of(schema.model_validate(example)) == ()
