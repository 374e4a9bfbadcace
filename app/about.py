"""What is being worked on: which request, plan, validation or experiment a line of the log is
about.
"""

import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass

# Letters of URLs and base64, so that an id stands in headers, logs and shells as it is.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")


@dataclass(slots=True)
class About:
    """What is known of the work at hand. Threads that work on the same share it."""

    request_id: str | None = None
    plan_id: str | None = None
    validation_id: str | None = None
    experiment_id: str | None = None

    def fields(self) -> dict[str, str]:
        """What is known, by name."""
        named = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in named.items() if value is not None}


FIELDS = ("request_id", "plan_id", "validation_id", "experiment_id")
_NOTHING = About()
_about: ContextVar[About] = ContextVar("about", default=_NOTHING)


def current() -> About:
    """What the work at hand is about."""
    return _about.get()


class Concerning:
    """Work on this, here and in the threads that are asked to help."""

    __slots__ = ("_about", "_before")

    def __init__(self, about: About) -> None:
        self._about = about

    def __enter__(self) -> About:
        self._before = _about.set(self._about)
        return self._about

    def __exit__(self, *_: object) -> None:
        _about.reset(self._before)


def name_plan(plan_id: str) -> None:
    """The request at hand has turned out to be about this plan."""
    about = _about.get()
    if about is not _NOTHING:
        about.plan_id = plan_id


def request_id(given: str | None) -> str:
    """The id that a caller gave to a request, or another where that is none."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex
