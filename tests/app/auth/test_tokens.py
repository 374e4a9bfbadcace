"""Tokens: which are refused and why, and what the others allow to whom."""

import asyncio
import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from app.auth.callers import Caller, up_to
from app.auth.tokens import Tokens
from app.errors import NotAuthenticated
from app.settings import Settings
from tests.support.identity import AUDIENCE, Claims, Key, claims

ISSUER = "https://id.example"
ONE = Key.made("one")
SHARED = {"team": {"name": "shared"}}  # what all see is nobody's
ALIEN = Key.made("one")
OTHER = Key.made("two")


def tokens(*published: Claims, **settings: Any) -> Tokens:
    """Whoever tells tokens apart, knowing these keys and asking nobody."""
    made = Tokens(Settings(oidc_issuer=ISSUER, oidc_audience=(AUDIENCE,), **settings))
    made.issuer._published = list(published) or [ONE.jwk(), OTHER.jwk()]
    made.issuer._seen_at = time.monotonic()
    made.issuer._not_before = float("inf")
    return made


def caller(token: str, *published: Claims, **settings: Any) -> Caller:
    return asyncio.run(tokens(*published, **settings).verify(token)).caller


def refused(token: str, *published: Claims, **settings: Any) -> str:
    with pytest.raises(NotAuthenticated) as no:
        caller(token, *published, **settings)
    return no.value.detail


def good(**others: Any) -> Claims:
    """What a good token says; times are seconds from now."""
    for name in others.keys() & {"exp", "nbf", "iat"}:
        if isinstance(others[name], int):
            others[name] += int(time.time())
    return claims(ISSUER, **others)


def part(value: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_good_token_is_of_its_subject() -> None:
    said = good(exp=600)
    known = asyncio.run(tokens().verify(ONE.signed(said, typ="at+jwt")))
    assert known.caller == Caller("oidc:ada", "default", up_to("read"))
    assert known.expires_at is not None
    assert known.expires_at.timestamp() == said["exp"] + 30
    assert caller(OTHER.signed(good(), typ="application/at+jwt")).identity == "oidc:ada"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"exp": -60}, "has expired"),
        ({"exp": None}, "lacks the claim `exp`"),
        ({"nbf": 90}, "not valid yet"),
        ({"iat": 90}, "not valid yet"),
        ({"aud": "https://other.example"}, "its `aud` has no `https://plan.example.org`"),
        ({"aud": [f"{AUDIENCE}/", AUDIENCE.upper()]}, "for another service"),
        ({"aud": {AUDIENCE: 1}}, "for another service"),
        ({"aud": None}, "lacks the claim `aud`"),
        ({"iss": f"{ISSUER}/"}, "another issuer"),
        ({"iss": None}, "lacks the claim `iss`"),
        ({"sub": None}, "lacks the claim `sub`"),
        ({"exp": "soon"}, "could be read"),
        ({"at_hash": "x"}, "no access token"),
        ({"nonce": "x"}, "no access token"),
        ({"typ": "ID"}, "no access token"),
        ({"typ": "Refresh"}, "no access token"),
        ({"cnf": {"jkt": "x"}}, "bound to a key of its holder"),
    ],
    ids=str,
)
def test_what_a_token_says_wrongly(changed: Claims, told: str) -> None:
    assert told in refused(ONE.signed(good(**changed)))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": -20},
        {"nbf": 20},
        {"iat": 20},
        {"exp": 1e300},
        {"aud": ["https://other.example", AUDIENCE]},
        {"typ": "Bearer", "nonce": "x"},
    ],
    ids=str,
)
def test_what_is_borne_with(changed: Claims) -> None:
    """Clocks that differ by less than half a minute, and what providers are used to say."""
    assert caller(ONE.signed(good(**changed))).key_id == "oidc:ada"


