"""Providers that answer wrongly, slowly or not at all: nobody waits long, and nobody can have them
asked again and again. How a real one is asked is in tests/stories/test_identity_provider.py.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest

from app.auth import issuer
from app.auth.issuer import Issuer
from app.errors import IssuerUnavailable
from tests.support.identity import Key

ONE, TWO = Key.made("one"), Key.made("two")


class Stub:
    """Answers as it is told to, and counts how often it was asked for keys."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys: Any = [ONE.jwk()]
        self.described: dict[str, Any] = {}
        self.raw: bytes | None = None
        self.delay_s = 0.0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wanted = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            body = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.described}
            if wanted == "/keys":
                self.asked += 1
                body = {"keys": self.keys}
            await asyncio.sleep(self.delay_s)
            told = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps(body).encode()
            writer.write(told if self.raw is None else self.raw)
            await writer.drain()
        finally:
            writer.close()


def with_stub(test: Callable[[Stub, Issuer], Awaitable[None]]) -> None:
    async def run() -> None:
        stub = Stub()
        async with await asyncio.start_server(stub.answer, "127.0.0.1", 0) as server:
            stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await asyncio.wait_for(test(stub, Issuer(stub.url)), 30.0)

    asyncio.run(run())


async def known(asked: Issuer, key: Key = ONE) -> bool:
    return isinstance(await asked.key(key.name, key.algorithm), jwt.PyJWK)


def test_many_ask_at_once_and_the_provider_is_asked_once() -> None:
    async def test(stub: Stub, asked: Issuer) -> None:
        stub.delay_s = 0.05
        assert all(await asyncio.gather(*(known(asked) for _ in range(50))))
        assert stub.asked == 1
        # Ids that strangers make up; the first may be of a new key.
        strange = [asked.key(f"made up {n}", "ES256") for n in range(50)]
        assert set(await asyncio.gather(*strange)) == {None}
        assert await asked.key("another", "ES256") is None
        assert stub.asked == 2
        asked._not_before = 0.0
        stub.keys = [TWO.jwk(), ONE.jwk()]
        assert await known(asked, TWO)
        assert stub.asked == 3

    with_stub(test)


def test_keys_are_renewed_while_nobody_waits() -> None:
    async def test(stub: Stub, asked: Issuer) -> None:
        assert await known(asked)
        asked._seen_at -= issuer._FRESH_S + 1.0
        stub.keys = [TWO.jwk()]
        assert await known(asked), "what is known goes on meanwhile"
        assert asked._asking is not None
        await asked._asking
        assert not await known(asked), "what was withdrawn does not"
        assert await known(asked, TWO)

    with_stub(test)


def test_without_its_provider_a_service_believes_what_it_knows_for_a_day() -> None:
    async def test(stub: Stub, asked: Issuer) -> None:
        assert await known(asked)
        stub.raw = b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n"
        asked._seen_at -= issuer._FRESH_S + 1.0
        assert await known(asked)
        assert asked._asking is not None
        await asked._asking
        assert await known(asked)
        with pytest.raises(IssuerUnavailable) as away:
            await known(asked, TWO)
        assert away.value.retry_after_s in range(1, 11)
        asked._seen_at -= issuer._BELIEVED_S
        with pytest.raises(IssuerUnavailable):
            await known(asked)
        stub.raw, asked._not_before = None, 0.0
        assert await known(asked)

    with_stub(test)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"raw": b""}, "disconnected"),
        ({"raw": b"SSH-2.0\r\n"}, "disconnected"),
        ({"raw": b"HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n"}, "302"),
        ({"raw": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>"}, "is not JSON"),
        ({"raw": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" * 9999}, "is not JSON"),
        ({"raw": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]"}, "not a JSON object"),
        ({"raw": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 2**20}, "longer than"),
        ({"described": {"issuer": "https://evil.example"}}, "calls itself 'https://evil.example'"),
        ({"described": {"jwks_uri": "http://192.0.2.1/keys"}}, "not at an https://"),
        ({"described": {"jwks_uri": 7}}, "not at an https://"),
        ({"keys": []}, "no key that could have signed"),
        ({"keys": [{"kty": "oct", "k": "eA"}, ONE.jwk() | {"use": "enc"}, 7]}, "no key that"),
        ({"keys": {"one": 1}}, "no key that"),
        ({"delay_s": 60.0}, "no answer in time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_answer(
    fault: dict[str, Any],
    told: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(stub: Stub, asked: Issuer) -> None:
        for name, value in fault.items():
            setattr(stub, name, value)
        with pytest.raises(IssuerUnavailable):
            await known(asked)
        before = stub.asked
        begun = time.monotonic()
        with pytest.raises(IssuerUnavailable):  # at once: it has just been asked
            await known(asked)
        assert stub.asked == before
        assert time.monotonic() - begun < 5.0

    if "delay_s" in fault:
        monkeypatch.setattr(issuer, "_TIMEOUT_S", 0.1)
    caplog.set_level(logging.WARNING)
    with_stub(test)
    (said,) = (each.getMessage() for each in caplog.records if each.name == issuer.__name__)
    assert told in said


def test_keys_of_which_some_are_of_no_use() -> None:
    async def test(stub: Stub, asked: Issuer) -> None:
        # A provider that was given private keys by another library publishes what they may do.
        of_private = ONE.jwk() | {"key_ops": ["sign"]}
        stub.keys = [{"kty": "EC", "kid": "one", "crv": "P-256", "x": "?"}, of_private]
        assert await known(asked)
        assert isinstance(await asked.key(None, "ES256"), jwt.PyJWK) is False, "which of the two?"
        assert await asked.key("one", "ES384") is None
        assert await asked.key("one", "RS256") is None

    with_stub(test)
