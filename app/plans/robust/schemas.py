"""The robust family as JSON."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.nearest import is_it, nearest
from app.plans.schemas import DEVICE, MODEL, SERVER, USER, GainDb, Request, SnrReference, UserId
from app.profiles.schemas.references import ChannelRef, DeviceRef, ModelRef, ServerRef, TimingRef
from app.quantities import Body, Count, Fraction, NonNegative, Positive, Probability, absent

Margin = Literal["cantelli", "unimodal", "gaussian", "mean", "worst_case", "ambiguous", "samples"]

Admission = Literal["most_valuable"]

EXAMPLE: dict[str, Any] = {
    "name": "lobby-cameras",
    "channel": "lte-10mhz",
    "server": "nvidia-t4",
    "users": [
        {
            "id": "camera-1",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 120.0,
            "deadline_s": 0.2,
            "risk": 0.02,
        },
        {
            "id": "camera-2",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 60.0,
            "deadline_s": 0.2,
            "risk": 0.02,
        },
    ],
}


CELLS_EXAMPLE: dict[str, Any] = {
    "server": "nvidia-t4",
    "cells": [
        {"id": "hall", "channel": "lte-10mhz"},
        {"id": "yard", "channel": "lte-20mhz", "bandwidth_hz": 5e6},
    ],
    "users": [
        user | {"cell": cell} for user, cell in zip(EXAMPLE["users"], ("hall", "yard"), strict=True)
    ],
}

# The plan names every cell in its answer; cells do not touch each other, so more of them are more
# requests.
_MOST_CELLS = 1000
# The convex programs of the reference method grow with its users, and cannot be interrupted.
PCCP_USERS = 200
MOST_SERVERS = 16
_LISTED = 100


class RobustUser(Body):
    """A device that runs one network before a deadline, again and again."""

    id: Annotated[UserId, USER]
    cell: UserId | None = absent()
    """Where it is; required if the request lists cells."""
    device: Annotated[DeviceRef, DEVICE]
    model: Annotated[ModelRef, MODEL]
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the
    server's capacity. Where `servers` lists several, that of the one it was measured on."""
    servers: (
        Annotated[tuple[ServerRef, ...], Field(min_length=1, max_length=MOST_SERVERS)] | None
    ) = absent()
    """Any of these may do the rest, instead of the server of the request or the cell; the plan
    picks the best."""
    gain_db: GainDb | None = absent()
    """Mean channel power gain [dB]; one of gain_db, distance_m, snr_reference is required."""
    distance_m: Positive | None = absent()
    """Distance to the base station [m]; needs the channel's path_loss."""
    snr_reference: SnrReference | None = absent()
    """A measured signal-to-noise ratio in place of a gain."""
    tx_power_w: Positive | None = absent()
    """Radiated power of this user [W]; default: the device's."""
    deadline_s: Positive
    """Largest time of an inference, from its start to its result [s]."""
    risk: Probability
    """Accepted probability of missing the deadline."""
    correlation: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1.0, le=1.0)] = 0.0
    """Correlation of device and server time, from -1 to 1; default 0."""
    rate_hz: Positive | None = absent()
    """Inferences per second [Hz]. Where users say it, all do: the plan then spends the least
    power, every stage keeps up with it, and servers are used no more than they can be."""
    max_loss: Fraction | None = absent()
    """Accuracy that what is sent may lose, 0 to 1; default: none, so only plain tensors and
    lossless codecs are sent."""
    value: NonNegative | None = absent()
    """What serving this user is worth, in any unit, beside the others; default 1. Looked at with
    `options.admission`, and where repairs leave users out."""


class RobustTier(Body):
    """A server behind the users' own, over a fixed line: it may do the last layers instead."""

    server: Annotated[ServerRef, SERVER]
    backhaul_bps: Positive
    """Rate of the line from the users' server to this one [bit/s]."""
    backhaul_rtt_s: NonNegative
    """Round-trip time of that line [s]."""


Tiers = Annotated[tuple[RobustTier, ...], Field(min_length=1, max_length=MOST_SERVERS)]


DEFAULT_CONFIDENCE = 0.95
# The margins that rest on samples, and the options that only they know.
SAMPLED = ("samples", "ambiguous")
_OF_SAMPLED = ("selection", "fallback", "accept_drift")


