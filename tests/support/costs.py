"""What each test costs: processor time of this process and of all that it started, whoever else is
at the machine.

`pytest -p tests.support.costs` lists what every test took and which marks are wrong by it, then
what each folder took beside its budget. With `-n 2`, too.
"""

import os
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

SLOW_S = 0.2
"""A test that takes more, on either database, is marked `slow`."""
# Processor time of a folder in `make test` [s], on the machine of the figures in CONTRIBUTING.
BUDGET_S = {
    "tests/app": 360.0,
    "tests/client": 45.0,
    "tests/generators": 60.0,
    "tests/mutations": 20.0,
    "tests/profiler": 45.0,
    "tests/solvers": 260.0,
    "tests/stories": 45.0,
    "the rest": 90.0,
}
QUICK_BUDGET_S = 170.0
"""Processor time of all that `make check` runs [s]."""

_TICK_HZ = os.sysconf("SC_CLK_TCK")
_MARK = "COSTS_OF"


class Clock:
    """Processor time of this process, its ended children, and all that still runs below them."""

    def __init__(self) -> None:
        # Who leaves its parents (a database server does) is known by what it inherited.
        os.environ[_MARK] = str(os.getpid())
        self._mark = f"{_MARK}={os.getpid()}\0".encode()
        self._inherits: dict[int, bool] = {}
        self._left: dict[int, int] = {}
        self._own_s = 0.0

    def __call__(self) -> float:
        """Seconds so far, without those of looking."""
        began_s = time.process_time()
        ticks, children = self._processes()
        descendants = list(children[os.getpid()])
        for process in self._left:
            descendants += children[process]
        for process in descendants:
            descendants += children[process]
        ended = os.times()
        others = sum(ticks[process] for process in descendants) + sum(self._left.values())
        spent_s = ended.children_user + ended.children_system + others / _TICK_HZ
        found_s = began_s - self._own_s + spent_s
        self._own_s += time.process_time() - began_s
        return found_s

    def _processes(self) -> tuple[dict[int, int], dict[int, list[int]]]:
        """Processor time of every process and of its ended children [ticks], and its children."""
        ticks: dict[int, int] = {}
        children: dict[int, list[int]] = defaultdict(list)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            process = int(entry.name)
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if process not in self._inherits:
                    self._inherits[process] = self._mark in (entry / "environ").read_bytes()
            except OSError:
                continue  # it has ended meanwhile, or is somebody else's
            ticks[process] = sum(map(int, fields[11:15]))
            children[int(fields[1])].append(process)
            if fields[1] == "1" and self._inherits[process]:
                self._left[process] = ticks[process]
        return ticks, children


class Costs:
    """Measures in each process that tests; adds up where the reports come together."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._before_s = 0.0
        self._spent_s: dict[str, dict[str, float]] = defaultdict(dict)
        self._slow: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        self._before_s = self._clock()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A report of each phase carries what was spent since the one before."""
        report = yield
        now_s = self._clock()
        report.processor_s, report.slow = (
            now_s - self._before_s,
            item.get_closest_marker("slow") is not None,
        )
        self._before_s = now_s
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Also of reports that came from another process."""
        self._spent_s[report.nodeid][report.when] = report.processor_s
        if report.slow:
            self._slow.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tests by their costliest case, dearest first; then folders."""
        terminalreporter.section("processor time of tests, without their fixtures")
        cases: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for node, spent_s in self._spent_s.items():
            cases[node.partition("[")[0]].append((spent_s.get("call", 0.0), node in self._slow))
        for name, found in sorted(cases.items(), key=lambda entry: -max(entry[1])[0]):
            most, slow = max(cost for cost, _ in found), all(marked for _, marked in found)
            mark = "slow" if slow else "TO BE MARKED SLOW" if most > SLOW_S else ""
            terminalreporter.write_line(f"{most:7.2f} s  {name}  {mark}".rstrip())
        terminalreporter.section("processor time of folders")
        for line in self.folders():
            terminalreporter.write_line(line)

    def folders(self) -> Generator[str, None, None]:
        """What each folder took with its fixtures, beside its budget."""
        total_s: dict[str, float] = dict.fromkeys(BUDGET_S, 0.0)
        quick_s = 0.0
        for node, spent_s in self._spent_s.items():
            folder = "/".join(node.split("/")[:2])
            whole_s = sum(spent_s.values())
            total_s[folder if folder in total_s else "the rest"] += whole_s
            quick_s += 0.0 if node in self._slow else whole_s
        lines = {name: (total_s[name], budget_s) for name, budget_s in BUDGET_S.items()}
        lines["all"] = sum(total_s.values()), sum(BUDGET_S.values())
        lines["quick"] = quick_s, QUICK_BUDGET_S
        for name, (spent, budget_s) in lines.items():
            over = "  OVER ITS BUDGET" if spent > budget_s else ""
            yield f"{spent:7.0f} s of {budget_s:4.0f} s  {name}{over}"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Costs())
