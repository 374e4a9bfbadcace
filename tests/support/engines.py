"""Job engines in processes of their own, whose jobs end when they are told to."""

import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

# A worker whose jobs end when it is told to, and whose takeovers are asked for by name.
PROGRAM = """
import os, sys, threading
from collections import defaultdict
from app.queue import Engine
told = defaultdict(threading.Event)
def say(line):
    os.write(1, f"{line}\\n".encode())  # in one piece, whichever threads speak
def work(plan_id):
    say(f"begins {plan_id}")
    told[plan_id].wait()
engine = Engine(sys.argv[1], 2, {"quick": work, "plan": work})
engine.start()
say(f"is {engine.name}")
for line in sys.stdin:
    word, *names = line.split()
    if word == "end":
        told[names[0]].set()
    else:
        engine.take_over(names)
        say("took over")
"""


class EngineProcess:
    """An engine in a process of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._log = folder / f"{len(list(folder.glob('*.log')))}.log"
        with self._log.open("wb") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, url],
                stdin=subprocess.PIPE,
                stdout=written,
                text=True,
            )

    @property
    def name(self) -> str:
        return self.wait_for("is")[0]

    def said(self, word: str) -> list[str]:
        """What followed a word, each time it was said."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return [line[1] for line in lines if len(line) > 1 and line[0] == word]

    def wait_for(self, word: str, times: int = 1) -> list[str]:
        deadline = time.monotonic() + 60.0
        while len(found := self.said(word)) < times:
            assert self.process.poll() is None, "the engine ended"
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)
        return found

    def tell(self, *words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def take_over(self, *names: str) -> None:
        times = len(self.said("took"))
        self.tell("take_over", *names)
        self.wait_for("took", times + 1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def jobs(url: str) -> dict[str, tuple[str, str | None]]:
    """Status and executor of each plan's job."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT workflow_uuid, status, executor_id FROM dbos.workflow_status")
        ).all()
    engine.dispose()
    return {job.rpartition("-")[2]: (status, executor) for job, status, executor in rows}
