"""The OpenAPI document and its page, and the service held against them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.main import create_app
from app.settings import Settings
from tests.support.servers import Service

DOCUMENT: dict[str, Any] = create_app(
    Settings.model_construct(database_url="sqlite:///never-opened.db")
).openapi()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")


@pytest.mark.parametrize(
    ("method", "path", "operation"), operations(), ids=lambda value: str(value)[:50]
)
def test_every_operation_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert operation["operationId"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves() -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(value) for value in node.values()))
        return (
            set().union(*(references(value) for value in node)) if isinstance(node, list) else set()
        )

    names = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references(DOCUMENT) <= names


PROFILES = r"^/v1/(devices|models|channels|servers|timings)"
# Nothing that they ask for can be wrong. /readyz is 503 here, where no worker runs.
AROUND = r"^/(v1/(catalogue|problem-types)|livez)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "paths"),
    [(GenerationMode.POSITIVE, f"{PROFILES}|{AROUND}"), (GenerationMode.NEGATIVE, PROFILES)],
)
def test_the_service_keeps_to_its_document(
    service: Service, mode: GenerationMode, paths: str
) -> None:
    """No 500, no answer the document does not know, nothing accepted that it forbids."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json").include(path_regex=paths)
    tested = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        tested += 1

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: Any) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        hold()
    assert tested >= 30


CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def test_the_root_leads_to_the_documentation(client: httpx.Client) -> None:
    moved = client.get("/")
    assert moved.status_code == 307
    assert client.get(moved.headers["location"]).status_code == 200


@pytest.mark.slow
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
