"""What smells of a wrong unit in measured powers and energies, radios and codecs."""

from collections.abc import Iterator
from itertools import pairwise

from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Cut
from app.profiles.schemas.timing import TimingLevel


def level_powers(device: Device) -> Iterator[tuple[str, str]]:
    """Powers measured at the clocks of a device."""
    powers = device.level_power_w or ()
    for k, power_w in enumerate(powers):
        if power_w > 1e3:
            yield f"/level_power_w/{k}", f"{power_w:g} W: is it in mW?"
    for k, (low, high) in enumerate(pairwise(powers), start=1):
        if high < low:
            yield (
                f"/level_power_w/{k}",
                f"{high:g} W is less than at the clock below ({low:g} W): is the order the same as"
                " that of frequency_levels_hz?",
            )
            return


def radio(device: Device) -> Iterator[tuple[str, str]]:
    """What the radio of a device draws."""
    if device.radio is None:
        return
    active_w, per_bit_j = device.radio.active_power_w, device.radio.energy_j_per_bit
    if active_w > 100.0:
        yield "/radio/active_power_w", f"a radio that draws {active_w:g} W: is it in mW?"
    elif active_w < device.tx_power_w:
        yield (
            "/radio/active_power_w",
            f"the radio draws {active_w:g} W and radiates {device.tx_power_w:g} W: more than it"
            " gets",
        )
    if per_bit_j > 1e-5:
        yield (
            "/radio/energy_j_per_bit",
            f"{per_bit_j:g} J for each bit: is it in nJ? Phones spend some 1e-8 J",
        )


def codecs(at: str, cut: Cut) -> Iterator[tuple[str, str]]:
    """Other ways to send what crosses a cut."""
    for k, codec in enumerate(cut.codecs or ()):
        here = f"{at}/codecs/{k}"
        if codec.byte >= cut.feature_byte and codec.loss > 0.0:
            yield (
                f"{here}/byte",
                f"{codec.name!r} sends {codec.byte} byte, no less than the plain tensor"
                f" ({cut.feature_byte} byte), and loses accuracy: is it in kB, or for many frames?",
            )
        elif codec.byte > cut.feature_byte:
            yield (
                f"{here}/byte",
                f"{codec.name!r} sends {codec.byte} byte, more than the plain tensor"
                f" ({cut.feature_byte} byte)",
            )
        elif codec.byte < cut.feature_byte / 10_000:
            yield (
                f"{here}/byte",
                f"{codec.byte} byte for a feature of {cut.feature_byte} byte: is it in kB?",
            )
        for field in ("device_s", "server_s"):
            value = getattr(codec, field)
            if value is not None and value > 60.0:
                yield f"{here}/{field}", f"{value:g} s to code one feature: is it in milliseconds?"
        if (codec.device_cycles or 0.0) > 1e13:
            yield f"{here}/device_cycles", f"{codec.device_cycles:g} cycles to code one feature"


def measured_energy(at: str, level: TimingLevel) -> Iterator[tuple[str, str]]:
    """Energy and power of a level, each by itself and held against each other."""
    if level.power_w is not None and level.power_w > 1e3:
        yield f"{at}/power_w", f"{level.power_w:g} W: is it in mW?"
    if level.energy_j is None or level.mean_s == 0.0:
        return
    drawn_w = level.energy_j / level.mean_s
    if drawn_w > 1e3:
        yield (
            f"{at}/energy_j",
            f"{level.energy_j:g} J in {level.mean_s:g} s are {drawn_w:g} W: is it in mJ?",
        )
    elif level.power_w and not 0.5 <= drawn_w / level.power_w <= 2.0:
        yield (
            f"{at}/energy_j",
            f"{level.energy_j:g} J in {level.mean_s:g} s are {drawn_w:g} W, and power_w says"
            f" {level.power_w:g}: energy_j is used",
        )