def test_signatures_are_those_of_the_issuer() -> None:
    head, body, signature = ONE.signed(good()).split(".")
    assert "signature" in refused(".".join([head, part(good(scope="splitplan:admin")), signature]))
    assert "signature" in refused(ALIEN.signed(good()))
    assert "a key that its issuer has not" in refused(ONE.signed(good(), kid="three"))
    assert "a key that its issuer has not" in refused(jwt.encode(good(), ONE.private, "ES256"))
    assert caller(jwt.encode(good(), ONE.private, "ES256"), ONE.jwk()).key_id == "oidc:ada"
    for torn in ("", "x", f"{head}.{body}", f"{head}.{body}.", f"{head}..{signature}", "." * 9):
        assert refused(torn)


def test_algorithms_are_not_the_token_s_to_choose() -> None:
    rsa = Key.made("rsa", "RS256")
    unsigned = f"{part({'alg': 'none', 'kid': 'one'})}.{part(good())}."
    assert "not accepted" in refused(unsigned)
    assert "not accepted" in refused(f"{part({'alg': ['ES256']})}.{part(good())}.eA")
    # The public key is no secret that a signature could be made of.
    for secret in (json.dumps(rsa.jwk()), json.dumps(rsa.jwk(), separators=(",", ":"))):
        signed = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(good())}"
        made = base64.urlsafe_b64encode(hmac.digest(secret.encode(), signed.encode(), "sha256"))
        forged = f"{signed}.{made.decode().rstrip('=')}"
        assert "not accepted" in refused(forged, rsa.jwk())
        octets = {"kty": "oct", "k": made.decode(), "kid": "rsa"}
        assert "not accepted" in refused(forged, octets)
    strong = jwt.encode(good(), rsa.private, "PS256", headers={"kid": "rsa"})
    assert "has not" in refused(strong, rsa.jwk())
    undecided = {name: value for name, value in rsa.jwk().items() if name != "alg"}
    assert caller(strong, undecided).key_id == "oidc:ada"
    assert "not accepted" in refused(strong, undecided, oidc_algorithms="RS256,ES256")


def test_what_is_no_access_token_by_its_type() -> None:
    for kind in ("logout+jwt", "dpop+jwt", "secevent+jwt", "id_token"):
        assert "no access token" in refused(ONE.signed(good(), typ=kind))
    assert "neither a key" in refused(ONE.signed(good(), crit=["exp"]))


@pytest.mark.parametrize(
    ("said", "settings", "scope"),
    [
        ({"scope": "splitplan:read splitplan:admin"}, {}, "admin"),
        ({"scope": None, "scp": ["splitplan:plan", 7]}, {}, "plan"),
        ({"scope": "splitplan:plans plan"}, {}, None),
        ({"scope": 7}, {}, None),
        ({"scope": None}, {}, None),
        (
            {"scope": "splitplan:admin", "realm_access": {"roles": ["planner"]}},
            {"oidc_scope_claim": "realm_access.roles", "oidc_plan": "planner,chief"},
            "plan",
        ),
        (
            {"https://x.example/roles": ["chief"]},
            {"oidc_scope_claim": "https://x.example/roles", "oidc_admin": "chief"},
            "admin",
        ),
    ],
)
def test_what_a_token_allows(said: Claims, settings: dict[str, Any], scope: Any) -> None:
    allowed = caller(ONE.signed(good(**said)), **settings).scopes
    assert allowed == (up_to(scope) if scope else frozenset())


def test_a_token_s_project() -> None:
    def project(**said: Any) -> str:
        return caller(ONE.signed(good(**said)), oidc_project_claim="team.name").project

    assert project(team={"name": "hall"}) == "hall"
    assert project(**{"team.name": ["hall"]}) == "hall"
    assert caller(ONE.signed(good(team="hall"))).project == "default"
    for wrong in (
        {},
        {"team": "hall"},
        {"team": {"name": ["a", "b"]}},
        {"team": {"name": "A b"}},
        SHARED,
    ):
        with pytest.raises(NotAuthenticated, match="project"):
            project(**wrong)


def test_a_caller_has_one_name() -> None:
    assert caller(ONE.signed(good(sub=None, client_id="robot"))).identity == "oidc:robot"
    for long in ("x" * 500, "a\nb"):
        name = caller(ONE.signed(good(sub=long))).identity
        assert name.startswith("oidc:sha256:")
        assert len(name) == len("oidc:sha256:") + 64
