"""The OpenAPI document and its page, and the service held against them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support import seeds
from tests.support.browser import CHROMIUM, Browser
from tests.support.builders import a_channel, a_device, a_model, a_server, a_timing
from tests.support.document import DOCUMENT
from tests.support.robust.requests import ROBUST, a_cell
from tests.support.servers import Service


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


def test_every_reference_resolves() -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(value) for value in node.values()))
        return (
            set().union(*(references(value) for value in node)) if isinstance(node, list) else set()
        )

    components = DOCUMENT["components"]
    names = {f"#/components/{kind}/{name}" for kind in components for name in components[kind]}
    assert references(DOCUMENT) <= names


PROFILES = r"^/v1/(devices|models|channels|servers|timings)"
# Nothing that they ask for can be wrong. /readyz is 503 here, where no worker runs.
AROUND = r"^/(v1/(catalogue|problem-types)|livez)"


@pytest.mark.slow
@pytest.mark.either
@pytest.mark.parametrize(
    ("mode", "paths"),
    [(GenerationMode.POSITIVE, f"{PROFILES}|{AROUND}"), (GenerationMode.NEGATIVE, PROFILES)],
)
def test_the_service_keeps_to_its_document(
    service: Service, mode: GenerationMode, paths: str
) -> None:
    """No 500, no answer the document does not know, nothing accepted that it forbids."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json", timeout=60.0).include(
        path_regex=paths
    )
    tested = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        tested += 1

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=12 if seeds.SOAKING else 3,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: Any) -> None:
            answer = case.call()
            if answer.status_code != 431:  # a head so long is refused before anybody reads it
                case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        hold()
    assert tested >= 30


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
    paths = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()["paths"]
    operations = {
        operation["operationId"] for path in paths.values() for operation in path.values()
    }
    with Browser(tmp_path) as browser:
        browser.open(f"{service.url}/docs")
        browser.until(f"document.querySelectorAll('.opblock').length >= {len(operations)}")
        shown = browser.evaluate("document.documentElement.outerHTML")
        asked = browser.asked()
    rendered = set(re.findall(r'id="operations-[^"]*?-([a-z0-9_]+)"', shown))
    assert operations <= rendered, operations - rendered
    loaded = set(re.findall(r"""(?:src|href)=["']([^"'#]+)""", shown))
    assert all(link.startswith(("/", service.url, "data:", ".")) for link in loaded), loaded
    assert f"{service.url}/openapi.json" in asked
    assert {url for url in asked if not url.startswith((f"{service.url}/", "data:"))} == set()


WORST = ("a\0b", "\ud7ff", str(2**63))
HOSTILE = (
    "\0", "%00", "'; --", "..", "ä\u202e\U0001f600", "x" * 5_000, " ", "-1", "0",
    str(2**31), str(2**63 - 1), "9" * 400, "1e400", "NaN", "true", "null", "[]", "{}",
)  # fmt: skip


@pytest.fixture
def known(client: httpx.Client) -> dict[str, str]:
    """A value of each path parameter that names something."""
    profiles = {
        "devices": a_device(), "models": a_model(), "channels": a_channel(), "servers": a_server(),
        "timings": a_timing(),
    }  # fmt: skip
    for collection, body in profiles.items():
        made = client.post(
            f"/v1/{collection}", json=body | {"name": "thing"} | NAMED.get(collection, {})
        )
        assert made.status_code == 201, made.text
    plan_id = client.post(ROBUST, json=a_cell()).json()["id"]
    assert client.post(f"/v1/plans/{plan_id}/validations", json={"trials": 10}).is_success
    return {
        "name": "thing", "plan_id": plan_id, "user_id": "camera", "number": "1", "revision": "1",
        "slug": "plan-not-found", "event_id": "1", "figure": "latency", "other_id": plan_id,
        "experiment_id": "0",
    }  # fmt: skip


NAMED: dict[str, dict[str, Any]] = {"timings": {"processor": "thing", "model": "thing"}}


def asked(
    path: str, operation: dict[str, Any], known: dict[str, str], values: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """Addresses and queries in which one parameter is hostile and the others name something."""
    steps = re.findall(r"\{(\w+)\}", path)
    told = operation.get("parameters", ())
    for value in values:
        for step in steps:
            named = {name: quote(known[name]) for name in steps} | {step: quote(value, safe="")}
            yield path.format_map(named), {}
        for field in (one["name"] for one in told if one["in"] == "query"):
            yield path.format_map(known), {field: value}


@pytest.mark.slow
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.soak)])
def test_no_address_makes_the_service_fail(
    client: httpx.Client, known: dict[str, str], every: int
) -> None:
    """Whatever stands in a path or a query is answered or refused, on both databases: the worst
    everywhere, the others by turns and in `make soak` everywhere.
    """
    count = 0
    for turn, (method, path, operation) in enumerate(operations()):
        values = WORST + HOSTILE[turn % every :: every]
        if path.endswith("/events") or method == "delete":
            continue  # events end with their plan only, and what is deleted names nothing any more
        for address, query in asked(path, operation, known, values):
            answer = client.request(method, address, params=query, content=b"{}")
            assert answer.status_code < 500, (method, address[:80], query, answer.text)
            count += 1
    assert count > 1_500 / every


# Each of them was once loaded by every web and used by few: 40, 35, 15 MB and less.
_FOR_FEW = (
    "scipy pyarrow alembic httpx onnx cvxpy psycopg rich jwt cryptography opentelemetry.sdk"
    # Of the science only what a request asks for: most services have plans of one family.
    " solvers.registry solvers.multiuser solvers.stopping solvers.robust.solve"
    " solvers.robust.check solvers.robust.replay app.validations.replaying"
)


_AS_ASKED = """
import json, sys, app.command, app.serving
from app.settings import Settings
app.serving.load()
web = app.main.create_app(Settings.model_construct(database_url="sqlite:///never-opened.db"))
known = []
for path in ("", "/readyz", "/v1/plans/robust", "/v1/plans/x/bundle", "/v1/nothing"):
    web.state.features.load(web.state.features.left_for(path, ""))
    known.append([name for name in sys.modules if name.endswith("routes") or name in sys.argv])
print(json.dumps(known))
"""


@pytest.mark.slow
def test_a_web_loads_what_it_is_asked_for() -> None:
    found = subprocess.run(
        [sys.executable, "-c", _AS_ASKED, "numpy", *_FOR_FEW.split()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    at_start, health, plans, bundle, nothing = (set(names) for names in json.loads(found.stdout))
    assert at_start == health == set()
    assert plans == {"app.plans.routes", "app.plans.current_routes", "numpy"}
    assert bundle == {*plans, "app.bundles.routes"}
    assert nothing == bundle
