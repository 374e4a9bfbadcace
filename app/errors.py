"""What can go wrong, named for what happened, and the one table that gives each its status and
problem type.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault: where (an RFC 6901 pointer into the body, or the name of a parameter) and how to
    mend it.
    """

    pointer: str
    detail: str
    parameter: str | None = None

    def below(self, prefix: str) -> "FieldError":
        """The same fault seen from a body that holds this one at `prefix`."""
        return FieldError(prefix + self.pointer, self.detail, self.parameter)


class SplitplanError(Exception):
    """A failure that can be told to the caller: `detail` is written for them."""

    def __init__(
        self, detail: str, errors: Sequence[FieldError] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


def in_one_line(failure: Exception) -> str:
    """What went wrong, without the statement and its parameters that a database's error goes on
    with.
    """
    return str(failure).partition("\n")[0] or type(failure).__name__


class MalformedJson(SplitplanError):
    """The body is not JSON."""


class MalformedColumns(SplitplanError):
    """The body is not the columnar file that it is declared to be."""


class BodyTooLarge(SplitplanError):
    """The body is longer than the service accepts."""


class UnsupportedMediaType(SplitplanError):
    """The body is declared as something this operation does not read."""


class InvalidRequest(SplitplanError):
    """The request is well formed but its content does not hold together."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        where = "" if first.parameter else f"{first.pointer or 'the body'}: "
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{where}{first.detail}{more}", errors)


class NothingHere(SplitplanError):
    """No operation has this path."""


class MethodNotAllowed(SplitplanError):
    """The path exists, but not with this method."""


class ProfileNotFound(SplitplanError):
    """No profile of this kind has the name, or it was deleted."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no {kind} profile named {name!r}.")


class RevisionNotFound(SplitplanError):
    """The profile exists, but not the revision asked for."""

    def __init__(self, kind: str, name: str, revision: int) -> None:
        super().__init__(f"The {kind} profile {name!r} has no revision {revision}.")


class ProfileExists(SplitplanError):
    """The name is taken."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"A {kind} profile named {name!r} exists; PUT makes a new revision of it.")


class StaleRevision(SplitplanError):
    """The caller edited a revision that is no longer the latest."""

    def __init__(self, kind: str, name: str, latest: int) -> None:
        super().__init__(
            f"The {kind} profile {name!r} is at revision {latest} now; read it, apply the change"
            " again, retry."
        )


class RevisionRequired(SplitplanError):
    """A change came without saying which revision it starts from."""


class AmbiguousTiming(SplitplanError):
    """More than one stored timing describes the processor with the model."""

    def __init__(self, processor: str, model: str, names: Sequence[str]) -> None:
        super().__init__(
            f"{len(names)} timings describe {processor!r} with {model!r} ({', '.join(names)}): name"
            " one."
        )
        self.names = tuple(names)


class TooManyUsers(SplitplanError):
    """The request has more users than one request may have."""

    def __init__(self, users: int, most: int) -> None:
        detail = (
            f"{users} users are more than the {most} that one request may have: send several"
            " requests"
        )
        super().__init__(f"{detail}.", [FieldError("/users", detail)])


class PlanNotFound(SplitplanError):
    """No plan has this id or name."""


class PlanNotEnded(SplitplanError):
    """The plan is still in line or being solved."""


class PlanInUse(SplitplanError):
    """A plan that has not ended yet is made from this one."""


class KeyReused(SplitplanError):
    """The Idempotency-Key came before, with another body."""


class QueueFull(SplitplanError):
    """More plans wait than the service takes on."""


class PlanUserNotFound(SplitplanError):
    """The plan says nothing of this user."""

    def __init__(self, plan_id: str, user_id: str) -> None:
        super().__init__(f"The plan {plan_id!r} says nothing of a user {user_id!r}.")


class RevisionsUnknown(SplitplanError):
    """The plan exists, but which revisions its references meant was not kept."""


class PlanNotReplayable(SplitplanError):
    """The plan exists, but there is nothing in it that a replay could play."""


class ValidationNotFound(SplitplanError):
    """The plan has no validation of this number."""

    def __init__(self, plan_id: str, number: int) -> None:
        super().__init__(f"The plan {plan_id!r} has no validation {number}.")


class ImporterBusy(SplitplanError):
    """There is no room to read another model now."""


class MeasurementNotFound(SplitplanError):
    """The timing has no measurement of this number."""

    def __init__(self, timing: str, number: int) -> None:
        super().__init__(f"The timing {timing!r} has no measurement {number}.")


class DatabaseUnavailable(SplitplanError):
    """The database did not answer, or not in time."""

    def __init__(self, detail: str = "The database did not answer; nothing was changed.") -> None:
        super().__init__(detail, retry_after_s=2)


class NotReady(SplitplanError):
    """The service runs but cannot do its work yet."""


class ConfigurationError(SplitplanError):
    """The operator's settings or database stop the service from starting; never seen over HTTP."""


class InternalError(SplitplanError):
    """A fault of the service itself."""


