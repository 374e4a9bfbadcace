"""A neural network as a list of cuts."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.profile import Profile
from app.quantities import (
    Body,
    Count,
    Fraction,
    PositiveCount,
    Text,
    absent,
)


class Quantization(Body):
    """What sending the feature with `bits` bits per element costs in accuracy."""

    bits: Annotated[PositiveCount, Field(le=64)]
    loss: Fraction
    """Accuracy lost, 0 to 1."""


class Cut(Body):
    """One place to cut.

    `flop` and `parameter_byte` count everything before it, on the device's side.
    """

    name: Text
    flop: Count
    """Cumulative: 2 × MAC of Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU; all else counts 0."""
    feature_byte: Count
    """What crosses the cut."""
    feature_elements: Count | None = absent()
    parameter_byte: Count
    """Cumulative."""
    tensors: Annotated[tuple[Text, ...], Field(max_length=1000)] | None = absent()
    """The tensors that cross the cut."""
    quantization: Annotated[tuple[Quantization, ...], Field(max_length=64)] | None = absent()


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

    cuts: Annotated[tuple[Cut, ...], Field(min_length=2, max_length=10_000)]
    source_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = absent()
    """Digest of the file the profile was read from."""

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
