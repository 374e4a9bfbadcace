"""What profiles of every kind have."""

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.quantities import (
    Body,
    LongText,
    Name,
    absent,
)

Kind = Literal["device", "model", "channel", "server", "timing"]
ProcessorKind = Literal["device", "server"]
Provenance = Literal["measured", "published", "analytic"]


def faulty(*faults: FieldError) -> PydanticCustomError:
    return PydanticCustomError(
        "semantics", "the content does not hold together", {"faults": list(faults)}
    )


class FieldWarning(Body):
    """Something allowed that looks like a mistake."""

    field: str
    """RFC 6901 pointer into the body."""
    message: str
    """What looks wrong, and what it would be if meant."""

    def below(self, prefix: str) -> "FieldWarning":
        """The same warning seen from a body that holds this one at `prefix`."""
        return FieldWarning(field=prefix + self.field, message=self.message)


class Profile(Body):
    """What every kind of profile has."""

    kind: ClassVar[Kind]
    collection: ClassVar[str]

    name: Name
    """Unique within its kind."""
    provenance: Provenance
    """Where the numbers come from; answers repeat the weakest provenance they rest on."""
    reference: LongText | None = absent()
    """The document the numbers are from (required for `published`), or how they were derived."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self.faults()):
            raise faulty(*faults)
        return self

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself, each fault with its pointer into this body."""
        if self.provenance == "published" and self.reference is None:
            yield FieldError("/reference", "a published profile names its source here")


def ascending(values: tuple[float, ...], pointer: str) -> Iterator[FieldError]:
    for position, (low, high) in enumerate(pairwise(values), start=1):
        if high <= low:
            yield FieldError(
                f"{pointer}/{position}",
                f"must be above the one before it ({low:g}): sort ascending",
            )