class ProblemTypeNotFound(SplitplanError):
    """The catalogue has no problem type of this name."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """An entry of the published catalogue; `slug` is stable for ever."""

    slug: str
    status: int
    title: str
    mend: str


# The most specific class wins, so a subclass needs a row only where it differs from its parent.
PROBLEMS: dict[type[Exception], ProblemType] = {
    MalformedJson: ProblemType(
        "malformed-json",
        400,
        "The body is not JSON",
        "Send UTF-8 JSON: no NaN or Infinity, no key twice in an object.",
    ),
    MalformedColumns: ProblemType(
        "malformed-columns",
        400,
        "The body is not the declared columnar file",
        "Send an Arrow stream or a Parquet file, whole, with the Content-Type that it has.",
    ),
    NothingHere: ProblemType(
        "not-found", 404, "Nothing has this address", "Look the address up in /docs."
    ),
    ProblemTypeNotFound: ProblemType(
        "problem-type-not-found",
        404,
        "No such problem type",
        "GET /v1/problem-types lists them all.",
    ),
    ProfileNotFound: ProblemType(
        "profile-not-found",
        404,
        "No such profile",
        "List the names of this kind, or POST the profile.",
    ),
    RevisionNotFound: ProblemType(
        "revision-not-found",
        404,
        "No such revision",
        "GET /{name}/revisions lists those that exist.",
    ),
    PlanNotFound: ProblemType(
        "plan-not-found", 404, "No such plan", "GET /v1/plans lists those that exist."
    ),
    PlanUserNotFound: ProblemType(
        "plan-user-not-found",
        404,
        "The plan has no such user",
        "GET the plan's users to see their ids.",
    ),
    ValidationNotFound: ProblemType(
        "validation-not-found",
        404,
        "The plan has no such validation",
        "GET the plan's validations to see them.",
    ),
    MeasurementNotFound: ProblemType(
        "measurement-not-found",
        404,
        "The timing has no such measurement",
        "GET the timing's measurements to see them.",
    ),
    MethodNotAllowed: ProblemType(
        "method-not-allowed",
        405,
        "This address has no such method",
        "The Allow header lists the methods it has.",
    ),
    ProfileExists: ProblemType(
        "profile-exists",
        409,
        "The name is taken",
        "Choose another name, or PUT a new revision with If-Match.",
    ),
    PlanNotReplayable: ProblemType(
        "plan-not-replayable",
        409,
        "This plan cannot be replayed",
        "`detail` says why; replay a solved robust plan.",
    ),
    RevisionsUnknown: ProblemType(
        "revisions-unknown",
        409,
        "The plan's revisions are not known",
        "POST its request again as a new plan.",
    ),
    PlanNotEnded: ProblemType(
        "plan-not-ended",
        409,
        "The plan has not ended",
        "Wait for its end, or POST to its /cancel first.",
    ),
    PlanInUse: ProblemType(
        "plan-in-use",
        409,
        "A plan in line is made from this one",
        "Wait until the plan that `detail` names has ended.",
    ),
    StaleRevision: ProblemType(
        "stale-revision",
        412,
        "The profile has changed since",
        "GET it again, apply the change to that, and retry.",
    ),
    BodyTooLarge: ProblemType(
        "body-too-large",
        413,
        "The body is too large",
        "`detail` says how long it may be: send fewer users, or refer to stored profiles by name.",
    ),
    TooManyUsers: ProblemType(
        "too-many-users",
        413,
        "Too many users in one request",
        "Split the fleet, or have max_users raised.",
    ),
    UnsupportedMediaType: ProblemType(
        "unsupported-media-type",
        415,
        "The body's media type is not read here",
        "Set Content-Type as /docs says.",
    ),
    InvalidRequest: ProblemType(
        "invalid-request",
        422,
        "The request does not hold together",
        "`errors` points at each fault and says the mend.",
    ),
    AmbiguousTiming: ProblemType(
        "ambiguous-timing",
        422,
        "More than one timing fits",
        "Name the timing to use, or send it inline.",
    ),
    KeyReused: ProblemType(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key is taken",
        "Use a new key for a new request.",
    ),
    RevisionRequired: ProblemType(
        "revision-required",
        428,
        "If-Match is required",
        "Send If-Match with the ETag of the revision you read.",
    ),
    InternalError: ProblemType(
        "internal-error",
        500,
        "The service failed",
        "Tell the operator the `instance` id: the log has the cause.",
    ),
    ImporterBusy: ProblemType(
        "importer-busy",
        503,
        "No model can be imported now",
        "Retry after the seconds in Retry-After.",
    ),
    DatabaseUnavailable: ProblemType(
        "database-unavailable",
        503,
        "The database did not answer",
        "Retry after the seconds in Retry-After.",
    ),
    QueueFull: ProblemType(
        "queue-full",
        503,
        "Too many plans are waiting",
        "Retry after the seconds in Retry-After; nothing was stored.",
    ),
    NotReady: ProblemType(
        "not-ready", 503, "The service cannot work yet", "`detail` says what is missing."
    ),
}


def problem_type(error: type[Exception]) -> ProblemType | None:
    """The row of the nearest class that has one."""
    return next((PROBLEMS[kind] for kind in error.__mro__ if kind in PROBLEMS), None)
