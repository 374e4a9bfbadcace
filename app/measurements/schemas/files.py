"""Files of samples and of observations, as they are sent."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import PlanId, UserSaid
from app.profiles.schemas.profile import ProcessorKind
from app.quantities import (
    SHA256_PATTERN,
    TEXT_PATTERN,
    Body,
    Count,
    Name,
    NonNegative,
    Number,
    Text,
    absent,
)

MOST_SAMPLES = 2_000_000  # of one measurement
_MOST_CUTS = 10_000
Part = Literal["device", "server"]


# Wider than any clock of a processor and any time it takes, and narrow enough that their quotients
# mean something.
LEAST_CLOCK_HZ, LARGEST_CLOCK_HZ = 1e3, 1e12
LARGEST_TIME_S = 1e6
Clock = Annotated[Number, Field(ge=LEAST_CLOCK_HZ, le=LARGEST_CLOCK_HZ)]


Seconds = Annotated[
    tuple[Annotated[NonNegative, Field(le=LARGEST_TIME_S)], ...],
    Field(min_length=1, max_length=MOST_SAMPLES),
]
FreeText = Annotated[str, StringConstraints(pattern=TEXT_PATTERN, max_length=1000)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1, max_length=MOST_SAMPLES)]

SessionStart = Annotated[
    AwareDatetime | None,
    Field(description="When the first of its samples was measured; absent where nobody knows."),
]


EXAMPLE: dict[str, Any] = {
    "schema_version": 1,
    "model": "alexnet",
    "processor": "jetson-xavier-nx-cpu",
    "runtime": {"onnxruntime": "1.31.1", "threads": 1},
    "sessions": [
        {
            "started_at": "2026-11-20T09:00:00Z",
            "samples": [
                {
                    "cut": 1,
                    "part": "device",
                    "frequency_hz": 1.19e9,
                    "time_s": [0.0101, 0.0103, 0.0102],
                },
                {
                    "cut": 1,
                    "part": "server",
                    "frequency_hz": 1.19e9,
                    "time_s": [0.0834, 0.0851, 0.0838],
                },
            ],
        }
    ],
}


class Sheet(Body):
    """A body that is checked as a whole."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self.faults()):
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself, each fault with its pointer into this body."""
        yield from ()


class TimingSampleSet(Sheet):
    """Times of one part of the network at one cut and clock, in the order in which they were
    measured.
    """

    cut: Annotated[Count, Field(lt=_MOST_CUTS)]
    """Position in the model's list of cuts."""
    part: Part
    """`device`: the layers up to the cut; `server`: those after it, wherever they ran."""
    frequency_hz: Clock | None = None
    """The clock as it was measured [Hz]; null where it cannot be read."""
    requested_hz: Clock | None = absent()
    """The clock that was asked for [Hz]."""
    time_s: Seconds
    """Measured times, one per inference [s]."""
    cpu_time_s: Seconds | None = absent()
    """Processor time of the measuring thread, one per inference [s]."""
    involuntary_switches: Counts | None = absent()
    """How often the thread was interrupted."""
    order: Counts | None = absent()
    """Running index of each inference in its session; the two parts of one inference share it."""

    def faults(self) -> Iterator[FieldError]:
        for field in ("cpu_time_s", "involuntary_switches", "order"):
            given = getattr(self, field)
            if given is not None and len(given) != len(self.time_s):
                yield FieldError(
                    f"/{field}",
                    f"must have one entry per time ({len(self.time_s)}), not {len(given)}",
                )


class TimingSession(Body):
    """One stretch of measuring."""

    started_at: SessionStart = absent()
    samples: Annotated[tuple[TimingSampleSet, ...], Field(min_length=1, max_length=200_000)]
    """What was measured meanwhile, by cut, part and clock."""


class MeasurementFile(Sheet):
    """Measured times of one processor with one model, as the profiler writes them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    schema_version: Literal[1] = 1
    """The version of this form of file; default 1."""
    model: Name | None = absent()
    """Required unless the timing exists."""
    model_sha256: Annotated[str, Field(pattern=SHA256_PATTERN)] | None = absent()
    """Digest of the file that was run; must be the model profile's `source_sha256` where that has
    one.
    """
    processor: Name | None = absent()
    """Required unless the timing exists."""
    processor_kind: ProcessorKind | None = absent()
    """Required for a new timing where both a device and a server have that name."""
    runtime: Annotated[dict[Text, FreeText | bool | Number | None], Field(max_length=50)] | None = (
        absent()
    )
    """What ran the network, in free words."""
    sessions: Annotated[tuple[TimingSession, ...], Field(min_length=1, max_length=1000)]
    """The stretches of measuring; apart from each other by a pause, another boot or another day."""

    def faults(self) -> Iterator[FieldError]:
        total = sum(len(entry.time_s) for session in self.sessions for entry in session.samples)
        if total > MOST_SAMPLES:
            yield FieldError(
                "/sessions", f"{total} samples are more than the {MOST_SAMPLES} of one measurement"
            )


class UserObservation(Sheet):
    """Times that one user of a plan saw while it did what the plan says."""

    user: UserSaid
    time_s: Seconds | None = absent()
    """Times of whole inferences [s]: what the deadline is for."""
    device_s: Seconds | None = absent()
    """Times of the device's part alone [s]."""
    server_s: Seconds | None = absent()
    """Times of the server's part alone [s]."""

    def faults(self) -> Iterator[FieldError]:
        if self.time_s is None and self.device_s is None and self.server_s is None:
            yield FieldError("", "give time_s, device_s or server_s")


class ObservationFile(Sheet):
    """Times observed in production under a plan, to be held against the timing that the plan was
    made with.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "plan": "0b6f0f5c9a3e4d0f8f4c2a1d3e5b7c9d",
                    "observations": [{"user": "camera-1", "time_s": [0.171, 0.169, 0.174]}],
                }
            ]
        }
    )

    plan: PlanId
    """The robust plan that the users carried out."""
    observations: Annotated[tuple[UserObservation, ...], Field(min_length=1, max_length=1000)]
    """What was observed, one entry per user."""

    def faults(self) -> Iterator[FieldError]:
        seen: dict[str, int] = {}
        total = 0
        for n, observation in enumerate(self.observations):
            if observation.user in seen:
                yield FieldError(
                    f"/observations/{n}/user", f"is the user of entry {seen[observation.user]} too"
                )
            seen.setdefault(observation.user, n)
            total += sum(
                len(times or ())
                for times in (observation.time_s, observation.device_s, observation.server_s)
            )
        if total > MOST_SAMPLES:
            yield FieldError(
                "/observations",
                f"{total} samples are more than the {MOST_SAMPLES} of one measurement",
            )