class RobustOptions(Body):
    """How to plan."""

    method: Literal["exact", "pccp"] = "exact"
    """`exact` proves its plan; `pccp` is the alternation of arXiv 2503.21476, a reference for free
    clocks: slower, never better, and certified with the bound that `exact` proves."""
    margin: Margin = "cantelli"
    """`cantelli` holds for every distribution with the given mean and variance; `unimodal` for
    those of one mode; `gaussian` only for normal times. `samples` needs no law and no moments: the
    measured times behind the timings bound those to come, at the clocks that were measured;
    `ambiguous` is `cantelli` for moments that are known only as well as these times tell.
    """
    confidence: Annotated[float, Field(strict=True, ge=0.5, le=0.999999)] | None = absent()
    """Of what samples prove, and at which reports refute the plan; default 0.95."""
    selection: Literal["union", "split"] | None = absent()
    """How the bounds of `samples` and `ambiguous` survive that the best of many options is taken:
    each option gets its share of the doubt (`union`, default), or half of the samples draws up a
    short list and the other half certifies it."""
    fallback: Literal["cantelli", "unimodal", "gaussian"] | None = absent()
    """The margin of options that too few samples are behind; default: they are left out."""
    accept_drift: bool | None = absent()
    """Plan with samples that the drift test refutes, though they need not be like those to come."""
    admission: Admission | None = absent()
    """Whom to plan for where not everybody fits. `most_valuable`: those who are worth most
    together (`value` of the users), then least energy among them; `result.admission` says who
    is left out, and why. Default: everybody, or there is no plan."""
    on_revocation: Literal["nothing", "replan"] = "nothing"
    """What to do where the plan's own users refute it (`POST /v1/plans/{id}/observations`):
    `replan` makes another, on timings that were measured anew, or with a safer margin."""
    gap: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1.0)] = 1e-6
    """Relative distance to the lower bound at which a plan counts as optimal."""
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = (
        60.0
    )
    """Time that solving may take [s], of all cells together. A first plan is always found; what
    would better it, or prove more, ends with the time."""
    seed: Annotated[Count, Field(le=2**32 - 1)] = 0
    """Kept with the plan and its bundle; neither method draws at random, so every seed gives
    the same plan."""
    energy: Literal["marginal", "whole"] = "marginal"
    """`marginal`: what an inference adds to a device that is on anyway. `whole`: of a device that
    sleeps between inferences, so its `idle_power_w` counts for the whole response time."""
    baselines: bool | None = absent()
    """Compare with simpler rules, as far as the time limit leaves time; default: up to 10,000
    users. Asked for, they are planned to the plan's own gap. By default a rule with many cuts and
    clocks to choose from is not searched to the end, and its `lower_bound_j` says what is left
    open."""
    explain: bool = False
    """Say of every cut of every user why it is not taken (`alternatives`)."""
    strict: bool | None = absent()
    """Refuse timings that were made with another file of the model than its `source_sha256`;
    otherwise they are warned of."""


class RobustCell(Body):
    """A mast with an uplink of its own; what it does not say is what the request says."""

    id: UserId
    """What the caller calls this cell, unique in the request."""
    channel: ChannelRef | None = absent()
    """Its channel; default: the request's."""
    bandwidth_hz: Positive | None = absent()
    """Uplink to share [Hz]; default: the request's, else the channel's."""
    server: ServerRef | None = absent()
    """The server of its users; default: the request's."""
    tiers: Tiers | None = absent()
    """Default: the request's."""


