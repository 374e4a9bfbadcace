"""The `splitplan` command as an operator runs it."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from click.testing import CliRunner

from app.command import main

SPLITPLAN = str(Path(sys.executable).with_name("splitplan"))


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with only these settings of the service."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPLITPLAN_")}
    return {**clean, **settings}


def splitplan(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process: starting another takes longer than most of them."""
    others = dict.fromkeys(name for name in os.environ if name.startswith("SPLITPLAN_"))
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    try:
        ran = CliRunner(catch_exceptions=False).invoke(main, arguments, env=others | settings)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    return subprocess.CompletedProcess(arguments, ran.exit_code, ran.stdout, ran.stderr)


def installed(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end, in a process of its own."""
    return subprocess.run(
        [SPLITPLAN, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Serving:
    """A `splitplan serve` that answers at `url`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        assert process.stderr is not None
        self.url = _await_url(process.stderr, log)

    def kill(self) -> None:
        """As a power cut would: no signal handler, no clean-up."""
        self.process.kill()
        self.process.wait(timeout=30)


def _await_url(stderr: IO[str], log: Path) -> str:
    with log.open("a") as copy:
        for line in stderr:
            copy.write(line)
            if found := re.search(r"listening on (https?://\S+?),", line):
                return found[1]
    raise AssertionError(f"the service did not start: {log.read_text()}")


@contextmanager
def serving(log: Path, *arguments: str, **settings: str) -> Iterator[Serving]:
    """`splitplan serve` on a free port; killed at the end if it still runs."""
    command = [SPLITPLAN, "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, env=environment(**settings), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Serving(process, log)
        finally:
            process.kill()


def failed(result: object) -> str:
    """The one line a failed command prints."""
    assert result.returncode == 1, result  # type: ignore[attr-defined]
    assert result.stdout == ""  # type: ignore[attr-defined]
    lines: list[str] = result.stderr.splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    return lines[0]
