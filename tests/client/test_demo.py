"""The demo as a stranger runs it: a process that starts a service, prints a plan and leaves nothing
behind.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from client.demo import REQUEST

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the demo in a session of its own, so that whatever it leaves behind is found, and
    ended after the test.
    """
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, **environment: str) -> subprocess.Popen[str]:
        demo = subprocess.Popen(
            [sys.executable, "-m", "client.demo"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(folder)} | environment,
            start_new_session=True,
        )
        started.append(demo)
        return demo

    yield start
    for demo in started:
        with suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGKILL)
        demo.communicate()


def in_session(leader: int) -> list[str]:
    """The command lines of every process in a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[3]) == leader and after_name[0] != "Z":
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
    return found


@pytest.mark.slow
def test_it_prints_a_row_for_every_camera_and_leaves_nothing_behind(
    start: Start, tmp_path: Path
) -> None:
    users_database = tmp_path / "the-users.db"
    own = tmp_path / "temporary"
    own.mkdir()
    demo = start(
        own,
        SPLITPLAN_DATABASE_URL=f"sqlite:///{users_database}",
        SPLITPLAN_PORT="1",
        splitplan_typo="1",
    )
    out, err = demo.communicate(timeout=90)
    assert demo.returncode == 0, err
    assert err == ""

    rows = re.findall(r"^│ (\S+) +│ (\S+) +│", out, re.MULTILINE)
    assert [name for name, _ in rows] == [user["id"] for user in REQUEST["users"]]
    assert len(rows) == 12
    assert len({cut for _, cut in rows}) >= 3, (
        "a plan in which everyone does the same shows nothing"
    )
    total, bound = map(
        float, re.findall(r"^total +([\d.]+) mJ .* less than ([\d.]+) mJ", out, re.MULTILINE)[0]
    )
    on_device = float(re.findall(r"all on the device +([\d.]+) mJ", out)[0])
    assert bound - 0.005 <= total < on_device
    assert all(
        word in out
        for word in ("price", "all at the edge", "equal shares", "means only", "warning")
    )

    assert in_session(demo.pid) == []
    assert list(own.iterdir()) == []
    assert not users_database.exists()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_early_it_stops_its_service(
    start: Start, tmp_path: Path, ending: signal.Signals
) -> None:
    demo = start(tmp_path)
    end = time.monotonic() + 60
    while not any("serve" in command for command in in_session(demo.pid)):
        assert demo.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < end
    demo.send_signal(ending)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 128 + ending, err
    assert "total" not in out
    assert in_session(demo.pid) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_service_that_does_not_start_is_told_with_its_log(start: Start, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "uvicorn.py").write_text("raise ImportError('the web server is broken')\n")
    own = tmp_path / "temporary"
    own.mkdir()
    demo = start(own, PYTHONPATH=str(broken))
    _, err = demo.communicate(timeout=90)
    assert demo.returncode == 1
    assert err.startswith("demo: the service ended with code 1; its log:\n")
    assert "ImportError: the web server is broken" in err
    assert list(own.iterdir()) == []
