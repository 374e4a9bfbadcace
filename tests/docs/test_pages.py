"""What pages tell readers to type works as shown: every command and request is run, in the order
of its page, against a real service, and the answers are those that are printed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest

from app.catalogue import service as catalogue
from tests.docs.excerpts import CHECKOUT, Block, blocks, indented, pages, parsed
from tests.support.answers import differences, steps, unlike
from tests.support.builders import Body, a_device
from tests.support.onnx.graphs import light
from tests.support.servers import Service

REFUSED = 22  # what curl ends with where the service refuses
COMMANDS = {"curl", "docker", "git", "make", "pip", "python", "python3", "splitplan", "sudo"}
COMMANDS |= {"splitplan-client", "splitplan-profiler"}
RUN = [page for page in pages() if any(block.what in ("run", "answer") for block in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    untold = [f"{name(page)}:{each.line}" for each in blocks(page) if not each.what]
    assert untold == [], "say in a comment above it what becomes of it: see tests/docs/excerpts.py"
    hidden = [f"{name(page)}:{line}" for line, word in indented(page) if word in COMMANDS]
    assert hidden == [], "commands are fenced, so that they are run"
    for block in blocks(page):
        if block.what == "run by":
            assert (CHECKOUT / block.detail).is_file(), f"{name(page)}:{block.line}"
        if block.what == "not run":
            assert len(block.detail) > 5, f"{name(page)}:{block.line}: why not?"


class Reader:
    """Somebody who does what a page says, in a folder and a terminal of their own."""

    def __init__(self, service: Service, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.printed = ""
        self.refused = ""
        self._service = service
        programs = folder / "bin"
        programs.mkdir()
        for program, module in (("splitplan", "app"), ("splitplan-client", "client")):
            path = programs / program
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module}.command "$@"\n')
            path.chmod(0o755)
        (folder / ".curlrc").write_text("fail-with-body\n")
        self._variables = {
            **os.environ,
            "CURL_HOME": str(folder),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "SPLITPLAN_URL": service.url,
            "SPLITPLAN_DATABASE_URL": service.settings.database_url,
            "NO_PROXY": "*",
            "LC_ALL": "C.UTF-8",
            "PYTHONUTF8": "1",
            **variables,
        }

    def follow(self, block: Block) -> None:
        """Do what a block says. Raises AssertionError where that is not what happens."""
        if block.what != "answer":
            self.and_is_not_refused()
        match block.what:
            case "file":
                (self.folder / block.detail).write_text(block.content)
            case "answer":
                told = json.loads(self.printed)
                assert differences(parsed(block.content), told) == []
                self.refused = ""
                for variable, field in re.findall(r"(\w+)=(\w+)", block.detail):
                    self._variables[variable] = str(told[field])
            case "run" if block.language == "console":
                for command, said in steps(block.content):
                    ran = self._ran(["sh", "-c", self._here(command)])
                    printed = ran.stdout + ran.stderr
                    assert unlike(said, printed) == [], f"$ {command}\n{printed}"
            case "run" if block.language == "python":
                self._run([sys.executable, "-c", self._here(block.content)])
            case "run":
                commands = f"set -eu\n{self._here(block.content)}"
                self._run(["sh", "-c", commands])

    def and_is_not_refused(self) -> None:
        """Only a refusal that the page prints is meant."""
        assert self.refused == "", f"refused, and the page does not say so: {self.refused}"

    def _here(self, text: str) -> str:
        return text.replace("http://127.0.0.1:8000", self._service.url)

    def _ran(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _run(self, command: list[str]) -> None:
        ran = self._ran(command)
        assert ran.returncode in (0, REFUSED), ran.stdout + ran.stderr
        self.printed = ran.stdout
        self.refused = ran.stdout + ran.stderr if ran.returncode == REFUSED else ""


def planned(client: httpx.Client) -> dict[str, str]:
    """The id of a plan of one camera."""
    user: Body = {"id": "camera-1", "device": "jetson-xavier-nx-cpu", "model": "alexnet"}
    user |= {"distance_m": 40, "deadline_s": 0.15, "risk": 0.02}
    body = {"channel": "lte-10mhz", "server": "nvidia-t4", "users": [user]}
    answer = client.post("/v1/plans/robust", json=body).raise_for_status()
    return {"ID": str(answer.json()["id"])}


def with_a_board(client: httpx.Client) -> dict[str, str]:
    """The reader's own board."""
    board: Body = {"name": "my-board", "processor": "cpu", "frequency_max_hz": 1.8e9}
    board |= {"busy_power_w": 6.4, "idle_power_w": 2.7, "tx_power_w": 0.1}
    client.post("/v1/devices/estimate", json=board).raise_for_status()
    return {}


