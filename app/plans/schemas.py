"""What plans of every family share."""

from datetime import datetime
from typing import Annotated, Any, Literal

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
    import httpx  # with its command line, some 2 MB and 0.1 s, for those who are called back

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


# What several schemas say in the same words.
FAMILY = Field(
    description="The family of problems that the plan is of: it says what its request, options and"
    " result look like."
)
OPTIONS = Field(description="As they took effect.")
RESULT = Field(
    description="The plan itself, once it was solved and checked; null until then, and where there"
    " is none."
)
INFEASIBLE = Field(
    description="Why there is no plan, and what would change that; absent where there is one, and"
    " where that was not found out."
)
USERS_URL = Field(
    description="Address of the pages of users, where they are more than 1,000; absent where"
    " `users` has them."
)
UserSaid = Annotated[UserId, Field(description="The `id` that the plan's request gave this user.")]
USER = Field(description="What the caller calls this user, unique in the request.")
DEVICE = Field(
    description="The device that the user has: `name`, `name@revision`, or a whole profile."
)
MODEL = Field(
    description="The neural network that it runs: `name`, `name@revision`, or a whole profile."
)
SERVER = Field(
    description="The server that runs the layers after the cut: `name`, `name@revision`, or a whole"
    " profile."
)
CHANNEL = Field(
    description="The channel that carries what crosses the cut: `name`, `name@revision`, or a whole"
    " profile."
)
PlanName = Annotated[
    str | None,
    Field(
        description="The name that the request gave the plan, by which the newest one with a result"
        " is found; null where it gave none."
    ),
]
Status = Annotated[
    PlanStatus,
    Field(
        description="How far it is: `queued` and `running` will change; `solved` has a result;"
        " `timed_out` and `cancelled` have one where a plan was found by then; others have none."
    ),
]
UsersCount = Annotated[Count, Field(description="How many users the plan's request has.")]
CreatedAt = Annotated[datetime, Field(description="When the request was accepted.")]
StartedAt = Annotated[
    datetime | None,
    Field(description="When a solver first began on it; null while the plan waits for one."),
]
FinishedAt = Annotated[
    datetime | None,
    Field(description="When the plan ended, whatever its status; null until then."),
]


class SnrReference(Body):
    """A signal-to-noise ratio measured over a known bandwidth at the user's transmit power."""

    snr_db: Annotated[Decibel, Field(ge=-200.0, le=200.0)]
    """Mean signal-to-noise ratio that was measured [dB], at the user's transmit power."""
    bandwidth_hz: Positive
    """Bandwidth over which it was measured [Hz]: noise grows with it."""


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
    """Whether it is a `device`, `model`, `channel`, `server` or `timing`."""
    revision: int | None
    """Which revision was read; null for a body sent with the request."""
    provenance: Provenance
    """Whether its numbers were `measured`, `published` or derived (`analytic`), as the profile
    says."""


class PlanProvenance(Body):
    """What an answer rests on."""

    weakest: Provenance
    """The least trustworthy provenance of all that the answer rests on: `analytic` before
    `published` before `measured`."""
    profiles: list[UsedProfile]
    """Every profile that was read for the plan, each once."""
    solver_version: str
    """The release of Splitplan that solved the plan."""
    solve_s: float | None
    """Wall time of solving and checking [s], without that of robust and multi-user baselines;
    null until the plan has ended."""


class PlanProgress(Body):
    """How far a plan has come."""

    fraction: Annotated[float, Field(ge=0.0, le=1.0)]
    """Part of the work that is done, from 0 to 1, as the solver estimates it."""
    stage: str
    """What the solver is at, in a word or two, as in `sweep`, `branch` or `baselines`; each
    family has its own."""
    objective: float | None
    """The best plan so far, in the objective's unit (J, W or cost); null before there is one."""
    bound: float | None
    """No plan is better than this, in the objective's unit; null before anything is proven."""
    gap: float | None
    """Relative distance of `objective` to `bound`; null unless both are known."""


class PlanFailure(Body):
    """Why a plan failed, through no fault of the request."""

    reason: Literal["refuted", "crashed", "internal"]
    """`refuted`: the independent check contradicts the solver; `crashed`: the solving process died
    again and again.
    """
    detail: str
    """What happened, in words for whoever operates the service."""


class PlanWebhook(Body):
    """Where it is told that the plan ended, and how that went."""

    url: str
    """Its origin (scheme, host, port): the rest of the address may hold a secret."""
    status: Literal["waiting", "delivered", "failed"]
    """`waiting`: it is yet to be told, or told again; `delivered`: it was answered with 2xx;
    `failed`: no more is tried."""
    attempts: Count
    """How often it was called so far."""
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
    """Ids of users whom only this plan has."""
    users_removed: list[str]
    """Ids of users whom only the parent has."""
    users_changed: list[str]
    """Ids of users of both whose part of the request differs."""
    fields: list[str]
    """Other fields of the request."""
    max_switches: Count | None = absent()
    """How many users were allowed to change their cut, bits or codec; absent where any number
    was."""
    switched: Count | None
    """Users of both plans, with the same network, whose cut, bits, codec or placement differ; null
    unless both have a result. Of tables, those whose cuts, bits or codecs differ."""


class PlanRevocation(Body):
    """Since when a plan is no longer trusted, and why."""

    at: datetime
    """When the evidence against it became large enough."""
    detail: str
    """What its users saw, in a sentence."""
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
    """Names the plan in every address of it: 32 hexadecimal digits."""
    status: Status
    name: PlanName
    users_count: UsersCount
    created_at: CreatedAt
    started_at: StartedAt
    finished_at: FinishedAt
    supersedes: str | None
    """The plan that the request said this one is meant to replace; null where it named none."""
    parent: str | None = absent()
    """The plan that this one was made from."""
    changed: PlanChanges | None = absent()
    """What distinguishes it from its parent; absent where it has none."""
    request_hash: str
    """SHA-256 of the request as canonical JSON."""
    progress: PlanProgress | None = absent()
    """Of a plan that is solved in the background, until it is solved."""
    webhook: PlanWebhook | None = absent()
    """How telling `webhook_url` of its end goes; absent where the request names none."""
    warnings: list[FieldWarning] | None = absent()
    """What was accepted but looks like a mistake, by field of the request; absent where nothing
    does."""
    provenance: PlanProvenance
    """What the plan rests on: profiles with their revisions, and the solver."""


class PlanBase(PlanHead):
    """What every plan's answer has."""

    revoked: PlanRevocation | None = absent()
    """Beside the status: what its users saw refutes what the plan promised."""
    failure: PlanFailure | None = absent()
    """What went wrong in the service; absent unless the status is `failed`."""


class PendingPlanBase(PlanHead):
    """What is said of every plan that is solved in the background."""

    status: Literal["queued", "running"]
    """Whether it waits for a worker (`queued`) or is being solved (`running`)."""
    finished_at: None
    """Null, as the plan has not ended."""
    progress: PlanProgress
    """How far the solver has come."""
    result: None
    """A plan has one once it is solved."""
