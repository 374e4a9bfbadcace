"""What is allowed in a workload but looks like a mistake; fields point into the user's entry."""

from collections.abc import Iterator

from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning
from app.profiles.schemas.server import Server


def server_time_assumed(server: Server, model: Model, how: str) -> FieldWarning:
    """No timing of the server with the network: its time was derived from its capacity, and
    `how`.
    """
    return FieldWarning(
        field="/server_timing",
        message=(
            f"no timing of {server.name!r} with {model.name!r} is stored: the server's time is"
            f" taken as {how}"
        ),
    )


def feature_beyond_memory(device: Device, model: Model) -> Iterator[FieldWarning]:
    """A feature that the device could not even hold smells of a wrong unit."""
    largest = max(cut.feature_byte for cut in model.cuts)
    if device.memory_byte is not None and largest > device.memory_byte:
        yield FieldWarning(
            field="/model",
            message=(
                f"a feature of {model.name!r} ({largest} byte) is larger than the memory of"
                f" {device.name!r} ({device.memory_byte} byte)"
            ),
        )
