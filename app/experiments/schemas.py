"""What is asked of an experiment, as JSON."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.documents import PlanKind
from app.plans.schemas import FAMILY, PlanId
from app.quantities import (
    TEXT_PATTERN,
    Body,
    Count,
    Name,
    NonNegative,
    Number,
    PositiveCount,
    absent,
)

Pointer = Annotated[str, Field(pattern=TEXT_PATTERN, min_length=1, max_length=500)]
_MOST_AXES = 8
_MOST_VALUES = 10_000
_WAYS = ("values", "steps", "patches", "traces", "users_count")

EXAMPLE: dict[str, Any] = {
    "name": "how-much-spectrum",
    "base": {"plan": "0123456789abcdef0123456789abcdef"},
    "axes": [
        {"pointer": "/users/*/deadline_s", "scale": True, "values": [0.8, 1.0, 1.25]},
        {"pointer": "/bandwidth_hz", "from": 5e6, "to": 40e6, "steps": 50, "spacing": "log"},
    ],
    "measures": ["objective", "bandwidth_hz"],
}


def _held_together(model: Any) -> Any:
    if faults := list(model.faults()):
        raise PydanticCustomError(
            "semantics", "the content does not hold together", {"faults": faults}
        )
    return model


class ExperimentBase(Body):
    """What all points have in common: a request, or the one of a plan on its revisions."""

    plan: PlanId | None = absent()
    """A plan, whose request and pinned revisions are taken."""
    kind: Annotated[PlanKind | None, FAMILY] = absent()
    request: dict[str, JsonValue] | None = absent()
    """A request as its family takes it."""

    _whole = model_validator(mode="after")(_held_together)

    def faults(self) -> Iterator[FieldError]:
        """What does not hold together."""
        if self.plan is None:
            for name in ("kind", "request"):
                if getattr(self, name) is None:
                    yield FieldError(f"/{name}", "is required, unless `plan` names one")
        else:
            for name in ("kind", "request"):
                if getattr(self, name) is not None:
                    yield FieldError(f"/{name}", "the plan says it already: leave one of them out")


class ExperimentPatch(Body):
    """One way to change the base."""

    name: Name
    """What the points with it are called by."""
    patch: dict[str, JsonValue]
    """A merge patch (RFC 7396) over the base, in which `users` is an object keyed by id."""


class ExperimentAxis(Body):
    """What varies along one side of the grid: values at a pointer, patches, traces, or how many
    users there are.
    """

    model_config = ConfigDict(
        validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    name: Name | None = absent()
    """What points call it; default: the last step of the pointer, or what it varies."""
    pointer: Pointer | None = absent()
    """Where in the base (RFC 6901); a step `*` is every user, or whatever is listed there."""
    values: Annotated[tuple[JsonValue, ...], Field(max_length=_MOST_VALUES)] | None = absent()
    """What is put there; null takes the field out."""
    start: Annotated[Number | None, Field(alias="from")] = absent()
    """The first of evenly spaced values, in the unit of the field."""
    to: Number | None = absent()
    """The last of them, in the unit of the field."""
    steps: Annotated[PositiveCount, Field(le=_MOST_VALUES)] | None = absent()
    """How many of them there are."""
    spacing: Literal["linear", "log"] = "linear"
    """Equal differences, or equal ratios."""
    scale: bool = False
    """The values are factors of what is there."""
    patches: Annotated[tuple[ExperimentPatch, ...], Field(max_length=100)] | None = absent()
    """Changes of the base, each with a name."""
    traces: Annotated[tuple[str | dict[str, JsonValue], ...], Field(max_length=100)] | None = (
        absent()
    )
    """Channels, each a reference or a profile: what `/channel` varies over."""
    users_count: Annotated[tuple[PositiveCount, ...], Field(max_length=_MOST_VALUES)] | None = (
        absent()
    )
    """How many users there are: the first of the base, which come again as `id~2`, `id~3` where it
    has fewer."""

    _whole = model_validator(mode="after")(_held_together)

    def faults(self) -> Iterator[FieldError]:
        """What does not hold together."""
        given = [way for way in _WAYS if getattr(self, way) is not None]
        if len(given) != 1:
            told = " and ".join(given) or "nothing"
            ways = "values, from/to/steps, patches, traces or users_count"
            yield FieldError("", f"says {told}: say what varies by one of {ways}")
            return
        if given[0] != "steps" and len(getattr(self, given[0])) == 0:
            yield FieldError(f"/{given[0]}", "is empty: say at least one, or leave the axis out")
        at_pointer = given[0] in ("values", "steps")
        if at_pointer and self.pointer is None:
            yield FieldError("/pointer", "is required: where do the values go?")
        if not at_pointer and self.pointer is not None:
            yield FieldError("/pointer", f"{given[0]} have a place of their own: leave it out")
        if self.pointer is not None and not self.pointer.startswith("/"):
            yield FieldError("/pointer", "must begin with `/` (RFC 6901), as /bandwidth_hz does")
        if self.scale and not at_pointer:
            yield FieldError("/scale", "belongs to values at a pointer: leave it out")
        yield from self._faults_of_range(given[0] == "steps")

    def _faults_of_range(self, ranged: bool) -> Iterator[FieldError]:
        ends = {"from": self.start, "to": self.to}
        for name, end in ends.items():
            if ranged and end is None:
                yield FieldError(f"/{name}", "is required with steps")
            if not ranged and end is not None:
                yield FieldError(f"/{name}", "belongs to steps: say how many, or leave it out")
            if self.spacing == "log" and end is not None and end <= 0.0:
                yield FieldError(f"/{name}", "must be above 0 where the spacing is log")
        if ranged and self.steps == 1 and None not in ends.values() and self.start != self.to:
            yield FieldError("/steps", "one step has one value: say at least 2, or from as to")


class ExperimentDraw(Body):
    """What each seed draws anew, and alike at all points of the same seed."""

    pointer: Pointer
    """Where in the base; each place that a `*` stands for has a draw of its own."""
    law: Literal["uniform", "normal", "lognormal"]
    """`uniform`: between `low` and `high`; `normal`: what is there plus a draw of mean 0;
    `lognormal`: what is there times the exponential of such a draw."""
    low: Number | None = absent()
    """Least value of `uniform`, in the unit of the field."""
    high: Number | None = absent()
    """Largest value of `uniform`, in the unit of the field."""
    std: NonNegative | None = absent()
    """Standard deviation of `normal`, in the unit of the field; of the logarithm for `lognormal`.
    """

    _whole = model_validator(mode="after")(_held_together)

    def faults(self) -> Iterator[FieldError]:
        """What does not hold together."""
        needs = ("low", "high") if self.law == "uniform" else ("std",)
        for name in ("low", "high", "std"):
            given = getattr(self, name) is not None
            if given != (name in needs):
                mend = f"belongs to another law than {self.law}: leave it out"
                yield FieldError(f"/{name}", mend if given else f"is required by {self.law}")
        if self.low is not None and self.high is not None and self.low > self.high:
            yield FieldError("/high", "must be at least low")
        if not self.pointer.startswith("/"):
            yield FieldError("/pointer", "must begin with `/` (RFC 6901)")


class ExperimentRequest(Body):
    """Plan one request again and again, and say of each what came of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Name | None = absent()
    """A name to know it by."""
    base: ExperimentBase
    """What all points have in common."""
    axes: Annotated[tuple[ExperimentAxis, ...], Field(max_length=_MOST_AXES)] = ()
    """The sides of the grid; points go along the last one first."""
    seeds: Annotated[tuple[Count, ...], Field(max_length=1000)] | None = absent()
    """Every combination is planned with each of these; they set `options.seed` where the family has
    one, and what is drawn."""
    draws: Annotated[tuple[ExperimentDraw, ...], Field(max_length=20)] | None = absent()
    """What a seed draws."""
    measures: Annotated[tuple[str, ...], Field(min_length=1, max_length=6)] = (
        "objective",
        "latency_max_s",
    )
    """What the Pareto front and the differences are of: figures of points, or axes of numbers; less
    is better, or more with a `-` before it."""

    _whole = model_validator(mode="after")(_held_together)

    def faults(self) -> Iterator[FieldError]:
        """What does not hold together."""
        if not self.axes and self.seeds is None:
            yield FieldError("/axes", "is empty: say what varies, by an axis at least or by seeds")
        if self.seeds is not None:
            if not self.seeds:
                yield FieldError("/seeds", "is empty: say at least one, or leave it out")
            if len(set(self.seeds)) < len(self.seeds):
                yield FieldError("/seeds", "each seed counts once: leave out what is there twice")
        if self.draws and self.seeds is None:
            yield FieldError("/seeds", "is required by draws")
