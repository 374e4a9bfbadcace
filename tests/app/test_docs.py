"""The documentation page, as a browser without internet shows it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.servers import Service

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def test_the_root_leads_to_the_documentation(client: httpx.Client) -> None:
    moved = client.get("/")
    assert moved.status_code == 307
    assert client.get(moved.headers["location"]).status_code == 200


def test_every_file_of_the_page_is_served_here(client: httpx.Client) -> None:
    page = client.get("/docs").text
    links = re.findall(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)""", page)
    assert {Path(link).suffix for link in links} >= {".js", ".css", ".json", ".png"}
    for link in links:
        assert link.startswith("/"), link
        assert client.get(link).status_code == 200, link
    # The stylesheet brings nothing from elsewhere either.
    for link in links:
        if link.endswith(".css"):
            imported = re.findall(r"url\(\s*['\"]?([^'\")]+)", client.get(link).text)
            assert [url for url in imported if not url.startswith(("data:", "#"))] == []
    assert "validatorUrl" in page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: install Debian's chromium package")
def test_a_browser_renders_every_operation(service: Service, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    log = tmp_path / "net.json"
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        # no internet, for the browser itself too
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--log-net-log={log}",
        "--virtual-time-budget=30000",
        "--dump-dom",
        f"{service.url}/docs",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    paths = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()["paths"]
    operations = {
        operation["operationId"] for path in paths.values() for operation in path.values()
    }
    rendered = set(re.findall(r'id="operations-[^"]*?-([a-z0-9_]+)"', shown))
    assert operations <= rendered, operations - rendered
    loaded = set(re.findall(r"""(?:src|href)=["']([^"'#]+)""", shown))
    assert all(link.startswith(("/", service.url, "data:", ".")) for link in loaded), loaded
    # The browser calls home on its own account; what the page asked for has the page as its
    # initiator.
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = {
        event["url"] for event in events if event.get("initiator") == service.url and "url" in event
    }
    assert f"{service.url}/openapi.json" in asked
    assert {url for url in asked if not url.startswith((f"{service.url}/", "data:"))} == set()
