"""A reference, or the profile itself."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.field_errors import field_errors
from app.profiles.schemas.device import Device
from app.profiles.schemas.references import DeviceRef
from tests.support.builders import a_device


def test_a_reference_or_the_body() -> None:
    either = TypeAdapter[str | Device](DeviceRef)
    assert either.validate_python("camera-cpu@3") == "camera-cpu@3"
    assert either.validate_python(a_device()) == Device.model_validate(a_device())
    for wrong, words in (
        ("camera-cpu@0", "'camera-cpu' would do"),
        ("Camera", "'camera' would do"),
        (3, "give a profile's name"),
        (None, "give a profile's name"),
        ({"name": "x"}, "is required"),
    ):
        with pytest.raises(ValidationError) as caught:
            either.validate_python(wrong)
        errors = [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()]
        assert words in field_errors(errors, wrong)[0].detail