class RobustTerms(Request):
    """A request but for its users."""

    channel: ChannelRef | None = absent()
    """Required unless every cell has its own."""
    bandwidth_hz: Positive | None = absent()
    """Uplink to share [Hz], of every cell that does not say its own; default: the channel's."""
    server: ServerRef | None = absent()
    """Required unless every cell, or every user, has its own."""
    tiers: Tiers | None = absent()
    """Servers behind those of the users: each offers a second cut, from the server on."""
    cells: Annotated[tuple[RobustCell, ...], Field(min_length=1, max_length=_MOST_CELLS)] | None = (
        absent()
    )
    """Several cells, planned together: nothing is shared between them. Users then say theirs."""
    options: RobustOptions = RobustOptions()
    """How to plan; what is left out has its default."""

    def faults_of_cells(self, *, served: bool = False) -> Iterator[FieldError]:
        """What is wrong with the cells, whoever is in them; `served`: every user names servers."""
        required = ("channel",) if served else ("channel", "server")
        yield from self._faults_of_samples()
        yield from _faults_of_tiers("/tiers", self.tiers)
        if self.cells is None:
            for name in required:
                if getattr(self, name) is None:
                    yield FieldError(
                        f"/{name}", f"say which {name} the users share, or give every cell its own"
                    )
            return
        seen: dict[str, int] = {}
        for c, cell in enumerate(self.cells):
            if cell.id in seen:
                yield FieldError(
                    f"/cells/{c}/id", f"is the id of cell {seen[cell.id]} too: ids must differ"
                )
            seen.setdefault(cell.id, c)
            yield from _faults_of_tiers(f"/cells/{c}/tiers", cell.tiers)
            for name in required:
                if getattr(cell, name) is None and getattr(self, name) is None:
                    yield FieldError(
                        f"/cells/{c}/{name}",
                        f"say the {name} of this cell, or one for all at /{name}",
                    )

    def _faults_of_samples(self) -> Iterator[FieldError]:
        """Options that belong to other margins, and what samples cannot do."""
        if self.options.margin not in SAMPLED:
            for name in _OF_SAMPLED:
                if getattr(self.options, name) is not None:
                    detail = f"belongs to the margins {' and '.join(SAMPLED)}"
                    yield FieldError(f"/options/{name}", detail)
        elif self.options.method == "pccp":
            detail = "plans free clocks, and samples are of measured ones: plan exact"
            yield FieldError("/options/method", detail)

    def faults_of_user(self, where: str, user: RobustUser) -> Iterator[FieldError]:
        """What is wrong with a user in this request, whoever the others are."""
        cells = self.cell_positions
        if user.cell is None and cells:
            yield FieldError(f"{where}/cell", "say which of the request's cells it is in")
        elif user.cell is not None and user.cell not in cells:
            mend = (
                f"there is no cell {user.cell!r}{is_it(nearest(user.cell, cells))}"
                if cells
                else "the request lists no cells: leave it out"
            )
            yield FieldError(f"{where}/cell", mend)
        given = [
            f for f in ("gain_db", "distance_m", "snr_reference") if getattr(user, f) is not None
        ]
        if not given:
            yield FieldError(
                where, "say how good the channel is: gain_db, distance_m or snr_reference"
            )
        elif len(given) > 1:
            yield FieldError(f"{where}/{given[1]}", f"{given[0]} says it already: give one of them")
        for k, server in enumerate(user.servers or ()):
            if server in (user.servers or ())[:k]:
                yield FieldError(f"{where}/servers/{k}", "is listed before: name each server once")
        gaussian = "gaussian" in (self.options.margin, self.options.fallback)
        if gaussian and user.risk > 0.5:
            yield FieldError(f"{where}/risk", "must be at most 0.5 with the gaussian margin")

    @cached_property
    def cell_positions(self) -> dict[str, int]:
        """Where each cell is in the list; none where there is no list."""
        return {cell.id: c for c, cell in enumerate(self.cells or ())}


def faults_of_rates(silent: Sequence[bool]) -> Iterator[FieldError]:
    """Users without a `rate_hz` beside others that have one."""
    without = [n for n, missing in enumerate(silent) if missing]
    if 0 < len(without) < len(silent):
        detail = (
            f"{len(silent) - len(without)} of {len(silent)} users say how often they infer: say it"
            " of all, or of none"
        )
        yield from (FieldError(f"/users/{n}/rate_hz", detail) for n in without[:_LISTED])


def _faults_of_tiers(where: str, tiers: tuple[RobustTier, ...] | None) -> Iterator[FieldError]:
    for k, tier in enumerate(tiers or ()):
        if any(tier.server == before.server for before in (tiers or ())[:k]):
            yield FieldError(f"{where}/{k}/server", "is the server of a tier before: name it once")


class RobustRequest(RobustTerms):
    """Plan cut, clock and bandwidth of every user of one or several cells at least energy."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE, CELLS_EXAMPLE]})

    users: Annotated[tuple[RobustUser, ...], Field(min_length=1)]
    """Everybody to plan for, each with an id of its own."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self

    def _faults(self) -> Iterator[FieldError]:
        yield from self.faults_of_cells(served=all(user.servers for user in self.users))
        yield from faults_of_rates([user.rate_hz is None for user in self.users])
        seen: dict[str, int] = {}
        for n, user in enumerate(self.users):
            if user.id in seen:
                yield FieldError(
                    f"/users/{n}/id", f"is the id of user {seen[user.id]} too: ids must differ"
                )
            seen.setdefault(user.id, n)
            yield from self.faults_of_user(f"/users/{n}", user)
