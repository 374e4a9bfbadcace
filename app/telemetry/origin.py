"""The request that work came with, for whoever works on it later."""

from dataclasses import dataclass
from typing import Self

from app import about
from app.telemetry import traces


@dataclass(frozen=True, slots=True)
class Origin:
    """Its id, and its trace where there is one."""

    request_id: str | None = None
    traceparent: str | None = None

    @classmethod
    def at_hand(cls) -> Self:
        """The request that is being answered."""
        return cls(about.current().request_id, traces.traceparent())
