"""What keys, projects, limits, headers and metrics add to a 12-user request through HTTP.

`python -m benchmarks.guarding`: the same build several times beside itself, each with some of it
taken out at its start, and asked in turns, a few requests each. What is compared is the processor
time of the whole process, by its own clock: neighbours on the machine hardly show in it. Processes
of one build differ among themselves, too: there are three of the whole one, and by how much each
of these is off their mean says how far the rest is to be believed.
"""

import os
import random
import re
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks import baseline, machine
from benchmarks.http import REQUEST
from benchmarks.rig import COMMAND, Process, ProcessorClock, scratch

TURNS, UNCOUNTED = 240, 5
COLD, COUNTED = 2, 4
# Run instead of `python -m app.command`, with what to take out as the first word.
WITHOUT = """
import sys
without = set(sys.argv.pop(1).split(","))
from sqlalchemy import event, true
from app import projects
if "projects" in without:
    projects.seen_in = lambda *_: true()
    projects.keep_to_one = lambda *_: None
    event.remove(projects.SessionOfOne, "do_orm_execute", projects.restrict)
    event.remove(projects.SessionOfOne, "before_attach", projects.belongs)
from app import main
from app.telemetry import measures
if "metrics" in without:
    measures.solved = lambda *_: None
    main.Watched.__call__ = lambda self, *asked: self.app(*asked)
if "keys" in without:
    class Open:
        def __init__(self, app, throttle, **_):
            self.app, self.limits = app, throttle.limits(main.ANYONE)
        async def __call__(self, scope, receive, send):
            scope.setdefault("state", {}).update(caller=main.ANYONE, limits=self.limits)
            await self.app(scope, receive, send)
    main.Authentication = Open
if "headers" in without:
    for each in (main.SafeHeaders, main.KnownHosts, main.HeadLikeGet, main.LastResort):
        each.__call__ = lambda self, *asked: self.app(*asked)
from app.command import main as command
command()
"""
WHOLE = ("nothing", "nothing, again", "nothing, once more")
EVERYTHING = ("keys", "projects", "metrics", "headers")


class Running:
    """A service, one client of it with a key, and the clock of its processor time."""

    def __init__(self, folder: Path, without: tuple[str, ...]) -> None:
        folder.mkdir()
        url = f"sqlite:///{folder}/bench.db"
        command = (sys.executable, "-c", WITHOUT, ",".join(without))
        words = ("serve", "--migrate", "--load-catalogue", "--port", "0")
        self.process = Process(folder, *words, command=command, database_url=url, workers=0)
        address = self.process.address()  # by then there is a database
        made = ("keys", "create", "--name", "bench", "--scope", "plan", "--project", "bench")
        key = subprocess.run(
            [*COMMAND, *made],
            env=os.environ | {"SPLITPLAN_DATABASE_URL": url},
            cwd=baseline.CHECKOUT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found = re.search(r"spk_\w+", key)
        assert found is not None, key
        self.client = httpx.Client(
            base_url=address,
            timeout=60.0,
            trust_env=False,
            headers={"Authorization": f"Bearer {found[0]}"},
        )
        self._clock = ProcessorClock(self.process.popen.pid)

    def ask(self) -> float:
        """Processor time that a request takes [ms]."""
        before = self._clock.ms()
        self.client.post("/v1/plans/robust", json=REQUEST).raise_for_status()
        return self._clock.ms() - before

    def close(self) -> None:
        """End both."""
        self.client.close()
        self.process.end()


def in_turns(services: dict[str, Running]) -> dict[str, list[float]]:
    """Processor time of a request [ms] in each turn, by service; which comes first is drawn.

    The first requests of a turn are not counted: the other services had the processor's caches
    meanwhile, and no service has so many neighbours that do the same.
    """
    chance = random.Random(1)
    took: dict[str, list[float]] = {name: [] for name in services}
    for n in range(UNCOUNTED + TURNS):
        for name in chance.sample(list(services), len(services)):
            spent = [services[name].ask() for _ in range(COLD + COUNTED)]
            if n >= UNCOUNTED:
                took[name].append(statistics.fmean(spent[COLD:]))
    return took


def added(whole: list[float], part: list[float]) -> tuple[float, float, float]:
    """Median of the differences between turns side by side, with the interval that holds it with
    95 % (by ranks) [ms].
    """
    differences = sorted(one - other for one, other in zip(whole, part, strict=True))
    half = 0.98 * len(differences) ** 0.5
    middle = len(differences) / 2.0
    low, high = differences[int(middle - half)], differences[int(middle + half)]
    return statistics.median(differences), low, high


def main() -> None:
    """Print what each adds, and all of it together."""
    print(f"Measured on {machine.describe()}: {TURNS} turns of {COUNTED} requests each.\n")
    variants: dict[str, tuple[str, ...]] = dict.fromkeys(WHOLE, ())
    variants |= {each: (each,) for each in EVERYTHING}
    variants |= {"keys and metrics": ("keys", "metrics"), "all of it": EVERYTHING}
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        running = {}
        for n, (name, without) in enumerate(variants.items()):
            running[name] = Running(folder / str(n), without)
            stack.callback(running[name].close)
        took = in_turns(running)
    print("| without | processor, ms (median) | which adds, ms (95 %) |")
    print("|---|---|---|")
    whole = [statistics.fmean(each) for each in zip(*(took[name] for name in WHOLE), strict=True)]
    for name, times in took.items():
        more, low, high = added(whole, times)
        told = f"{more:.2f} ({low:.2f} to {high:.2f})"
        print(f"| {name} | {statistics.median(times):.2f} | {told} |")
    print()


if __name__ == "__main__":
    main()
