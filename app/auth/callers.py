"""Who asks, and what which request asks of them."""

from dataclasses import dataclass
from typing import Literal, get_args

from app import projects
from app.limits import NONE, OwnLimits

Scope = Literal["read", "plan", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each includes those before it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: `request.state.caller` in every route, set before any body is read.

    Limits and logs may tell callers apart by `identity`; it is no secret, and never the key.
    """

    key_id: str | None
    """The public id of the API key (12 hexadecimal digits), `oidc:` and the subject of a bearer
    token, or None where nobody is asked for a key."""
    project: str
    """Whose profiles and plans the caller sees and changes."""
    scopes: frozenset[Scope]
    own_limits: OwnLimits = NONE
    """What the key has instead of the settings."""

    def __post_init__(self) -> None:
        """Nobody is of what all projects see. Raises ValueError."""
        projects.checked(self.project)

    @property
    def identity(self) -> str:
        """One text for each caller: of those without a key, `anonymous`."""
        return self.key_id or "anonymous"


def up_to(scope: Scope) -> frozenset[Scope]:
    """A scope with those that it includes."""
    return frozenset(SCOPES[: SCOPES.index(scope) + 1])


ANYONE = Caller(None, projects.DEFAULT, up_to("admin"))
"""Who comes where nobody is asked for a key."""
NOBODY = Caller(None, projects.DEFAULT, frozenset())
"""Who asks what everybody may ask: not looked at, whatever key was sent."""

# Nothing of a project is in these.
_PUBLIC = frozenset({"/", "/livez", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
_PUBLIC |= {"/ui/key", "/ui/key/forget"}
_PUBLIC_BELOW = ("/v1/problem-types", "/static-offline-docs/", "/ui/assets/")
_OF_ALL = frozenset({"/metrics"})
"""What tells of all projects together."""


def required_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where anybody may ask.

    To look needs `read`. Whatever concerns plans and their evidence needs `plan`. What changes the
    profiles that plans rest on, and all that is not known here, needs `admin`. `method` is GET for
    HEAD too; `path` may be a template.
    """
    if path in _PUBLIC or path.startswith(_PUBLIC_BELOW):
        return None
    if path in _OF_ALL:
        return "admin"
    if method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    return "plan" if path.startswith("/v1/plans/") else "admin"


def is_for(caller: Caller, path: str) -> bool:
    """Whether a caller's project may hear what is told there: of all together only `default`."""
    return path not in _OF_ALL or caller.project == projects.DEFAULT
