"""What can go wrong, named for what happened; `problem_types.py` gives each its status."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault: where (an RFC 6901 pointer into the body, or a parameter) and what remedies it."""

    pointer: str
    detail: str
    parameter: str | None = None

    def below(self, prefix: str) -> "FieldError":
        """The same fault seen from a body that holds this one at `prefix`."""
        return FieldError(prefix + self.pointer, self.detail, self.parameter)


def escaped(step: str) -> str:
    """A step of an RFC 6901 pointer."""
    return step.replace("~", "~0").replace("/", "~1")


class SplitplanError(Exception):
    """A failure that can be told to the caller: `detail` is written for them."""

    headers: Mapping[str, str] = {}
    """What an answer that tells of it says in its head, beside Retry-After."""

    def __init__(
        self, detail: str, errors: Sequence[FieldError] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


def in_one_line(failure: Exception) -> str:
    """What went wrong, without the statement that a database's error goes on with."""
    return str(failure).partition("\n")[0] or type(failure).__name__


class LimitMet(SplitplanError):
    """The caller, or all callers together, take more than they may."""


class NotAuthenticated(SplitplanError):
    """Nobody knows who asks: there is no key, or none that is good."""


class ScopeMissing(SplitplanError):
    """Who asks is known, and may not do this; `scope` is what to ask for to be given it."""

    scope = ""


class IssuerUnavailable(SplitplanError):
    """The identity provider would have to be asked who this is, and does not answer."""


class MalformedJson(SplitplanError):
    """The body is not JSON."""


class MalformedYaml(SplitplanError):
    """The body is not YAML, or says what JSON cannot."""


class MalformedColumns(SplitplanError):
    """The body is not the columnar file that it is declared to be."""


class BodyTooLarge(LimitMet):
    """The body is longer than the service accepts."""


class HeadTooLarge(LimitMet):
    """The address and the headers are longer than the service reads."""


class RequestTooSlow(LimitMet):
    """The request did not come to its end in time."""


class TooManyConnections(LimitMet):
    """All connections are in use."""


class TooMuchAtOnce(LimitMet):
    """The bodies that are being read take more together than the service holds."""


class TooManyRequests(LimitMet):
    """The caller asks more often than it may."""


class UnsupportedMediaType(SplitplanError):
    """The body is declared as something this operation does not read."""


class UnsupportedEncoding(UnsupportedMediaType):
    """The body was compressed on its way in a form that is not read."""

    headers: Mapping[str, str] = {"Accept-Encoding": "gzip"}  # RFC 9110, 15.5.16


class MalformedEncoding(SplitplanError):
    """The body is not compressed as it is declared to be."""


class InvalidRequest(SplitplanError):
    """The request is well formed but its content does not hold together."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        where = "" if first.parameter else f"{first.pointer or 'the body'}: "
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{where}{first.detail}{more}", errors)


class HostUnknown(SplitplanError):
    """The request names a host that the service does not answer for."""


class CrossOriginRefused(SplitplanError):
    """A page of a browser asks for what no page of its origin may ask for."""


class NothingHere(SplitplanError):
    """No operation has this path."""


class MethodNotAllowed(SplitplanError):
    """The path exists, but not with this method."""


class ProfileNotFound(SplitplanError):
    """No profile of this kind has the name, or it was deleted."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no {kind} profile named {name!r}.")
        self.kind, self.name = kind, name


class RevisionNotFound(SplitplanError):
    """The profile exists, but not the revision asked for."""

    def __init__(self, kind: str, name: str, revision: int) -> None:
        super().__init__(f"The {kind} profile {name!r} has no revision {revision}.")
        self.kind, self.name = kind, name


