"""An identity provider for tests: `oidc-provider`, certified by the OpenID Foundation, in a process
of its own; and the keys that it is given, by which a test can sign what the provider never would.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.tools import Tools

AUDIENCE = "https://plan.example.org"
_BACK = "http://127.0.0.1:9/back"

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A pair of keys; `name` is its `kid`."""

    name: str
    algorithm: str
    private: Any

    @classmethod
    def made(cls, name: str, algorithm: str = "ES256") -> "Key":
        if algorithm.startswith("ES"):
            return cls(name, algorithm, ec.generate_private_key(ec.SECP256R1()))
        return cls(name, algorithm, rsa.generate_private_key(65537, 2048))

    def jwk(self, key: Any = None) -> Claims:
        """The public half as it is published; or another key, as this one."""
        key = key or self.private.public_key()
        kind = ECAlgorithm if self.algorithm.startswith("ES") else RSAAlgorithm
        return kind.to_jwk(key, as_dict=True) | {
            "kid": self.name,
            "alg": self.algorithm,
            "use": "sig",
        }

    def signed(self, claims: Claims, **header: Any) -> str:
        """A token of any content."""
        return jwt.encode(
            claims, self.private, self.algorithm, headers={"kid": self.name, **header}
        )


def claims(issuer: str, **others: Any) -> Claims:
    """What a good token says; None leaves out a claim."""
    now = int(time.time())
    said = {"iss": issuer, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600}
    said |= {"scope": "openid splitplan:read", **others}
    return {name: value for name, value in said.items() if value is not None}


class Provider:
    """A provider that listens at `url` and, once it has keys, issues tokens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url: str = self._said()["issuer"]

    def publish(self, *keys: Key) -> None:
        """Sign with the first of these keys from now on, and publish them all."""
        self.order("keys", keys=[key.jwk(key.private) for key in keys])

    def order(self, what: str, **more: Any) -> None:
        """Have it be silent, down or up, or have other keys."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._process.stdin.flush()
        assert self._said() == {"done": what}

    def _said(self) -> Claims:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # among what the provider says to its operator
                return dict(json.loads(line))
        raise AssertionError("the provider has ended")

    def token(self, program: str, scope: str = "splitplan:plan") -> str:
        """What a program is given for its secret."""
        asked = {"grant_type": "client_credentials", "scope": scope, "resource": AUDIENCE}
        return str(self._issued(program, asked)["access_token"])

    def tokens_of_person(self, name: str) -> Claims:
        """What a page is given for somebody who has just logged in with a browser."""
        with httpx.Client(base_url=self.url, trust_env=False, verify=False) as browser:
            page = browser.get(
                "/auth",
                params={
                    "client_id": "console",
                    "response_type": "code",
                    "scope": "openid splitplan:read",
                    "redirect_uri": _BACK,
                    "resource": AUDIENCE,
                },
            )
            while not (where := page.headers.get("location", "")).startswith(_BACK):
                if where:
                    page = browser.get(where)
                    continue
                prompt = re.search(r'name="prompt" value="(\w+)"', page.text)
                assert prompt, page.text
                filled = {"prompt": prompt[1], "login": name, "password": "of a test"}
                page = browser.post(page.url, data=filled)
        code = httpx.URL(where).params["code"]
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": _BACK}
        return self._issued("console", asked | {"resource": AUDIENCE})

    def _issued(self, program: str, asked: dict[str, str]) -> Claims:
        answer = httpx.post(
            f"{self.url}/token",
            auth=(program, f"secret of {program}"),
            data=asked,
            trust_env=False,
            verify=False,
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def provider(tools: Tools) -> Iterator[Provider]:
    """A provider without keys, until it is given some."""
    script = Path(__file__).with_name("provider.mjs")
    library = tools.folder / "node_modules" / "oidc-provider" / "lib" / "index.js"
    with subprocess.Popen(
        [tools.node, script, library],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Provider(process)
        finally:
            process.kill()
