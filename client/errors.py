"""What a planning service refuses, and answers that are not its own."""

import re
from typing import Any

import httpx

Json = dict[str, Any]

PROBLEM = "application/problem+json"


class PlanningError(Exception):
    """The service refused, or did not answer as itself.

    Attributes
    ----------
    type: address of the problem type, `/v1/problem-types/...`; `about:blank` where it was not the
        service that answered
    status: HTTP status
    detail: what happened, in a sentence
    errors: the faults of the request, `{"pointer", "detail", "parameter"?}`, at most 100
    instance: the occurrence in the service's log, for failures of its own
    title: the problem type's, in a few words
    """

    def __init__(
        self,
        problem_type: str,
        status: int,
        detail: str,
        errors: list[Json] | None = None,
        instance: str | None = None,
        title: str | None = None,
    ) -> None:
        self.type = problem_type
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.instance = instance
        self.title = title or detail
        faults = (
            f"{fault['pointer'] or fault.get('parameter') or '/'}: {fault['detail']}"
            for fault in self.errors
        )
        super().__init__("\n  ".join([f"{status} {detail} ({problem_type})", *faults]))


def briefly(failure: PlanningError | httpx.TransportError) -> str:
    """What happened, in a line."""
    if isinstance(failure, PlanningError):
        return failure.detail
    return re.sub(r"^\[Errno -?\d+\] ", "", str(failure)) or type(failure).__name__


def refusal(response: httpx.Response) -> PlanningError:
    """An answer that is no success, as an error."""
    problem = (
        json_object(response)
        if response.headers.get("content-type", "").startswith(PROBLEM)
        else None
    )
    if problem is None:
        return not_the_service(response)
    return PlanningError(
        problem.get("type", "about:blank"),
        response.status_code,
        problem.get("detail", response.reason_phrase),
        problem.get("errors"),
        problem.get("instance"),
        problem.get("title"),
    )


def not_the_service(response: httpx.Response) -> PlanningError:
    """A proxy's error page, or another program on that port."""
    detail = f"{response.url} answered {response.text[:200]!r}, which is not Splitplan's"
    return PlanningError("about:blank", response.status_code, detail)


def json_object(response: httpx.Response) -> Json | None:
    """The object that an answer is; None where it is none."""
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
