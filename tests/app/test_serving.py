"""Who may come in, and where the service listens."""

import gc
import logging
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from app.serving import load
from app.settings import Settings
from tests.support.loopback import free_port
from tests.support.operator import failed, installed, serving, splitplan
from tests.support.servers import Service

A_YEAR = "max-age=31536000"


@pytest.mark.slow
def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        url = f"sqlite:///{tmp_path}/splitplan.db"
        told = failed(
            installed("serve", "--migrate", "--port", str(port), SPLITPLAN_DATABASE_URL=url)
        )
    assert told == f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use"
    assert not (tmp_path / "splitplan.db").exists(), "the database was not touched"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_without_keys_only_loopback(host: str) -> None:
    assert "SPLITPLAN_ALLOW_UNAUTHENTICATED" in failed(splitplan("serve", "--host", host))


@pytest.mark.slow
def test_beyond_loopback_on_request(tmp_path: Path) -> None:
    settings = {
        "SPLITPLAN_DATABASE_URL": f"sqlite:///{tmp_path}/splitplan.db",
        "SPLITPLAN_ALLOW_UNAUTHENTICATED": "true",
        "SPLITPLAN_HOST": "0.0.0.0",
        "SPLITPLAN_WORKERS": "0",
    }
    with serving(tmp_path / "log", "--migrate", **settings) as service:
        address = service.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{address}/livez", trust_env=False).status_code == 200


@pytest.mark.slow
def test_tls_and_a_port_of_the_metrics_by_settings(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "service.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    metrics = free_port()
    settings = {
        "SPLITPLAN_DATABASE_URL": f"sqlite:///{tmp_path}/splitplan.db",
        "SPLITPLAN_WORKERS": "0",
        "SPLITPLAN_TLS_CERT": str(tmp_path / "service.pem"),
        "SPLITPLAN_TLS_KEY": str(tmp_path / "service.pem"),
        "SPLITPLAN_METRICS_PORT": str(metrics),
    }
    assert splitplan("migrate", **settings).returncode == 0
    assert splitplan("keys", "create", "--name", "a test", **settings).returncode == 0
    with serving(tmp_path / "log", **settings) as service:
        assert service.url.startswith("https://")
        with httpx.Client(base_url=service.url, verify=trusting, trust_env=False) as client:
            alive = client.get("/livez")
            assert alive.json() == {"status": "alive"}
            assert alive.headers["strict-transport-security"] == A_YEAR
            assert client.get("/metrics").status_code == 401, "and not without a key"
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{service.url}/livez", trust_env=False)
        # Nobody is asked for a key there; nothing else is there either.
        told = httpx.get(f"http://127.0.0.1:{metrics}/metrics", trust_env=False)
        assert "splitplan_build_info{" in told.text
        assert "splitplan_database_up 1.0" in told.text
        assert (
            "items" not in httpx.get(f"http://127.0.0.1:{metrics}/v1/devices", trust_env=False).text
        )
        # Plain HTTP where TLS is spoken: the connection ends, and the next one is answered.
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{service.url.replace('https', 'http')}/livez", trust_env=False)
        assert httpx.get(f"{service.url}/livez", verify=trusting, trust_env=False).is_success
        service.process.terminate()
        assert service.process.stderr is not None
        said = service.process.stderr.read()
        assert "Traceback" not in said
        assert service.process.wait(30.0) == 0
    assert "BEGIN" not in said + (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_port_of_the_metrics_in_use_is_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/splitplan.db"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = installed(
            *("serve", "--migrate", "--port", "0"),
            SPLITPLAN_DATABASE_URL=url, SPLITPLAN_METRICS_PORT=port, SPLITPLAN_WORKERS="0",
        )  # fmt: skip
    assert told.returncode == 1
    said = told.stderr.splitlines()[-1]
    assert said.startswith(
        f"Error: cannot listen on 127.0.0.1 port {port} (SPLITPLAN_METRICS_PORT)"
    )


@pytest.mark.parametrize(
    ("trusted", "sent", "client", "secure"),
    [
        ((), "203.0.113.9", "127.0.0.1", False),
        (("10.0.0.0/8",), "203.0.113.9", "127.0.0.1", False),
        (("127.0.0.1",), "203.0.113.9", "203.0.113.9", True),
        (("127.0.0.0/8",), "6.6.6.6, 203.0.113.9", "203.0.113.9", True),
        (("127.0.0.1", "203.0.113.0/24"), "6.6.6.6, 203.0.113.9", "6.6.6.6", True),
    ],
)  # fmt: skip
def test_whose_word_counts_of_who_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
    trusted: tuple[str, ...], sent: str, client: str, secure: bool,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "app.telemetry.requests")
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/x.db", trusted_proxies=trusted, access_log=True
    )
    with Service(settings) as service:
        headers = {"X-Forwarded-For": sent, "X-Forwarded-Proto": "https"}
        answer = httpx.get(f"{service.url}/livez", headers=headers, trust_env=False)
    assert answer.is_success
    assert (answer.headers.get("strict-transport-security") == A_YEAR) is secure
    (line,) = [record for record in caplog.records if record.name == "app.telemetry.requests"]
    assert line.client == client  # type: ignore[attr-defined]


def test_what_is_loaded_is_looked_through_for_garbage_no_more() -> None:
    try:
        load()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
