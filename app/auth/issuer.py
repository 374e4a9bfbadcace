"""The identity provider, as far as a service needs it: the keys that it publishes, as they were
last seen.
"""

import asyncio
import json
import logging
import math
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
from prometheus_client import CollectorRegistry, Gauge

from app.errors import IssuerUnavailable, in_one_line
from app.oidc import DISCOVERY, is_confidential

log = logging.getLogger(__name__)

# Both documents together; a provider that needs longer is as good as away.
_TIMEOUT_S = 5.0
# Of a document: those of large providers have some ten kilobytes.
_LARGEST_BYTE = 512 * 2**10
# Keys are looked at again after so long, while those that are known go on.
_FRESH_S = 300.0
# Without the provider its keys are believed for so long: it may have withdrawn one meanwhile.
_BELIEVED_S = 24 * 3600.0
# Between two questions that a stranger can cause, and after one that failed.
_ASK_AGAIN_S = 10.0
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""By how the name of an algorithm begins."""

Jwk = Mapping[str, Any]


class _Unusable(Exception):
    """The provider answered, and not with what is needed."""


class Issuer:
    """One provider and its keys, for the web's event loop: whoever waits for it waits without a
    thread, all for the same question, and no longer than `_TIMEOUT_S`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._published: list[Jwk] = []
        self._ready: dict[tuple[str | None, str], jwt.PyJWK | None] = {}
        self._seen_at = -math.inf
        self._failed = False
        self._not_before = -math.inf
        self._asking: asyncio.Task[None] | None = None
        self._context: ssl.SSLContext | None = None

    def begin(self) -> None:
        """Ask for the keys, waiting for nobody."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    def measure(self, registry: CollectorRegistry) -> None:
        """Have it told whether the provider answers, and of when what is known of it is."""
        up = Gauge(
            "splitplan_issuer_up",
            "Whether the identity provider answered when it was last asked.",
            registry=registry,
        )
        up.set_function(lambda: float(bool(self._published) and not self._failed))
        age = Gauge(
            "splitplan_issuer_keys_age_seconds",
            "Since when its keys are known as they are [s]; infinite: they never were.",
            registry=registry,
        )
        age.set_function(lambda: time.monotonic() - self._seen_at)

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()

    async def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of this id that may have signed by this algorithm; None if there is none.

        Raises IssuerUnavailable where the provider would have to be asked, and does not answer.
        """
        seen_at = self._seen_at
        age_s = time.monotonic() - seen_at
        if age_s > _BELIEVED_S:
            self._published, self._ready = [], {}
            await self._asked()
        elif age_s > _FRESH_S and self._may_ask():
            self.begin()
        found = self._find(key_id, algorithm)
        if found is None and self._seen_at == seen_at and self._may_ask():
            # Perhaps a new one. But a stranger can make up as many ids as they like.
            await self._asked()
            self._not_before = time.monotonic() + _ASK_AGAIN_S
            found = self._find(key_id, algorithm)
        if found is None and self._failed:
            raise IssuerUnavailable(
                "The identity provider does not answer, and without it nobody knows the key of"
                " this token. API keys go on working.",
                retry_after_s=max(1, math.ceil(self._not_before - time.monotonic())),
            )
        return found

    def _may_ask(self) -> bool:
        return time.monotonic() >= self._not_before

    async def _asked(self) -> None:
        """Wait for the answer to the question at hand, or to a new one where one may be asked."""
        if self._may_ask():
            self.begin()
        if self._asking is not None and not self._asking.done():
            await asyncio.shield(self._asking)

    def _find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        wanted = (key_id, algorithm)
        if wanted not in self._ready:
            found = self._look(key_id, algorithm)
            if found is None:  # not kept: there is no end of ids
                return None
            self._ready[wanted] = found
        return self._ready[wanted]

    def _look(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [each for each in self._published if _may_sign(each, algorithm)]
        if key_id is not None:
            fitting = [each for each in fitting if each.get("kid") == key_id]
        elif len(fitting) > 1:  # a token that does not say which is not tried with all
            return None
        for each in fitting:
            try:
                return jwt.PyJWK(dict(each), algorithm)
            except jwt.PyJWTError:  # of another curve, or no key at all
                continue
        return None

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                published = await self._fetch()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, _Unusable) as failure:
            why = "no answer in time" if isinstance(failure, TimeoutError) else in_one_line(failure)
            log.warning("the identity provider %s: %s", self.url, why)
            self._failed = True
            self._not_before = time.monotonic() + _ASK_AGAIN_S
            return
        if self._failed or not self._published:
            log.info("tokens of %s are accepted; keys: %d", self.url, len(published))
        self._failed = False
        self._seen_at = time.monotonic()
        if published != self._published:
            self._published, self._ready = published, {}

    async def _fetch(self) -> list[Jwk]:
        """The keys, found as OpenID Connect Discovery says."""
        if self._context is None:  # certificates are read for some 50 ms
            self._context = await asyncio.to_thread(httpx.create_ssl_context)
        async with httpx.AsyncClient(
            verify=self._context,
            timeout=_TIMEOUT_S,
            trust_env=self.url.startswith("https:"),  # no proxy stands before this machine itself
        ) as client:
            described = await _document(client, self.url.rstrip("/") + DISCOVERY)
            if described.get("issuer") != self.url:
                raise _Unusable(f"it calls itself {described.get('issuer')!r:.200}")
            where = described.get("jwks_uri")
            if not isinstance(where, str) or not is_confidential(where):
                raise _Unusable(f"its keys are said to be at {where!r:.200}, not at an https://")
            keys = (await _document(client, where)).get("keys")
        usable = [each for each in keys if _is_public(each)] if isinstance(keys, list) else []
        if not usable:
            raise _Unusable(f"{where} has no key that could have signed a token")
        return usable


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """A JSON object of the provider, in no more bytes than allowed."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = bytearray()
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != httpx.codes.OK:
            raise _Unusable(f"{url} answered {answer.status_code}")
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > _LARGEST_BYTE:
                raise _Unusable(f"{url} is longer than {_LARGEST_BYTE} bytes")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise _Unusable(f"{url} is not JSON") from None
    if not isinstance(told, dict):
        raise _Unusable(f"{url} is not a JSON object")
    return told


def _is_public(key: Any) -> bool:
    """Whether it is half of a pair that signs (RFC 7517)."""
    if not isinstance(key, dict) or key.get("kty") not in _KEY_TYPES.values():
        return False
    # Of a private key that is published without its private part, providers leave `sign`.
    may = key.get("key_ops", ["verify"])
    signs = isinstance(may, list) and ("verify" in may or "sign" in may)
    return key.get("use", "sig") == "sig" and signs


def _may_sign(key: Jwk, algorithm: str) -> bool:
    kind = _KEY_TYPES.get(algorithm[:2])
    return key.get("kty") == kind and key.get("alg", algorithm) == algorithm
