"""The one table that gives each failure its status and the type that is published for it."""

from dataclasses import dataclass

from app import errors


@dataclass(frozen=True, slots=True)
class ProblemType:
    """An entry of the published catalogue; `slug` is stable for ever."""

    slug: str
    status: int
    title: str
    remedy: str


# The most specific class wins, so a subclass needs a row only where it differs from its parent.
PROBLEMS: dict[type[Exception], ProblemType] = {
    errors.MalformedJson: ProblemType(
        "malformed-json",
        400,
        "The body is not JSON",
        "Send UTF-8 JSON: no NaN or Infinity, no key twice in an object.",
    ),
    errors.MalformedYaml: ProblemType(
        "malformed-yaml",
        400,
        "The body is not YAML",
        "Send UTF-8 YAML 1.2 with what JSON has: no aliases, no tags, no key twice in an object.",
    ),
    errors.MalformedColumns: ProblemType(
        "malformed-columns",
        400,
        "The body is not the declared columnar file",
        "Send an Arrow stream, a Parquet file or CSV, whole, with the Content-Type that it has.",
    ),
    errors.MalformedEncoding: ProblemType(
        "malformed-encoding",
        400,
        "The body is not compressed as declared",
        "Send it whole, as gzip writes it, or without Content-Encoding.",
    ),
    errors.NotAuthenticated: ProblemType(
        "not-authenticated",
        401,
        "The request has no key or token that is good",
        "Send `Authorization: Bearer` with a key, or a token, that this service accepts.",
    ),
    errors.ScopeMissing: ProblemType(
        "scope-missing",
        403,
        "The key or token may not do this",
        "Use one with the scope that `detail` names.",
    ),
    errors.HostUnknown: ProblemType(
        "host-unknown",
        400,
        "The host is not one of this service",
        "Ask for the service by its own name, or have it added to SPLITPLAN_ALLOWED_HOSTS.",
    ),
    errors.CrossOriginRefused: ProblemType(
        "cross-origin-refused",
        400,
        "A page may not ask for this",
        "Have the page's origin added to SPLITPLAN_CORS_ORIGINS, or ask with the methods and"
        " headers that the answer allows.",
    ),
    errors.NothingHere: ProblemType(
        "not-found", 404, "Nothing has this address", "Look the address up in /docs."
    ),
    errors.ProblemTypeNotFound: ProblemType(
        "problem-type-not-found",
        404,
        "No such problem type",
        "GET /v1/problem-types lists them all.",
    ),
    errors.ProfileNotFound: ProblemType(
        "profile-not-found",
        404,
        "No such profile",
        "List the names of this kind, or POST the profile.",
    ),
    errors.RevisionNotFound: ProblemType(
        "revision-not-found",
        404,
        "No such revision",
        "GET /{name}/revisions lists those that exist.",
    ),
    errors.PlanNotFound: ProblemType(
        "plan-not-found", 404, "No such plan", "GET /v1/plans lists those that exist."
    ),
    errors.PlanUserNotFound: ProblemType(
        "plan-user-not-found",
        404,
        "The plan has no such user",
        "GET the plan's users to see their ids.",
    ),
    errors.FigureNotFound: ProblemType(
        "figure-not-found",
        404,
        "There is no such figure",
        "Ask for one that `detail` names; GET the list of figures to see what each shows.",
    ),
    errors.ValidationNotFound: ProblemType(
        "validation-not-found",
        404,
        "The plan has no such validation",
        "GET the plan's validations to see them.",
    ),
    errors.ExperimentNotFound: ProblemType(
        "experiment-not-found",
        404,
        "There is no such experiment",
        "GET /v1/experiments lists those that there are.",
    ),
    errors.ExperimentNotEnded: ProblemType(
        "experiment-not-ended",
        409,
        "The experiment has not ended",
        "Cancel it (POST /v1/experiments/{id}/cancel), or wait for its end.",
    ),
    errors.MeasurementNotFound: ProblemType(
        "measurement-not-found",
        404,
        "The timing or device has no such measurement",
        "GET its measurements to see them.",
    ),
    errors.MethodNotAllowed: ProblemType(
        "method-not-allowed",
        405,
        "This address has no such method",
        "The Allow header lists the methods it has.",
    ),
    errors.RequestTooSlow: ProblemType(
        "request-too-slow", 408, "The request came too slowly", "Send it again, without pauses."
    ),
    errors.ProfileExists: ProblemType(
        "profile-exists",
        409,
        "The name is taken",
        "Choose another name, or PUT a new revision with If-Match.",
    ),
    errors.PlanNotReplayable: ProblemType(
        "plan-not-replayable",
        409,
        "This plan cannot be replayed",
        "`detail` says why; replay a solved robust plan.",
    ),
    errors.PlanNotInfeasible: ProblemType(
        "plan-not-infeasible",
        409,
        "There is nothing to repair in this plan",
        "Repair a plan whose status is infeasible; to plan another with changes, POST a patch to"
        " its /replan.",
    ),
    errors.NothingToBundle: ProblemType(
        "nothing-to-bundle",
        409,
        "Nobody could make this plan again",
        "`detail` says what is missing; bundle a plan that ended with a result or with reasons.",
    ),
    errors.NothingToExplain: ProblemType(
        "nothing-to-explain",
        409,
        "The plan has nothing to explain",
        "`detail` says what is missing; ask about a robust, stopping or multi-user plan that ended"
        " with a result.",
    ),
    errors.PlansNotComparable: ProblemType(
        "plans-not-comparable",
        409,
        "The two plans are of different kinds",
        "Compare two plans of one kind.",
    ),
    errors.RevisionsUnknown: ProblemType(
        "revisions-unknown",
        409,
        "The plan's revisions are not known",
        "POST its request again as a new plan.",
    ),
    errors.PlanNotEnded: ProblemType(
        "plan-not-ended",
        409,
        "The plan has not ended",
        "Wait for its end, or POST to its /cancel first.",
    ),
    errors.PlanInUse: ProblemType(
        "plan-in-use",
        409,
        "A plan in line is made from this one",
        "Wait until the plan that `detail` names has ended.",
    ),
    errors.NameEventNotFound: ProblemType(
        "name-event-not-found",
        404,
        "The name has no such event",
        "GET /v1/plans/current of the name, and compare with what you hold.",
    ),
    errors.PlanNotCurrent: ProblemType(
        "plan-not-current",
        412,
        "The plan is not the one to replace",
        "GET /v1/plans/current of the name, apply the change to that plan, and retry.",
    ),
    errors.StaleRevision: ProblemType(
        "stale-revision",
        412,
        "The profile has changed since",
        "GET it again, apply the change to that, and retry.",
    ),
    errors.BodyTooLarge: ProblemType(
        "body-too-large",
        413,
        "The body is too large",
        "`detail` says how long it may be: send fewer users, or refer to stored profiles by name.",
    ),
    errors.TooManyUsers: ProblemType(
        "too-many-users",
        413,
        "Too many users in one request",
        "Split the fleet, or have max_users raised.",
    ),
    errors.UnsupportedMediaType: ProblemType(
        "unsupported-media-type",
        415,
        "The body's media type is not read here",
        "Set Content-Type as /docs says.",
    ),
    errors.InvalidRequest: ProblemType(
        "invalid-request",
        422,
        "The request does not hold together",
        "`errors` points at each fault and says the mend.",
    ),
    errors.AmbiguousTiming: ProblemType(
        "ambiguous-timing",
        422,
        "More than one timing fits",
        "Name the timing to use, or send it inline.",
    ),
    errors.KeyReused: ProblemType(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key is taken",
        "Use a new key for a new request.",
    ),
    errors.RevisionRequired: ProblemType(
        "revision-required",
        428,
        "If-Match is required",
        "Send If-Match with the ETag of the revision you read.",
    ),
    errors.TooManyRequests: ProblemType(
        "too-many-requests",
        429,
        "The caller asks too often",
        "Retry after the seconds in Retry-After; the headers RateLimit and RateLimit-Policy say"
        " what is left, and how much there is.",
    ),
    errors.TooManyAtOnce: ProblemType(
        "too-many-at-once",
        429,
        "The project has too much under way",
        "Retry after the seconds in Retry-After, or cancel some; nothing was stored.",
    ),
    errors.HeadTooLarge: ProblemType(
        "head-too-large",
        431,
        "The address and headers are too long",
        "Send fewer or shorter headers, or put what the address says into a body.",
    ),
    errors.InternalError: ProblemType(
        "internal-error",
        500,
        "The service failed",
        "Tell the operator the `instance` id: the log has the cause.",
    ),
    errors.ImporterBusy: ProblemType(
        "importer-busy",
        503,
        "No model can be imported now",
        "Retry after the seconds in Retry-After.",
    ),
    errors.IssuerUnavailable: ProblemType(
        "issuer-unavailable",
        503,
        "The identity provider does not answer",
        "Retry after the seconds in Retry-After, or use an API key.",
    ),
    errors.DatabaseUnavailable: ProblemType(
        "database-unavailable",
        503,
        "The database did not answer",
        "Retry after the seconds in Retry-After.",
    ),
    errors.TooManyConnections: ProblemType(
        "too-many-connections",
        503,
        "All connections are in use",
        "Retry after the seconds in Retry-After, and use a connection again.",
    ),
    errors.TooMuchAtOnce: ProblemType(
        "too-much-at-once",
        503,
        "Too much is being sent at once",
        "Retry after the seconds in Retry-After; nothing was changed.",
    ),
    errors.DatabaseBusy: ProblemType(
        "database-busy",
        503,
        "Others hold what the request needs",
        "Retry after the seconds in Retry-After; nothing was changed.",
    ),
    errors.DatabaseFull: ProblemType(
        "database-full",
        503,
        "There is no room to store anything",
        "Tell the operator; what is stored can be read. Nothing was changed.",
    ),
    errors.DatabaseReadOnly: ProblemType(
        "database-read-only",
        503,
        "The database cannot be changed now",
        "Tell the operator; what is stored can be read. Nothing was changed.",
    ),
    errors.DatabaseReplaced: ProblemType(
        "database-replaced",
        503,
        "The file of the database was deleted or replaced",
        "Tell the operator: put the file back, or start the service again on the new one.",
    ),
    errors.QueueFull: ProblemType(
        "queue-full",
        503,
        "Too many plans are waiting",
        "Retry after the seconds in Retry-After; nothing was stored.",
    ),
    errors.StorageFull: ProblemType(
        "storage-full",
        507,
        "The project has stored as much as it may",
        "Delete plans that nobody needs, or have the limit raised; nothing was stored.",
    ),
    errors.NotReady: ProblemType(
        "not-ready", 503, "The service cannot work yet", "`detail` says what is missing."
    ),
}


def problem_type(error: type[Exception]) -> ProblemType | None:
    """The row of the nearest class that has one."""
    return next((PROBLEMS[kind] for kind in error.__mro__ if kind in PROBLEMS), None)
