"""What each request of the mixture costs the web in processor time: `python -m benchmarks.costs`.

One client asks one kind after the other, in short runs by turns, so that what a request leaves to
be done after its answer counts where it belongs, and a service that grows older does so for all.
What is compared is the processor time of the web's process by its own clock: neighbours on the
machine hardly show in it. The worker and its solvers are processes of their own, and not counted.
`--against REVISION` lays an earlier build out beside this one, and asks both by turns.
"""

import argparse
import asyncio
import statistics
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import machine
from benchmarks.baseline import CHECKOUT, laid_out
from benchmarks.lean_client import Web
from benchmarks.load import INSTALLATIONS, Installation
from benchmarks.load_kinds import Fleet
from benchmarks.open_loop import Kind
from benchmarks.rig import ProcessorClock, scratch

# Of a run the first is not counted: what it finds may have gone cold meanwhile.
RUN, ROUNDS = 11, 20
_PAUSE_S = 0.02


@dataclass(slots=True)
class Cost:
    """Processor time of the requests of a kind."""

    each_ms: list[float] = field(default_factory=list)
    faults: int = 0


class Measured:
    """A service, its only client, and what requests took."""

    def __init__(self, installation: Installation, wanted: str) -> None:
        (web,) = installation.groups()["web"]
        self._clock = ProcessorClock(web.pid)
        self._client = Web(installation.addresses[0])
        self.fleet = Fleet([self._client], seed=1)
        self.kinds = [kind for kind in self.fleet.kinds() if wanted in kind.name]
        self.costs = {kind.name: Cost() for kind in self.kinds}

    async def run(self, kind: Kind) -> None:
        """Some requests of a kind, one after the other."""
        await asyncio.sleep(_PAUSE_S)  # what the kind before has left is done
        cost = self.costs[kind.name]
        before = 0.0
        for n in range(RUN):
            answer = await kind.send()
            now = self._clock.ms()
            if n:
                cost.each_ms.append(now - before)
            before = now
            cost.faults += answer.status_code not in kind.good

    def forget(self) -> None:
        """Count from now on."""
        for cost in self.costs.values():
            cost.each_ms.clear()

    async def aclose(self) -> None:
        """Leave the service."""
        self._client.close()


async def measure(
    installations: dict[str, Installation], rounds: int, wanted: str
) -> dict[str, Measured]:
    """What requests take of each service, asked by turns."""
    measured = {name: Measured(each, wanted) for name, each in installations.items()}
    async with AsyncExitStack() as stack:
        for each in measured.values():
            stack.push_async_callback(each.aclose)
            await each.fleet.prepare()
        for n in range(1 + rounds):
            for kinds in zip(*(each.kinds for each in measured.values()), strict=True):
                for each, kind in zip(measured.values(), kinds, strict=True):
                    await each.run(kind)
            if not n:  # of services that had not met anything
                for each in measured.values():
                    each.forget()
    return measured


def print_table(measured: dict[str, Measured]) -> None:
    """What each kind takes, and the mixture by its shares."""
    names = " | ".join(f"{name}: median, ms | mean | faults" for name in measured)
    print(f"| processor of the web | of all | {names} |")
    print("|---|---|" + "---|---|---|" * len(measured))
    each = list(measured.values())
    for kind in each[0].kinds:
        row = " | ".join(_told(one.costs[kind.name]) for one in each)
        print(f"| {kind.name} | {100.0 * kind.share:.0f} % | {row} |")
    shares = sum(kind.share for kind in each[0].kinds)
    wholes = (
        sum(kind.share * statistics.fmean(one.costs[kind.name].each_ms) for kind in one.kinds)
        for one in each
    )
    row = " | ".join(f"| {whole / shares:.2f} | " for whole in wholes)
    print(f"| the mixture, by shares | {100.0 * shares:.0f} % | {row} |\n")


def _told(cost: Cost) -> str:
    median, mean = statistics.median(cost.each_ms), statistics.fmean(cost.each_ms)
    return f"{median:.2f} | {mean:.2f} | {cost.faults}"


def main() -> None:
    """Read what is asked, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("database", nargs="?", choices=[*INSTALLATIONS], default="sqlite")
    parser.add_argument("--against", metavar="REVISION", help="an earlier build")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each kind")
    parser.add_argument("--kind", default="", help="only kinds with this in their name")
    asked = parser.parse_args()
    print(f"Measured on {machine.describe()}, {asked.database}:")
    print(f"{RUN - 1} × {asked.rounds} requests of each kind.\n")
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        builds: dict[str, Path] = {"this build": CHECKOUT}
        if asked.against is not None:
            builds |= {asked.against: stack.enter_context(laid_out(asked.against))}
        installations = {}
        for n, (name, checkout) in enumerate(builds.items()):
            mine = folder / str(n)
            mine.mkdir()
            begun = INSTALLATIONS[asked.database](mine, 1, checkout=checkout)
            installations[name] = stack.enter_context(begun)
        print_table(uvloop.run(measure(installations, asked.rounds, asked.kind)))


if __name__ == "__main__":
    main()
