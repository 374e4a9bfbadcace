"""Times of whole networks that other tools have measured."""

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, pstdev

from app.catalogue.tools.lines import FileFault, json_of, lines_of, number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTime:
    """One network on one processor: seconds of an inference, and joules where a meter ran."""

    time_s: float
    std_s: float | None = None
    worst_s: float | None = None
    samples: int
    energy_j: float | None = None
    source: str


def trtexec(file: Path, skip: int) -> WholeTime:
    """`trtexec --exportTimes`: the time of computing of each inference, `computeMs`."""
    entries = json_of(file)
    if not isinstance(entries, list):
        raise FileFault(file, "the file", "is no list of times: write it with --exportTimes")
    times_s = []
    for position, entry in enumerate(entries):
        where = f"entry {position}"
        if not isinstance(entry, dict) or "computeMs" not in entry:
            detail = "has no computeMs: write the file with trtexec --exportTimes"
            raise FileFault(file, where, detail)
        times_s.append(number_of(file, where, "computeMs", entry["computeMs"]) / 1e3)
    if len(times_s) < skip + 2:
        detail = (
            f"has {len(times_s)} inferences, of which {skip} are left out: at least 2 must stay"
        )
        raise FileFault(file, "the file", detail)
    kept = times_s[skip:]
    return WholeTime(
        time_s=fmean(kept),
        std_s=pstdev(kept),
        worst_s=max(kept),
        samples=len(kept),
        source="trtexec --exportTimes, computeMs: without copies to and from the GPU",
    )


# The harness writes "name : value unit" for each window, behind a time stamp and its own name.
_THROUGHPUT = re.compile(r"Throughput\s*:\s*(\S+)\s+inf\./sec\.")
_ENERGY = re.compile(r"Energy/Inf\.\s*:\s*(\S+)\s+(\S+)/inf\.")
_RUNS = re.compile(r"# Inferences\s*:\s*(\S+)")
_JOULE = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "nJ": 1e-9}


def mlperf_tiny(file: Path) -> WholeTime:
    """`results.txt` of MLPerf Tiny: the median over its windows, in performance or energy mode."""
    rates: list[float] = []
    joules: list[float] = []
    inferences = 0
    for number, line in lines_of(file):
        where = f"line {number}"
        if found := _THROUGHPUT.search(line):
            rates.append(number_of(file, where, "Throughput", found[1]))
            if rates[-1] == 0.0:
                raise FileFault(file, where, "a throughput of 0 is no time")
        elif found := _ENERGY.search(line):
            if found[2] not in _JOULE:
                detail = f"an energy in {found[2]}: one of {', '.join(_JOULE)}"
                raise FileFault(file, where, detail)
            joules.append(_JOULE[found[2]] * number_of(file, where, "Energy/Inf.", found[1]))
        elif found := _RUNS.search(line):
            inferences += int(number_of(file, where, "# Inferences", found[1]))
    if not rates:
        detail = (
            "says no throughput of a window: is it performance/results.txt or energy/results.txt?"
        )
        raise FileFault(file, "the file", detail)
    return WholeTime(
        time_s=1.0 / median(rates),
        samples=inferences or len(rates),
        energy_j=median(joules) if joules else None,
        source="MLPerf Tiny, median over the windows; of single inferences nothing is said",
    )


def mlperf_loadgen(file: Path) -> WholeTime:
    """`mlperf_log_summary.txt` or a phone's result of MLPerf's LoadGen, one query at a time."""
    said: dict[str, tuple[int, str]] = {}
    for number, line in lines_of(file):
        name, separator, value = line.partition(":")
        if separator:
            said.setdefault(name.strip().lower(), (number, value.strip()))
    if said.get("scenario", (0, ""))[1].lower().replace(" ", "") != "singlestream":
        detail = "is of no SingleStream run: only that says how long one inference takes"
        raise FileFault(file, "Scenario", detail)
    if said.get("result is", (0, "VALID"))[1].upper() != "VALID":
        raise FileFault(file, f"line {said['result is'][0]}", "the run was not valid")

    def seconds(name: str) -> float | None:
        if (entry := said.get(name)) is None:
            return None
        return number_of(file, f"line {entry[0]}", name, entry[1]) / 1e9

    mean_s = seconds("mean latency (ns)")
    if mean_s is None:
        raise FileFault(file, "the file", "has no 'Mean latency (ns)': is it a summary of LoadGen?")
    count = said.get("samples per query", (0, "1"))
    queries = said.get("query count", said.get("min_query_count", count))
    return WholeTime(
        time_s=mean_s,
        worst_s=seconds("max latency (ns)"),
        samples=int(number_of(file, f"line {queries[0]}", "query count", queries[1], least=1.0)),
        source="LoadGen's summary of a SingleStream run",
    )
