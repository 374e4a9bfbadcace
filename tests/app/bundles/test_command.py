"""`splitplan replay` as a program: nothing but the file, in an empty home."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import PLANS, bundle_of
from tests.support.operator import SPLITPLAN

# The file is the same whatever stores the plans.
pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
]


@pytest.mark.slow
def test_it_needs_nothing_but_the_file(client: httpx.Client, tmp_path: Path) -> None:
    """No service, no settings, no database, no network, no home."""
    home = tmp_path / "home"
    home.mkdir()
    bundle = bundle_of(client, PLANS["sampled"](client))
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    done = subprocess.run(
        [SPLITPLAN, "replay", "-", "--json"],
        input=bundle,
        env=kept | {"HOME": str(home), "SPLITPLAN_DATABASE_URL": "sqlite:////nowhere/x.db"},
        cwd=home,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "same"
    assert list(home.iterdir()) == []
