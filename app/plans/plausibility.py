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


def radiated_power_taken(device: Device) -> Iterator[FieldWarning]:
    """A radio draws several times what it radiates."""
    if device.radio is None:
        yield FieldWarning(
            field="/device",
            message=(
                f"{device.name!r} does not say what its radio draws: the {device.tx_power_w:g} W"
                " that it radiates are counted, which is several times too little; give"
                " radio.active_power_w"
            ),
        )


def power_from_one_clock(device: Device) -> Iterator[FieldWarning]:
    """A cube without a static part was never fitted to several clocks."""
    law = device.power_law
    short = device.power_coefficient_w_per_hz3 is not None
    cube = law.exponent == 3.0 and law.static_w == 0.0 and law.coefficient > 0.0
    if cube and (short or device.provenance != "measured"):
        yield FieldWarning(
            field="/device",
            message=(
                f"the power of {device.name!r} rests on a cube of one clock: measured devices have"
                " a static part and exponents from 1 to 2.4, so at other clocks it is wrong by"
                " factors; fit static_power_w and power_exponent, or measure power at each clock"
            ),
        )


def lossy_codecs_unused(model: Model, named: str) -> FieldWarning:
    """Nothing that loses accuracy is sent unasked."""
    return FieldWarning(
        field="/max_loss",
        message=(
            f"{model.name!r} lists codecs that send less but lose accuracy ({named}): without"
            " max_loss none is weighed"
        ),
    )
