"""Clients that generators make of the document carry out what a controller does, in a process of
their own, against a real service with a real worker; linters find no error in it.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.builders import Body
from tests.support.multiuser import requests as multiuser
from tests.support.robust import requests as robust
from tests.support.stopping import requests as stopping
from tests.support.tools import CACHE, Tools, fetched_or_skipped

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
DOCUMENT = CHECKOUT / "openapi" / "openapi.json"
REQUESTS: dict[str, Body] = {
    "robust": robust.a_cell(*(robust.a_user(id=f"camera-{n}") for n in range(3))),
    "stopping": stopping.a_fleet(stopping.a_robot(id="robot-1"), stopping.a_robot(id="robot-2")),
    "multi-user": multiuser.a_mixed_cell(),
    "adaptive": multiuser.a_fleet(),
}
# Generators of TypeScript: what each makes, and the scenario that uses it.
TYPESCRIPT = ("fetch", "hey", "orval")

# In one process, or each would make the clients anew.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("sqlite"),
    pytest.mark.timeout(900),  # the first one installs the tools
]
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def tools() -> Tools:
    return fetched_or_skipped()


@pytest.fixture(scope="module")
def made(tools: Tools) -> Iterator[Path]:
    """The clients that the generators make, with the scenarios beside them."""
    folder = tools.folder / f"made-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "clients", folder / "clients", ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("tsconfig.json", "orval.config.cjs", "redocly.yaml", "spectral.yaml"):
        shutil.copy(HERE / name, folder)
    shutil.copy(DOCUMENT, folder)
    shutil.copy(HERE / "python.yaml", folder)
    document = DOCUMENT.name
    typescript = ("--output", "typescript/api.ts")
    tools.script("openapi-typescript/bin/cli.js", document, *typescript, inside=folder)
    hey = ("-i", document, "-o", "hey", "-c", "@hey-api/client-fetch")
    tools.script("@hey-api/openapi-ts/bin/run.js", *hey, inside=folder)
    tools.script("orval/dist/bin/orval.mjs", "--config", "orval.config.cjs", inside=folder)
    generate = ["-m", "openapi_python_client", "generate", "--path", document]
    generate += ["--meta", "none", "--output-path", "splitplan_api", "--config", "python.yaml"]
    tools.run([tools.python, *generate], folder)
    yield folder
    shutil.rmtree(folder)


def test_linters_find_no_error(tools: Tools, made: Path) -> None:
    redocly = ("lint", "--config", "redocly.yaml", "--format", "json", DOCUMENT.name)
    said = json.loads(tools.script("@redocly/cli/bin/cli.js", *redocly, inside=made))
    assert said["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, said["problems"]
    spectral = ("lint", "--ruleset", "spectral.yaml", "--format", "json", "--quiet", DOCUMENT.name)
    found = tools.script("@stoplight/spectral-cli/dist/index.js", *spectral, inside=made)
    assert json.loads(found) == []


def test_what_is_made_compiles(tools: Tools, made: Path) -> None:
    """Strictly, with scenarios that use its types."""
    tools.script("typescript/bin/tsc", "--project", ".", inside=made)
    strictly = [tools.python, "-W", "error", "-m", "compileall", "-q", "-f", "splitplan_api"]
    tools.run(strictly, made)


def test_no_operation_is_left_out(made: Path) -> None:
    document = json.loads(DOCUMENT.read_text())
    operations = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    python = {path.stem for path in made.glob("splitplan_api/api/*/*.py")} - {"__init__"}
    assert operations - python == set()
    for source in ("typescript/api.ts", "hey/sdk.gen.ts", "orval/api.ts"):
        text = (made / source).read_text().replace("_", "").lower()
        assert [name for name in operations if name.replace("_", "") not in text] == [], source


@pytest.fixture
def asked(client: httpx.Client, worker: str) -> str:
    """What a scenario is told: where the service is, and what to plan."""
    assert worker
    robust.store_profiles(client)
    return json.dumps({"url": str(client.base_url).rstrip("/"), "requests": REQUESTS})


def agrees(done: dict[str, Any], client: httpx.Client) -> None:
    """What a generated client read is what the service says."""
    assert done.keys() == REQUESTS.keys()
    for kind, told in done.items():
        users = [user["id"] for user in REQUESTS[kind]["users"]]
        planned, replayed, pending = (told[name] for name in ("planned", "replayed", "pending"))
        assert [planned["httpStatus"], replayed["httpStatus"], pending["httpStatus"]] == [
            201,
            200,
            202,
        ]
        assert replayed == planned | {"httpStatus": 200}
        assert pending["id"] != planned["id"]
        assert pending["users"] is None
        assert told["followed"] == planned | {"id": pending["id"], "httpStatus": 200}
        assert {told[name]["kind"] for name in ("planned", "pending", "followed")} == {kind}
        document = client.get(f"/v1/plans/{planned['id']}").json()
        said = document["result"]["users"]
        assert [user["id"] for user in said] == users
        decisions = [
            {"id": user["id"], "decides": user.get("cut_name") or len(user["table"]["rows"])}
            for user in said
        ]
        assert planned["users"] == decisions == told["users"]


@on_sqlite
@pytest.mark.parametrize("generator", TYPESCRIPT)
def test_typescript_carries_out(
    tools: Tools, made: Path, asked: str, client: httpx.Client, generator: str
) -> None:
    bundle = ("--bundle", "--format=esm", "--platform=node", f"--outfile={generator}.mjs")
    tools.run(
        [tools.folder / "node_modules/.bin/esbuild", f"clients/{generator}.ts", *bundle], made
    )
    agrees(json.loads(tools.run([tools.node, f"{generator}.mjs"], made, ASKED=asked)), client)


@on_sqlite
def test_python_carries_out(tools: Tools, made: Path, asked: str, client: httpx.Client) -> None:
    said = tools.run(
        [tools.python, "clients/generated_python.py"], made, ASKED=asked, PYTHONPATH=str(made)
    )
    agrees(json.loads(said), client)


def test_the_tools_are_kept_where_nothing_is_committed() -> None:
    assert CACHE.relative_to(CHECKOUT).parts[0] == ".pytest_cache"
    assert ".pytest_cache" in (CHECKOUT / ".gitignore").read_text()
