"""A bundle as JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from app.plans.schemas import PlanId, PlanStatus
from app.profiles.schemas.profile import Kind
from app.quantities import Body, Count, InstantText, PositiveCount, absent

FORMAT = "splitplan-bundle"
FORMAT_VERSION = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class BundledPlan(Body):
    """The plan that the bundle is of; none of this is part of a digest of the answer."""

    id: PlanId
    """Of the plan."""
    kind: str
    """The family that planned it."""
    name: str | None
    """Under which the newest plan is found again."""
    users_count: Count
    """Users of the request."""
    created_at: datetime
    """When it was accepted."""
    finished_at: datetime | None
    """When it ended."""
    solve_s: float | None
    """How long its solver took [s]: one that used up its time limit may have been cut short."""
    request_hash: Sha256
    """SHA-256 of the request as it was sent."""


class BundledProfile(Body):
    """A revision that the request's names stood for."""

    kind: Kind
    """Of the profile."""
    revision: PositiveCount
    """Which state of the profile it is."""
    body: dict[str, Any]
    """As `GET /v1/{kind}s/{name}/revisions/{revision}` shows it."""


class BundledSamples(Body):
    """A measurement that timings were fitted to, where the margin reads samples."""

    timing: str
    """The timing that was fitted, as `name@revision`."""
    cuts: list[Count]
    """The cuts of that timing whose entries were fitted to it."""
    measured_at: InstantText
    """When it was measured."""
    started_at: list[InstantText | None]
    """When each session began."""
    npz: str
    """The samples as numpy's `savez_compressed` writes columns, in base64."""


class BundledColumns(Body):
    """Users of a request in columns."""

    media_type: Literal["application/vnd.apache.arrow.stream"]
    """Of each block."""
    rows: Count
    """Users in all blocks."""
    blocks: list[str]
    """Arrow streams of one schema, 4,096 rows each, in base64."""


class BundledParent(Body):
    """The plan that this one was held to."""

    id: PlanId
    """Of that plan."""
    max_switches: Count
    """Users who may leave what they had."""
    decisions: list[dict[str, Any]]
    """What each user who runs the same network still had there."""


class AnswerDigests(Body):
    """SHA-256 of the parts of an answer, none of which knows times or ids of plans."""

    told_in: Literal["entries", "columns"]
    """What is digested: canonical JSON of entries, or the bytes of columns."""
    block_rows: PositiveCount
    """Users in each block; the last one may have fewer."""
    decisions: list[Sha256]
    """What each block of users should do: cuts and what goes with them."""
    users: list[Sha256]
    """All that is said of each block of users."""
    objective: Sha256
    """What was least."""
    certificate: Sha256
    """Bound, gap and check."""
    result: Sha256
    """All that is said of the whole, but for what is computed with what is left of the time."""
    infeasible: Sha256
    """Why there is no plan."""
    whole: Sha256
    """Of the status and of all of these."""


class BundledAnswer(Body):
    """What the plan said."""

    status: PlanStatus
    """How the plan ended."""
    result: dict[str, Any] | None
    """Without the users."""
    infeasible: dict[str, Any] | None
    """Without the users."""
    digests: AnswerDigests
    """Of all of it, users included."""


class PlanBundle(Body):
    """All that a plan was made of: `splitplan replay` makes it again, without a service."""

    format: Literal["splitplan-bundle"]
    """What this file is."""
    format_version: Literal[1]
    """Of the format: another one is read by another release."""
    plan: BundledPlan
    """Which plan it is of."""
    versions: dict[str, str]
    """Of what solved it; of plans of earlier releases that of `splitplan` only."""
    request: dict[str, Any]
    """As it was sent, without `webhook_url`, whose address may hold a secret; users who came as
    columns are in `columns`.
    """
    columns: BundledColumns | None = absent()
    """The users, where they came as columns."""
    options: dict[str, Any]
    """As they took effect."""
    seeds: dict[str, Count]
    """What chance was drawn from: `solver`. A family that draws nothing has none."""
    pinned: dict[str, str | None]
    """What each name of the request stood for: `kind/name`, and `timing/kind/processor/model` where
    no timing was named.
    """
    profiles: list[BundledProfile]
    """The revisions that `pinned` names, each once."""
    samples: list[BundledSamples]
    """The measurements behind the timings; none where the margin reads none."""
    parent: BundledParent | None = absent()
    """With `max_switches` of a re-plan."""
    answered: BundledAnswer
    """What was answered, its users by their digests."""
    sha256: Sha256
    """Of the bundle (docs/verification.md): it shows damage, it is no signature."""
