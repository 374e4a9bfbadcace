"""The ways in which what crosses a cut may be sent: as it is, with fewer bits, or coded."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.profiles.schemas.model import CutCodec, Model, ModelCut
from app.profiles.schemas.profile import Provenance
from app.quantities import LARGEST_INTEGER

_BITS = 8
FULL_PRECISION_BITS = 32
"""Of an element whose number is not told by `feature_elements`."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One way to send what crosses a cut."""

    bits: int  # per element; with a codec on average
    crossing_bit: float
    loss: float
    codec: str | None = None
    device_s: float = 0.0  # of coding, whatever the clock
    device_cycles: float = 0.0
    server_s: float = 0.0
    provenance: Provenance | None = None  # of a codec's figures


def sendings(cut: ModelCut, *, deadline: bool) -> Iterator[Sending]:
    """Full precision first, then the quantization, then the codecs.

    Entries of the quantization that send no less than full precision are no use. Who has a
    `deadline` counts the most that a codec sends, else what it sends on average.
    """
    full = _BITS * cut.feature_byte
    yield Sending(_bits(full, cut) if full else FULL_PRECISION_BITS, float(full), 0.0)
    for entry in cut.quantization or ():
        if entry.bits * _elements(cut) < full:
            yield Sending(entry.bits, float(entry.bits * _elements(cut)), entry.loss)
    for codec in cut.codecs or ():
        most = codec.byte if codec.byte_max is None else codec.byte_max
        yield Sending(
            bits=_bits(_BITS * codec.byte, cut),
            crossing_bit=float(_BITS * (most if deadline else codec.byte)),
            loss=codec.loss,
            codec=codec.name,
            device_s=codec.device_s or 0.0,
            device_cycles=codec.device_cycles or 0.0,
            server_s=codec.server_s or 0.0,
            provenance=codec.provenance,
        )


def varies(model: Model) -> bool:
    """Whether a codec sends more at times than on average."""
    return any(map(_varies, (codec for cut in model.cuts for codec in cut.codecs or ())))


def _varies(codec: CutCodec) -> bool:
    return codec.byte_max is not None and codec.byte_max > codec.byte


def _bits(total: int, cut: ModelCut) -> int:
    """Bits per element."""
    return min(max(1, round(total / _elements(cut))), LARGEST_INTEGER)


def _elements(cut: ModelCut) -> float:
    """Elements of a feature; 32 bits each where nobody counted them."""
    return cut.feature_elements or _BITS * cut.feature_byte / FULL_PRECISION_BITS