class ProfileExists(SplitplanError):
    """The name is taken."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"A {kind} profile named {name!r} exists; PUT makes a new revision of it.")


class StaleRevision(SplitplanError):
    """The caller edited a revision that is no longer the latest."""

    def __init__(self, kind: str, name: str, latest: int) -> None:
        stale = f"The {kind} profile {name!r} is at revision {latest} now"
        super().__init__(f"{stale}; read it, apply the change again, retry.")


class RevisionRequired(SplitplanError):
    """A change came without saying which revision it starts from."""


class AmbiguousTiming(SplitplanError):
    """More than one stored timing describes the processor with the model."""

    def __init__(self, processor: str, model: str, names: Sequence[str]) -> None:
        timings = f"{len(names)} timings describe {processor!r} with {model!r}"
        super().__init__(f"{timings} ({', '.join(names)}): name one.")
        self.names = tuple(names)


class TooManyUsers(LimitMet):
    """The request has more users than one request may have."""

    def __init__(self, users: int, most: int, otherwise: str = "send several requests") -> None:
        detail = f"{users} users are more than the {most} that one request may have: {otherwise}"
        super().__init__(f"{detail}.", [FieldError("/users", detail)])


class PlanNotFound(SplitplanError):
    """No plan has this id or name; `named` where it is for a caller to say another."""

    def __init__(self, detail: str, named: str | None = None) -> None:
        super().__init__(detail)
        self.named = named


class PlanNotEnded(SplitplanError):
    """The plan is still in line or being solved."""


class NameEventNotFound(SplitplanError):
    """The name has no such event, or it is too old to be kept."""


class PlanNotCurrent(SplitplanError):
    """The plan to be replaced was replaced by another, or is about to be."""


class PlanInUse(SplitplanError):
    """A plan that has not ended yet is made from this one."""


class KeyReused(SplitplanError):
    """The Idempotency-Key came before, with another body."""


class QueueFull(LimitMet):
    """More plans wait than the service takes on."""


class TooManyAtOnce(LimitMet):
    """The project has more plans in line or being solved than it may have."""


class StorageFull(LimitMet):
    """The project has stored as much as it may."""


class PlanUserNotFound(SplitplanError):
    """The plan says nothing of this user."""

    def __init__(self, plan_id: str, user_id: str) -> None:
        super().__init__(f"The plan {plan_id!r} says nothing of a user {user_id!r}.")
        self.plan_id, self.user_id = plan_id, user_id


class FigureNotFound(SplitplanError):
    """The plan or profile has no figure of this name."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"The {what} has no figure {name!r}; it has: {there}.")


class RevisionsUnknown(SplitplanError):
    """The plan exists, but which revisions its references meant was not kept."""


class PlanNotReplayable(SplitplanError):
    """The plan exists, but there is nothing in it that a replay could play."""


class PlanNotInfeasible(SplitplanError):
    """The plan exists, but there is nothing about it to repair."""


class NothingToBundle(SplitplanError):
    """The plan exists, but nothing that it was made of could make it again."""


class NothingToExplain(SplitplanError):
    """The plan exists, but has nothing that an explanation could be made of."""


class PlansNotComparable(SplitplanError):
    """Two plans are of different kinds."""


class ValidationNotFound(SplitplanError):
    """The plan has no validation of this number."""

    def __init__(self, plan_id: str, number: int) -> None:
        super().__init__(f"The plan {plan_id!r} has no validation {number}.")


class ExperimentNotFound(SplitplanError):
    """No experiment has this id."""

    def __init__(self, experiment_id: str) -> None:
        super().__init__(f"There is no experiment {experiment_id!r}.")


class ExperimentNotEnded(SplitplanError):
    """The experiment is still in line or being worked on."""


class ImporterBusy(SplitplanError):
    """No further model can be read now."""


class MeasurementNotFound(SplitplanError):
    """The timing or device has no measurement of this number."""

    def __init__(self, kind: str, name: str, number: int) -> None:
        super().__init__(f"The {kind} {name!r} has no measurement {number}.")


class DatabaseUnavailable(SplitplanError):
    """The database did not answer, or not in time."""

    def __init__(self, detail: str = "The database did not answer; nothing was changed.") -> None:
        super().__init__(detail, retry_after_s=2)


class DatabaseBusy(DatabaseUnavailable):
    """The database is there, but others hold what the request needs for too long."""


class DatabaseFull(DatabaseUnavailable):
    """There is no room left for what should be stored."""


class DatabaseReadOnly(DatabaseUnavailable):
    """The database can be read, not changed."""


class DatabaseReplaced(DatabaseUnavailable):
    """The file of the database is no longer the one that was opened."""


class NotReady(SplitplanError):
    """The service runs but cannot do its work yet."""


class ConfigurationError(SplitplanError):
    """The operator's settings or database stop the service from starting; never seen over HTTP."""


class InternalError(SplitplanError):
    """A fault of the service itself."""


class ProblemTypeNotFound(SplitplanError):
    """The catalogue has no problem type of this name."""
