"""A server."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.profile import Profile
from app.quantities import (
    Fraction,
    Positive,
    PositiveCount,
    absent,
)

DEFAULT_UTILISATION = 0.7


class Server(Profile):
    """An edge server."""

    kind = "server"
    collection = "servers"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "edge-gpu", "capacity_flop_per_s": 4.0e12, "provenance": "measured"}
            ]
        }
    )

    capacity_flop_per_s: Positive
    """Speed at which it computes what no timing is known of [FLOP/s]."""
    parallel: PositiveCount | None = absent()
    """How many inferences it works on at once; without it the server is endless."""
    max_utilisation: Annotated[Fraction, Field(gt=0.0)] | None = absent()
    """Part of `parallel` that plans may use up; default 0.7, so that queues stay short."""

    @property
    def budget(self) -> float | None:
        """Seconds of inference per second that plans may use; None where the server is endless."""
        if self.parallel is None:
            return None
        part = DEFAULT_UTILISATION if self.max_utilisation is None else self.max_utilisation
        return part * self.parallel

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        if self.max_utilisation is not None and self.parallel is None:
            yield FieldError("/max_utilisation", "belongs to parallel, which is not given")
