"""Access tokens of an identity provider (JWT; RFC 6750, 7519, 8725, 9068): whose they are, and what
they allow. Loaded where a provider is set only: with what verifies signatures it takes 15 MB.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jwt

from app import projects
from app.auth.callers import SCOPES, Caller, Scope, up_to
from app.auth.issuer import Issuer
from app.auth.service import Known
from app.errors import NotAuthenticated
from app.settings import Settings

Claims = dict[str, Any]

PREFIX = "oidc:"
"""Before the subject of a token, in what its caller is called: no key has such an id."""
_LEEWAY_S = 30
"""By which the clocks of the provider and of this machine may differ."""
_LATEST = datetime.max.replace(tzinfo=UTC)
# Types of tokens: what RFC 9068 calls an access token, and what says nothing.
_ACCESS_TOKEN, _ANY = "at+jwt", "jwt"
# How Keycloak's claims tell access tokens from others, that all have the same type.
_BEARER = "bearer"
# Only ID tokens have digests of what was handed out with them.
_DIGESTS = ("at_hash", "c_hash", "s_hash")
_LONGEST_SUBJECT = 128

_WORDS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "This token has expired.",
    jwt.ImmatureSignatureError: "This token is not valid yet.",
    jwt.InvalidIssuerError: "This token is of another issuer.",
    jwt.InvalidSignatureError: "The signature of this token is wrong.",
    jwt.InvalidAlgorithmError: "This token is signed by an algorithm that is not accepted.",
    jwt.InvalidKeyError: "This token is signed with a key that is too short.",
}


class Tokens:
    """Tells whose a token is."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer is not None
        self.issuer = Issuer(settings.oidc_issuer)
        self._audience = settings.oidc_audience
        self._algorithms = settings.oidc_algorithms
        self._scope_claims = settings.oidc_scope_claim
        self._names = settings.oidc_names
        self._project_claim = settings.oidc_project_claim

    async def verify(self, token: str) -> Known:
        """Whose token it is. Raises NotAuthenticated, IssuerUnavailable."""
        header = self._header(token)
        key = await self.issuer.key(header.get("kid"), header["alg"])
        if key is None:
            raise NotAuthenticated("This token is signed with a key that its issuer has not.")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self.issuer.url,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.InvalidAudienceError:
            mine = " or ".join(f"`{each}`" for each in self._audience)
            raise NotAuthenticated(
                f"This token is for another service: its `aud` has no {mine}."
            ) from None
        except jwt.PyJWTError as refused:
            raise _refusal(refused) from None
        _require_bearer(_kind(header), claims)
        return Known(self._caller(claims), _expiry(claims["exp"]), None)

    @staticmethod
    def brought(caller: Caller) -> bool:
        """Whether it was by a token that this caller came in."""
        return caller.identity.startswith(PREFIX)

    def name_of(self, scope: Scope) -> str:
        """What a token has to say for a scope."""
        return next(iter(self._names(scope)), scope)

    def _header(self, token: str) -> Claims:
        """What a token says of itself, if a key can be looked for by it."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise NotAuthenticated(
                "This is neither a key of this service nor a token of its identity provider."
            ) from None
        if header.get("alg") not in self._algorithms:
            raise _refusal(jwt.InvalidAlgorithmError())
        if _kind(header) not in (_ACCESS_TOKEN, _ANY):
            raise NotAuthenticated(
                f"This token is no access token: its type is {header['typ']!r:.50}."
            )
        return header

    def _caller(self, claims: Claims) -> Caller:
        granted = {
            name for claim in self._scope_claims for name in _texts(claims, claim, apart=True)
        }
        mine = [scope for scope in SCOPES if granted & set(self._names(scope))]
        scopes: frozenset[Scope] = up_to(mine[-1]) if mine else frozenset()
        return Caller(f"{PREFIX}{_subject(claims)}", self._project(claims), scopes)

    def _project(self, claims: Claims) -> str:
        if self._project_claim is None:
            return projects.DEFAULT
        named = list(_texts(claims, self._project_claim))
        if len(named) != 1:
            raise NotAuthenticated(
                f"This token names {len(named) or 'no'} projects: its claim"
                f" `{self._project_claim}` must be one."
            )
        try:
            return projects.checked(named[0])
        except ValueError as error:
            raise NotAuthenticated(
                f"The project of this token, {named[0]!r:.100}, {error}."
            ) from None


def _refusal(failure: jwt.PyJWTError) -> NotAuthenticated:
    """In words that say nothing of what else is in the token."""
    for kind, words in _WORDS.items():
        if isinstance(failure, kind):
            return NotAuthenticated(words)
    if isinstance(failure, jwt.MissingRequiredClaimError):
        return NotAuthenticated(f"This token lacks the claim `{failure.claim}`.")
    return NotAuthenticated("This is no token that could be read.")


def _kind(header: Claims) -> str:
    """The media type that a header declares, in its short form."""
    return str(header.get("typ") or _ANY).lower().removeprefix("application/")


def _require_bearer(kind: str, claims: Claims) -> None:
    """Refuse what the provider signed for another use. Raises NotAuthenticated."""
    said = str(claims.get("typ", "")).lower()
    if kind != _ACCESS_TOKEN:
        of_id_token = any(name in claims for name in _DIGESTS) or (
            said != _BEARER and "nonce" in claims
        )
        if of_id_token or said not in ("", _BEARER):
            raise NotAuthenticated(
                "This token is no access token: it says who somebody is, or is for another use."
            )
    if "cnf" in claims:
        raise NotAuthenticated(
            "This token is bound to a key of its holder (`cnf`), which is not asked for here:"
            " have a bearer token issued."
        )


def _subject(claims: Claims) -> str:
    """Whom the provider calls it: a person, or a program, the same for all tokens of theirs."""
    named = claims.get("sub") or claims.get("client_id") or claims.get("azp")
    if not isinstance(named, str):
        raise NotAuthenticated("This token lacks the claim `sub`.")
    if len(named) <= _LONGEST_SUBJECT and named.isprintable():
        return named
    return f"sha256:{hashlib.sha256(named.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _texts(claims: Claims, path: str, *, apart: bool = False) -> Iterator[str]:
    """What a claim says: a list of texts, or one, apart by spaces if so wanted. A claim within
    another is named with dots (`realm_access.roles`).
    """
    found: Any = claims
    for name in [path] if path in claims else path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, str):
        yield from found.split() if apart else [found]
    elif isinstance(found, list):
        yield from (each for each in found if isinstance(each, str))


def _expiry(at_s: float) -> datetime:
    """When a token is refused for its age; past what a date can be, the last one."""
    try:
        return datetime.fromtimestamp(float(at_s) + _LEEWAY_S, UTC)
    except (ValueError, OverflowError, OSError):
        return _LATEST
