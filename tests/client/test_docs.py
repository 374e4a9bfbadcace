"""docs/client.md: what it shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.catalogue import service as catalogue
from tests.support.answers import steps, unlike
from tests.support.servers import Service

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
ID = re.compile(r"[0-9a-f]{32}")


# What a client does is the same whatever stores the plans. A parameter and not a fixture of that
# name, whose service would stay on for all later tests, also for those that ask for Postgres.
pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Path:
    """A folder with the page's files, beside a service with the catalogue."""
    with service.database.writing() as session:
        catalogue.load(session, catalogue.shipped())
    cameras, patch = blocks("json")
    (tmp_path / "cameras.json").write_text(cameras)
    (tmp_path / "patch.json").write_text(patch)
    (tmp_path / "fleet.csv").write_text(blocks("text")[0])
    (tmp_path / "terms.yaml").write_text(blocks("yaml")[0])
    program = tmp_path / "splitplan-client"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m client.command "$@"\n')
    program.chmod(0o755)
    return tmp_path


def test_the_commands_print_what_the_page_shows(
    folder: Path, service: Service, worker: str
) -> None:
    environment = os.environ | {
        "SPLITPLAN_URL": service.url,
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    environment |= {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
    real_id: dict[str, str] = {}
    shown = [step for block in blocks("console") for step in steps(block)]
    assert len(shown) >= 7
    for command, said in shown:
        here = ID.sub(lambda found: real_id[found[0]], command)
        ran = subprocess.run(
            here,
            shell=True,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
        )
        printed = ran.stdout + ran.stderr
        real_id.update(zip(ID.findall(said), ID.findall(printed), strict=False))
        assert unlike(said, printed) == [], f"$ {command}\n{printed}"


def test_the_python_runs(folder: Path, service: Service, worker: str) -> None:
    printed = []
    for program in blocks("python"):
        if "savefig" in program:  # tests/client/test_figures.py
            continue
        words = [sys.executable, "-c", program.replace("http://127.0.0.1:8000", service.url)]
        ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=90)
        assert ran.returncode == 0, ran.stderr
        printed.append(ran.stdout.splitlines())
    plan, carried_out, decision = printed
    first, later = carried_out[:3], carried_out[3:]
    assert [line.partition(",")[0] for line in first] == ["door input", "lobby fc8", "garage input"]
    assert (later[0], later[-1]) == ("door input, 5000000 Hz", "garage stops")
    assert plan[:4] == [
        "solved 0.08151 J",
        "door input 115200000 Hz",
        "lobby fc8 1574400000 Hz",
        "garage input 600000000 Hz",
    ]
    assert plan[-2:] == ["['garage']", "True"]
    assert set(plan[4:-2]) == {"True"}
    assert decision == ["fc conv1"]