def with_a_camera(client: httpx.Client) -> dict[str, str]:
    """The camera that was measured."""
    client.post("/v1/devices", json=a_device()).raise_for_status()
    return {}


# What a page takes for granted: a board, a plan. Returns the variables of its shell.
GIVEN: dict[str, Callable[[httpx.Client], dict[str, str]]] = {
    "docs/catalogue.md": with_a_board,
    "docs/estimates.md": with_a_board,
    "docs/evidence.md": planned,
    "docs/power.md": with_a_camera,
    "docs/verification.md": planned,
}


def power_samples() -> bytes:
    """A camera at five clocks, 0.5 W and the cube of the clock in GHz."""
    rows = (
        f"{clock_ghz * 1e3:g},{time_ms:g},{time_ms * (0.5 + clock_ghz**3) * jitter:.6g}"
        for clock_ghz in (0.2, 0.4, 0.6, 0.8, 1.0)
        for jitter in (0.99, 1.0, 1.01)
        for time_ms in (60.0 / clock_ghz,)
    )
    return "\n".join(["clock_mhz,time_ms,energy_mj", *rows, ""]).encode()


def blocks_of_a_network() -> bytes:
    head = "machine,network,first_layer,last_layer,layers,time_ms,output_byte,flop,params"
    rows = ("0,1,input+conv,3,400,3000,70", "2,2,fc,1,8,50,3")
    return "\n".join([head, *(f"my-board,vgg16,{row}" for row in rows), ""]).encode()


def measured_times() -> bytes:
    """Twelve times of each cut of AlexNet that computes something, at one clock."""
    samples = [
        {
            "cut": cut,
            "part": "device",
            "frequency_hz": 1.19e9,
            "time_s": [0.01 * cut * (1.0 + 0.002 * (n % 5)) for n in range(12)],
        }
        for cut in range(1, 12)
    ]
    sheet = {"schema_version": 1, "model": "alexnet", "processor": "jetson-xavier-nx-cpu"}
    sessions = [{"started_at": "2026-11-20T09:00:00Z", "samples": samples}]
    return json.dumps({**sheet, "sessions": sessions}).encode()


def fleet() -> bytes:
    """Two cameras, as a spreadsheet writes them."""
    head = "id,device,model,distance_m,deadline_s,risk"
    rows = (f"camera-{n},jetson-xavier-nx-cpu,alexnet,{40 * n},0.15,0.02" for n in (1, 2))
    return "\n".join([head, *rows, ""]).encode()


def packets() -> bytes:
    """Twelve seconds with 1 to 12 packets in each twelfth millisecond: 1 to 12 Mbit/s."""
    stamps = (
        1000 * second + 12 * n
        for second in range(12)
        for n in range(1, 84)
        for _ in range(second + 1)
    )
    return "\n".join(map(str, stamps)).encode()


def renamed(name: str) -> bytes:
    """A network that comes with onnx, its input named as most exporters do."""
    model = onnx.load_from_string(light(name))
    given = {weights.name for weights in model.graph.initializer}
    (data,) = (each for each in model.graph.input if each.name not in given)
    for node in model.graph.node:
        node.input[:] = ["data" if each == data.name else each for each in node.input]
    data.name = "data"
    return model.SerializeToString()


# Files that a page takes for granted.
FILES: dict[str, dict[str, Callable[[], bytes]]] = {
    "docs/large-fleets.md": {"fleet.csv": fleet},
    "docs/models.md": {"resnet50.onnx": lambda: renamed("resnet50")},
    "docs/measurements.md": {"samples.json": measured_times},
    "docs/power.md": {"samples.csv": power_samples},
    "docs/catalogue.md": {"blocks.csv": blocks_of_a_network, "uplink.up": packets},
}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
@pytest.mark.parametrize("page", RUN, ids=name)
def test_what_a_page_shows_is_what_happens(
    page: Path, service: Service, client: httpx.Client, worker: str, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    with service.database.writing() as session:
        catalogue.load(session, catalogue.shipped())
    given: Any = GIVEN.get(name(page), lambda _: {})
    reader = Reader(service, tmp_path, given(client))
    for file, written in FILES.get(name(page), {}).items():
        (tmp_path / file).write_bytes(written())
    for block in blocks(page):
        try:
            reader.follow(block)
        except AssertionError as failure:
            raise AssertionError(f"{name(page)}:{block.line}: {failure}") from failure
    reader.and_is_not_refused()
