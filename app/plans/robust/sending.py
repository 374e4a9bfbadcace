"""The ways in which what crosses a cut may be sent: as it is, or coded."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.profiles.schemas.model import Model, ModelCut
from app.profiles.schemas.profile import Provenance

_BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One way to send what crosses a cut; coding times of nothing for the plain tensor."""

    codec: str | None
    crossing_bit: float
    crossing_most_bit: float
    device_s: float = 0.0
    device_cycles: float = 0.0
    device_variance_s2: float = 0.0
    server_s: float = 0.0
    loss: float = 0.0
    provenance: Provenance | None = None  # of a codec's figures


def sendings(cut: ModelCut, *, lossy: bool) -> Iterator[Sending]:
    """The plain tensor, then the cut's codecs, then its quantization; those that lose accuracy only
    where `lossy`.

    A quantization that sends no less than the plain tensor is no use.
    """
    plain = float(_BITS * cut.feature_byte)
    yield Sending(codec=None, crossing_bit=plain, crossing_most_bit=plain)
    if plain == 0.0:
        return
    named = set()
    for codec in cut.codecs or ():
        if codec.loss == 0.0 or lossy:
            named.add(codec.name)
            most = codec.byte if codec.byte_max is None else codec.byte_max
            yield Sending(
                codec=codec.name,
                crossing_bit=float(_BITS * codec.byte),
                crossing_most_bit=float(_BITS * most),
                device_s=codec.device_s or 0.0,
                device_cycles=codec.device_cycles or 0.0,
                device_variance_s2=codec.variance_s2 or 0.0,
                server_s=codec.server_s or 0.0,
                loss=codec.loss,
                provenance=codec.provenance,
            )
    for entry in cut.quantization or ():
        name, bit = f"{entry.bits}-bit", entry.bits * (cut.feature_elements or plain / 32.0)
        if bit < plain and (entry.loss == 0.0 or lossy) and name not in named:
            yield Sending(codec=name, crossing_bit=bit, crossing_most_bit=bit, loss=entry.loss)


def codecs_unused(model: Model) -> str | None:
    """A codec of a network that sends less than the plain tensor but loses accuracy, with its cut;
    None where there is none.
    """
    for m, cut in enumerate(model.cuts):
        for codec in cut.codecs or ():
            if codec.loss > 0.0 and codec.byte < cut.feature_byte:
                return f"{codec.name!r} at cut {m}"
    return None
