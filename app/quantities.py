"""How a number, a name or a text must look in JSON, for every schema of the service."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from app.docstrings import said_of

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
REFERENCE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}(@[1-9][0-9]{0,8})?$"
TEXT_PATTERN = (
    r"^[^\x00-\x1f\x7f]*$"  # a NUL cannot be stored in Postgres, a line break breaks a log line
)
ID_PATTERN = r"^[^\x00-\x1f\x7f/]+$"  # a step of an address
PLAN_ID_PATTERN = r"^[0-9a-f]{32}$"
SHA256_PATTERN = "^[0-9a-f]{64}$"

_NAMED = "lower-case letters, digits, '.', '_' and '-', the first a letter or a digit, at most 63"
# What a text of each pattern must be, in words.
RULES = {
    NAME_PATTERN: f"must be a name: {_NAMED}",
    REFERENCE_PATTERN: f"must be a name ({_NAMED}), or name@revision as in name@3",
    TEXT_PATTERN: "must have no line breaks, tabs or other control characters",
    ID_PATTERN: "must have no '/', line breaks, tabs or other control characters",
    PLAN_ID_PATTERN: "must be the id of a plan: 32 digits from 0-9 and a-f",
    SHA256_PATTERN: "must be a SHA-256 digest: 64 digits from 0-9 and a-f",
}

LARGEST_INTEGER = 2**63 - 1
LARGEST_NUMBER = 1e60  # its cube is still finite, so power = coefficient × clock³ never overflows
SMALLEST_NUMBER = 1e-60  # of those that divide: their quotients are still finite


def _whole(value: Any) -> Any:
    """1234.0 is an integer; "1234" and true are not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _divisible(value: float) -> float:
    """A positive number by which another can be divided."""
    if 0.0 < value < SMALLEST_NUMBER:
        raise PydanticCustomError(
            "vanishing", "must be at least {least}", {"least": f"{SMALLEST_NUMBER:g}"}
        )
    return value


# Numbers are numbers: no "12", no true, no NaN. Float fields take integers, integer fields take
# integral floats.
Number = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)
]
_DIVISIBLE = AfterValidator(_divisible)
_LEAST = {"minimum": SMALLEST_NUMBER}
Positive = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, gt=0.0, le=LARGEST_NUMBER, json_schema_extra=_LEAST),
    _DIVISIBLE,
]
Probability = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, gt=0.0, lt=1.0, json_schema_extra=_LEAST),
    _DIVISIBLE,
]
NonNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, le=LARGEST_NUMBER)]
Fraction = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, le=1.0)]
Decibel = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1000.0, le=1000.0)]
Count = Annotated[int, Field(strict=True, ge=0, le=LARGEST_INTEGER), BeforeValidator(_whole)]
PositiveCount = Annotated[
    int, Field(strict=True, ge=1, le=LARGEST_INTEGER), BeforeValidator(_whole)
]


def rule(pattern: str, given: str) -> str:
    """What a text of a pattern must be, with what would do in place of a malformed name."""
    words = RULES.get(pattern, f"must match {pattern}")
    if pattern not in (NAME_PATTERN, REFERENCE_PATTERN):
        return words
    name, _, revision = given.partition("@") if pattern == REFERENCE_PATTERN else (given, "", "")
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    mended = re.sub(r"[^a-z0-9._-]+", "-", plain).lstrip("._-").rstrip("-")[:63]
    if re.fullmatch(r"[1-9][0-9]{0,8}", revision):
        mended = mended and f"{mended}@{revision}"
    return f"{words}; {mended!r} would do" if mended else words


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=63)]
Text = Annotated[str, StringConstraints(pattern=TEXT_PATTERN, min_length=1, max_length=200)]
TensorName = Annotated[str, StringConstraints(pattern=TEXT_PATTERN, min_length=1, max_length=1000)]
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""The text of an instant, kept as it is."""
LongText = Annotated[str, StringConstraints(pattern=TEXT_PATTERN, min_length=1, max_length=4000)]

NextCursor = Annotated[
    str | None,
    Field(description="To be passed as `cursor` for the next page; null on the last one."),
]


def absent() -> Any:
    """The default of an optional field: null, and left out of answers."""
    return Field(default=None, exclude_if=lambda value: value is None)


class Body(BaseModel):
    """JSON with a closed list of fields; immutable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Its schema, with what the source says of each field."""
        schema = handler(core_schema)
        shown = handler.resolve_ref_schema(schema).get("properties", {})
        for name, field in cls.model_fields.items():
            if (said := described(cls, name)) is not None:
                shown[field.alias or name]["description"] = said
        return schema


def described(schema: type[BaseModel], name: str) -> str | None:
    """What is said of a field, with it or below it."""
    return schema.model_fields[name].description or said_of(schema, name)
