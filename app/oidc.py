"""Whose tokens the service accepts beside its own keys, as the environment says it."""

import ipaddress
from typing import Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator
from pydantic_settings import BaseSettings

from app.environment import Listed

# Whoever can check a signature of these cannot make one: never HS256 and the like, never `none`.
ASYMMETRIC = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)

DISCOVERY = "/.well-known/openid-configuration"
"""Below an issuer's address (OpenID Connect Discovery 1.0, 4)."""


class OidcSettings(BaseSettings):
    """An OpenID Connect provider and what its tokens mean here."""

    oidc_issuer: str | None = None
    """Accept tokens of this identity provider: what their `iss` is, https://…."""
    oidc_audience: Listed = ()
    """What the `aud` of tokens for this service is, with commas where there are several."""
    oidc_algorithms: Listed = ASYMMETRIC
    """What tokens may be signed by, with commas."""
    oidc_scope_claim: Listed = ("scope", "scp")
    """Claims that say what a token allows: texts apart by spaces, or lists; with commas."""
    oidc_read: Listed = ("splitplan:read",)
    """What these claims must have for the scope `read`; one of several, with commas."""
    oidc_plan: Listed = ("splitplan:plan",)
    """What they must have for the scope `plan`, which includes `read`."""
    oidc_admin: Listed = ("splitplan:admin",)
    """What they must have for the scope `admin`, which includes both."""
    oidc_project_claim: str | None = None
    """The claim that names a token's project; by default all are of the project `default`."""

    def oidc_names(self, scope: str) -> tuple[str, ...]:
        """What the claims of a token may have for a scope, one of these."""
        named = {"read": self.oidc_read, "plan": self.oidc_plan, "admin": self.oidc_admin}
        return named[scope]

    @field_validator("oidc_issuer")
    @classmethod
    def _an_issuer(cls, url: str | None) -> str | None:
        if url is not None and not (is_confidential(url) and url.partition("?")[0] == url):
            raise ValueError(
                "must be the https:// address that the provider calls itself, without query"
                " (http:// only on this machine)"
            )
        return url

    @field_validator("oidc_algorithms")
    @classmethod
    def _all_asymmetric(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names or ("",):
            if name not in ASYMMETRIC:
                raise ValueError(f"{name!r} is not one of {', '.join(ASYMMETRIC)}")
        return names

    @model_validator(mode="after")
    def _issuer_with_audience(self) -> Self:
        if (self.oidc_issuer is None) != (not self.oidc_audience):
            raise ValueError(
                "SPLITPLAN_OIDC_ISSUER and SPLITPLAN_OIDC_AUDIENCE: set both or neither; without"
                " an audience whatever the provider issues for other services would count here"
            )
        return self


def is_confidential(url: str) -> bool:
    """Whether nobody between here and there can read or change what is sent: https, or this
    machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
