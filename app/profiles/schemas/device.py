"""A device: clocks, power and radio."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.profile import Profile, ascending
from app.quantities import (
    NonNegative,
    Positive,
    PositiveCount,
    absent,
)


class Device(Profile):
    """A processor with its clocks, power and radio.

    Power at clock f is `power_coefficient_w_per_hz3` × f³.
    """

    kind = "device"
    collection = "devices"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "camera-cpu",
                    "processor": "cpu",
                    "frequency_min_hz": 1.2e8,
                    "frequency_max_hz": 1.9e9,
                    "power_coefficient_w_per_hz3": 1.0e-27,
                    "tx_power_w": 0.2,
                    "provenance": "measured",
                }
            ]
        }
    )

    processor: Literal["cpu", "gpu", "npu"]
    frequency_min_hz: Positive
    frequency_max_hz: Positive
    frequency_levels_hz: (
        Annotated[tuple[Positive, ...], Field(min_length=1, max_length=1000)] | None
    ) = absent()
    """The clocks the device really offers, ascending; without them any clock between min and max.
    """
    power_coefficient_w_per_hz3: Positive
    tx_power_w: Positive
    rx_power_w: NonNegative | None = absent()
    idle_power_w: NonNegative | None = absent()
    memory_byte: PositiveCount | None = absent()

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        if self.frequency_max_hz < self.frequency_min_hz:
            yield FieldError(
                "/frequency_max_hz",
                f"must be at least frequency_min_hz ({self.frequency_min_hz:g} Hz)",
            )
            return
        levels = self.frequency_levels_hz or ()
        yield from ascending(levels, "/frequency_levels_hz")
        for position, level in enumerate(levels):
            if not self.frequency_min_hz <= level <= self.frequency_max_hz:
                yield FieldError(
                    f"/frequency_levels_hz/{position}",
                    f"must lie between frequency_min_hz and frequency_max_hz "
                    f"({self.frequency_min_hz:g} to {self.frequency_max_hz:g} Hz)",
                )
