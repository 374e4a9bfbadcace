"""What each test costs: processor time of this process and of all that it started, whoever else is
at the machine.

`pytest -p tests.support.costs` lists what every test took and which marks are wrong by it.
"""

import os
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

SLOW_S = 0.2
"""A test that takes more, on either database, is marked `slow`."""

_TICK_HZ = os.sysconf("SC_CLK_TCK")
_cost_s: dict[str, float] = {}
_marked: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the test alone: what its fixtures cost others need, too."""
    before = processor_s()
    try:
        return (yield)
    finally:
        _cost_s[item.nodeid] = processor_s() - before
        if item.get_closest_marker("slow"):
            _marked.add(item.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List tests by their costliest case, dearest first."""
    cases = defaultdict(list)
    for node, cost in _cost_s.items():
        cases[node.partition("[")[0]].append((cost, node in _marked))
    terminalreporter.section("processor time")
    for name, found in sorted(cases.items(), key=lambda entry: -max(entry[1])[0]):
        most, slow = max(cost for cost, _ in found), all(marked for _, marked in found)
        mark = "slow" if slow else "TO BE MARKED SLOW" if most > SLOW_S else ""
        terminalreporter.write_line(f"{most:7.2f} s  {name}  {mark}".rstrip())


def processor_s() -> float:
    """Processor time of this process, its ended children and all living descendants [s]."""
    children, ticks = defaultdict(list), {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            children[int(fields[1])].append(int(entry.name))
            # Its own, and its ended children's.
            ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    descendants = list(children[os.getpid()])
    for process in descendants:
        descendants += children[process]
    own = os.times()
    ended_s = own.children_user + own.children_system
    return time.process_time() + ended_s + sum(ticks[process] for process in descendants) / _TICK_HZ
