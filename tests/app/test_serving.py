"""Who may come in, and where the service listens."""

import socket
from pathlib import Path

import httpx
import pytest

from tests.support.operator import failed, installed, serving, splitplan


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
