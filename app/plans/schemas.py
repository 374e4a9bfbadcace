"""What plans of every family share."""

from datetime import datetime
from typing import Annotated, Any, Literal

import httpx
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from app.profiles.schemas.profile import FieldWarning, Provenance
from app.quantities import (
    ID_PATTERN,
    PLAN_ID_PATTERN,
    Body,
    Count,
    Decibel,
    Name,
    Positive,
    absent,
)

PlanStatus = Literal[
    "queued", "running", "solved", "infeasible", "failed", "cancelled", "timed_out"
]
ENDED: frozenset[PlanStatus] = frozenset(
    {"solved", "infeasible", "failed", "cancelled", "timed_out"}
)
REVOKED = "revoked"  # the event that an ended plan is no longer trusted
UNENDED: tuple[PlanStatus, ...] = ("queued", "running")
Priority = Literal["low", "normal", "high"]
UserId = Annotated[str, StringConstraints(pattern=ID_PATTERN, min_length=1, max_length=128)]
PlanId = Annotated[str, StringConstraints(pattern=PLAN_ID_PATTERN)]


def _callable(url: str) -> str:
    """An address whose host could be looked up."""
    try:
        parsed = httpx.URL(url)
        named = bool(parsed.raw_host.decode().encode("idna")) and 0 < (parsed.port or 80) < 2**16
    except (httpx.InvalidURL, UnicodeError):
        named = False
    if not named:
        raise PydanticCustomError("url", "must have a host name and a port that can be called")
    return url


WebhookUrl = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", min_length=10, max_length=2000),
    AfterValidator(_callable),
]

GainDb = Annotated[Decibel, Field(ge=-400.0, le=100.0)]

# Longer lists of users have an address of their own.
INLINE_USERS = 1000


class SnrReference(Body):
    """A signal-to-noise ratio measured over a known bandwidth at the user's transmit power."""

    snr_db: Annotated[Decibel, Field(ge=-200.0, le=200.0)]
    bandwidth_hz: Positive


class Request(Body):
    """What every planning request may say of itself."""

    name: Name | None = absent()
    """A name under which the newest plan with a result is found again
    (`GET /v1/plans/current?name=`)."""
    supersedes: PlanId | None = absent()
    """The plan that this one is meant to replace."""
    priority: Priority = "normal"
    """Among plans that wait for a worker: who goes first."""
    webhook_url: WebhookUrl | None = absent()
    """Told when the plan has ended; signed as in Standard Webhooks, tried again until answered with
    2xx.
    """


class UsedProfile(Body):
    """A profile that an answer rests on."""

    ref: str
    """`name@revision`, or `inline:name` for a body sent with the request."""
    kind: str
    revision: int | None
    provenance: Provenance


class PlanProvenance(Body):
    """What an answer rests on."""

    weakest: Provenance
    profiles: list[UsedProfile]
    solver_version: str
    solve_s: float | None
    """Null until the plan has ended."""


class PlanProgress(Body):
    """How far a plan has come."""

    fraction: Annotated[float, Field(ge=0.0, le=1.0)]
    stage: str
    objective: float | None
    """The best plan so far, in the objective's unit."""
    bound: float | None
    """No plan is better than this."""
    gap: float | None


class PlanFailure(Body):
    """Why a plan failed, through no fault of the request."""

    reason: Literal["refuted", "crashed", "internal"]
    """`refuted`: the independent check contradicts the solver; `crashed`: the solving process died
    again and again.
    """
    detail: str


class PlanWebhook(Body):
    """Where it is told that the plan ended, and how that went."""

    url: str
    """Its origin (scheme, host, port): the rest of the address may hold a secret."""
    status: Literal["waiting", "delivered", "failed"]
    attempts: Count
    detail: str | None
    """What came of the latest attempt."""


class PlanPatch(Body):
    """A merge patch (RFC 7396) over the request of a plan in which `users` is an object keyed by
    id.

    Any field of the request may be patched; null removes it. Revisions stay those of the plan
    unless the patch names another reference.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"users": {"camera-1": {"deadline_s": 0.5}, "camera-2": None}, "max_switches": 1}
            ]
        },
    )

    users: dict[str, dict[str, Any] | None] | None = absent()
    """What to change of each user: null removes one, a new id is a full user."""
    max_switches: Count | None = absent()
    """Multi-user plans only: users of the plan who may change their cut, bits or codec; default:
    all.
    """


class PlanChanges(Body):
    """What distinguishes a plan from the one it was made from; of each list of users the first
    100.
    """

    users_added: list[str]
    users_removed: list[str]
    users_changed: list[str]
    fields: list[str]
    """Other fields of the request."""
    max_switches: Count | None = absent()
    switched: Count | None
    """Users of both plans, with the same network, whose cut, bits, codec or placement differ; null
    unless both have a result. Of tables, those whose cuts, bits or codecs differ."""


class PlanRevocation(Body):
    """Since when a plan is no longer trusted, and why."""

    at: datetime
    detail: str
    e_value: float
    """The evidence against the plan as a whole: how much one coin would have become by betting
    against its promised risks."""
    users_refuted: Count
    """Users whose own evidence is beyond doubt."""
    replanned_as: str | None = absent()
    """The plan that was made instead, with `options.on_revocation: "replan"`."""
    not_replanned: str | None = absent()
    """Why none was made, though it was asked for."""


class PlanHead(Body):
    """What is said of a plan whether or not it has ended."""

    object: Literal["plan"]
    """What this answer is: a dry run's is an `estimate`."""
    id: Annotated[str, Field(examples=["0b6f0f5c9a3e4d0f8f4c2a1d3e5b7c9d"])]
    status: PlanStatus
    name: str | None
    users_count: Count
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    supersedes: str | None
    parent: str | None = absent()
    """The plan that this one was made from."""
    changed: PlanChanges | None = absent()
    request_hash: str
    """SHA-256 of the request as canonical JSON."""
    progress: PlanProgress | None = absent()
    """Of a plan that is solved in the background, until it is solved."""
    webhook: PlanWebhook | None = absent()
    warnings: list[FieldWarning] | None = absent()
    provenance: PlanProvenance


class PlanBase(PlanHead):
    """What every plan's answer has."""

    revoked: PlanRevocation | None = absent()
    """Beside the status: what its users saw refutes what the plan promised."""
    failure: PlanFailure | None = absent()


class PendingPlanBase(PlanHead):
    """What is said of every plan that is solved in the background."""

    status: Literal["queued", "running"]
    finished_at: None
    progress: PlanProgress
    result: None
    """A plan has one once it is solved."""
