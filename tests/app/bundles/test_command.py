"""`splitplan replay` as a program: nothing but the file, in an empty home."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import PLANS, bundle_of
from tests.support.operator import SPLITPLAN


@pytest.mark.slow
def test_it_needs_nothing_but_the_file(client: httpx.Client, backend: str, tmp_path: Path) -> None:
    """No service, no settings, no database, no network, no home."""
    home = tmp_path / "home"
    home.mkdir()
    bundle = bundle_of(client, PLANS["sampled" if backend == "sqlite" else "columns"](client))
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    def replayed(content: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [SPLITPLAN, "replay", "-", *options],
            input=content,
            env=kept | {"HOME": str(home), "SPLITPLAN_DATABASE_URL": "sqlite:////nowhere/x.db"},
            cwd=home,
            capture_output=True,
            timeout=120,
            check=False,
        )

    done = replayed(bundle, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "same"
    assert list(home.iterdir()) == []
    damaged = replayed(bundle.replace(b"camera", b"Camera", 1))
    assert damaged.returncode == 1
    assert b"it was changed since it was written" in damaged.stderr
