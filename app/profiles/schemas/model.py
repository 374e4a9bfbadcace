"""A neural network as a list of cuts."""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.partition import Partition, partition_id, source_of_cuts
from app.profiles.schemas.profile import Profile, Provenance
from app.quantities import (
    SHA256_PATTERN,
    Body,
    Count,
    Fraction,
    LongText,
    NonNegative,
    PositiveCount,
    TensorName,
    Text,
    absent,
)


class CutQuantization(Body):
    """What sending the feature with `bits` bits per element costs in accuracy."""

    bits: Annotated[PositiveCount, Field(le=64)]
    """Bits per element of what crosses the cut, up to 64."""
    loss: Fraction
    """Accuracy lost, 0 to 1."""


class CutCodec(Body):
    """Another way to send what crosses a cut: a picture as JPEG, a learned bottleneck."""

    name: Text
    """What plans call it; no two of a cut have the same."""
    byte: Count
    """Sent on average [byte]: what energy is made of."""
    byte_max: Count | None = absent()
    """Sent at the most [byte]: what the deadline is planned with; default: `byte`."""
    device_s: NonNegative | None = absent()
    """Time to encode that does not scale with the device's clock [s]; default 0."""
    device_cycles: NonNegative | None = absent()
    """Cycles of the device to encode; default 0."""
    variance_s2: NonNegative | None = absent()
    """Variance of the time to encode on the device [s²]; default 0."""
    server_s: NonNegative | None = absent()
    """Time to decode at the server [s]; default 0."""
    loss: Fraction
    """Accuracy lost, 0 to 1."""
    provenance: Provenance
    """Where its figures come from; they count among all that a plan rests on."""
    reference: LongText | None = absent()
    """Where the figures are from."""

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself in this entry."""
        if self.byte_max is not None and self.byte_max < self.byte:
            yield FieldError("/byte_max", f"cannot be below byte ({self.byte})")
        if self.byte == 0:
            yield FieldError("/byte", "a codec sends something: leave it out where nothing crosses")
        if self.provenance == "published" and self.reference is None:
            yield FieldError("/reference", "published figures name their source here")


class ModelCut(Body):
    """One place to cut.

    `flop` and `parameter_byte` count everything before it, on the device's side.
    """

    name: Text
    """What plans call this cut."""
    flop: Count
    """Work before the cut [FLOP], cumulative: 2 × MAC of convolutions, matrix products,
    recurrent layers, attention; else 0."""
    feature_byte: Count
    """What crosses the cut [byte]; 0 where nothing does."""
    feature_elements: Count | None = absent()
    """How many numbers cross the cut; without it they are taken to be of 32 bits each where
    what crosses is quantised."""
    parameter_byte: Count
    """Parameters of the layers before the cut [byte], cumulative."""
    tensors: Annotated[tuple[TensorName, ...], Field(max_length=1000)] | None = absent()
    """The tensors that cross the cut; of the last one an empty list."""
    quantization: Annotated[tuple[CutQuantization, ...], Field(max_length=64)] | None = absent()
    """With how few bits what crosses may be sent, and what that costs in accuracy; default:
    full precision only."""
    codecs: Annotated[tuple[CutCodec, ...], Field(max_length=64)] | None = absent()
    """Other ways to send what crosses, beside the plain tensor."""


class Model(Profile):
    """A neural network as a list of cuts: the first leaves nothing on the device, the last leaves
    everything there.
    """

    kind = "model"
    collection = "models"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "two-layer",
                    "cuts": [
                        {"name": "input", "flop": 0, "feature_byte": 602112, "parameter_byte": 0},
                        {
                            "name": "conv1",
                            "flop": 140553600,
                            "feature_byte": 774400,
                            "parameter_byte": 93184,
                        },
                        {
                            "name": "fc",
                            "flop": 210830400,
                            "feature_byte": 0,
                            "parameter_byte": 774493184,
                        },
                    ],
                    "provenance": "analytic",
                }
            ]
        }
    )

    cuts: Annotated[tuple[ModelCut, ...], Field(min_length=2, max_length=10_000)]
    """Every place to cut, from the input on, in the order of the layers."""
    result_byte: Count | None = absent()
    """What comes back to the device wherever the last layers run elsewhere [byte]; default 0."""
    source_sha256: Annotated[str, Field(pattern=SHA256_PATTERN)] | None = absent()
    """Digest of the file the profile was read from."""

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """What each cut makes of the network."""
        source = self.source_sha256 or source_of_cuts(
            [
                (cut.name, cut.flop, cut.feature_byte, cut.parameter_byte, cut.tensors)
                for cut in self.cuts
            ]
        )
        return tuple(
            Partition(
                partition_id(source, cut.name if cut.tensors is None else cut.tensors),
                cut.tensors,
            )
            for cut in self.cuts
        )

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        for position, (before, cut) in enumerate(pairwise(self.cuts), start=1):
            for field in ("flop", "parameter_byte"):
                low, high = getattr(before, field), getattr(cut, field)
                if high < low:
                    yield FieldError(
                        f"/cuts/{position}/{field}",
                        f"is cumulative, so it cannot fall below that of the cut before ({low})",
                    )
        for position, cut in enumerate(self.cuts):
            seen: set[int] = set()
            for entry, quantization in enumerate(cut.quantization or ()):
                if quantization.bits in seen:
                    yield FieldError(
                        f"/cuts/{position}/quantization/{entry}/bits",
                        f"{quantization.bits} bits are listed twice",
                    )
                seen.add(quantization.bits)
            yield from _faults_of_codecs(position, cut)


def _faults_of_codecs(position: int, cut: ModelCut) -> Iterator[FieldError]:
    names: set[str] = set()
    for entry, codec in enumerate(cut.codecs or ()):
        at = f"/cuts/{position}/codecs/{entry}"
        for fault in codec.faults():
            yield fault.below(at)
        if codec.name in names:
            yield FieldError(f"{at}/name", f"{codec.name!r} is listed twice")
        names.add(codec.name)
    if cut.codecs and cut.feature_byte == 0:
        yield FieldError(f"/cuts/{position}/codecs", "nothing crosses this cut")
