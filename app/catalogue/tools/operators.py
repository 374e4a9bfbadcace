"""Times of single operators: profiles of onnxruntime, logs of TFLite's benchmark_model."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.catalogue.tools.lines import FileFault, json_of, lines_of, number_of
from app.errors import ConfigurationError
from app.profiles.schemas.model import Model

MOST_OPERATORS = 100_000


@dataclass(frozen=True, slots=True)
class OperatorTimes:
    """Operators in the order in which they ran.

    `time_s` is (runs, operators); a tool that says means only gives one row, and `variation` is the
    coefficient of variation of the whole run.
    """

    names: tuple[str, ...]
    time_s: np.ndarray[Any, np.dtype[np.float64]]
    source: str
    variation: float | None = None


def onnxruntime(file: Path, skip: int) -> OperatorTimes:
    """The JSON of `SessionOptions.enable_profiling`, run by run; the first `skip` are left out.

    Raises
    ------
    FileFault : runs that computed different operators, or none at all.
    """
    events = json_of(file)
    if not isinstance(events, list):
        raise FileFault(file, "the file", "is no list of events: is it onnxruntime's profile?")
    spans: list[tuple[float, float]] = []
    kernels: list[tuple[float, float, str]] = []
    for position, event in enumerate(events):
        name = event.get("name") if isinstance(event, dict) else None
        if not isinstance(name, str) or event.get("ph") != "X":
            continue
        ends = name == "model_run", name.endswith("_kernel_time")
        if not any(ends):
            continue
        where = f"event {position}"
        begin = number_of(file, where, "ts", event.get("ts"))
        length = number_of(file, where, "dur", event.get("dur"))
        if ends[0]:
            spans.append((begin, begin + length))
        else:
            kernels.append((begin, begin + length, name.removesuffix("_kernel_time")))
    runs = [_of_run(span, kernels) for span in sorted(spans)[skip:]]
    if not runs:
        detail = f"has {len(spans)} runs, of which the first {skip} are left out: run it more often"
        raise FileFault(file, "the file", detail)
    names = tuple(name for name, _ in runs[0])
    if not names:
        raise FileFault(file, "the file", "has no kernel within a run: profile a session that runs")
    for number, run in enumerate(runs, start=skip):
        if tuple(name for name, _ in run) != names:
            detail = "computed other operators, or in another order: run sequentially, alike inputs"
            raise FileFault(file, f"run {number}", detail)
    times = np.array([[length for _, length in run] for run in runs]) / 1e6
    return OperatorTimes(names, times, "onnxruntime's profile, kernels only")


def _of_run(
    span: tuple[float, float], kernels: list[tuple[float, float, str]]
) -> list[tuple[str, float]]:
    """Kernels within a run, but for those within another kernel (the body of a branch or loop)."""
    found: list[tuple[str, float]] = []
    end = 0.0
    for begin, until, name in sorted(kernels, key=lambda kernel: (kernel[0], -kernel[1])):
        if begin < span[0] or until > span[1] or (found and until <= end and begin < end):
            continue
        found.append((name, until - begin))
        end = until
    return found


_COUNT = re.compile(r"\bcount=(\d+)\b.*\bavg=(\S+)(?:.*\bstd=(\S+))?")
_COLUMN = re.compile(r"\[([^\]]+)\]")


def tflite(file: Path) -> OperatorTimes:
    """A log of benchmark_model with `--enable_op_profiling=true`: its table in run order."""
    names: list[str] = []
    means: list[float] = []
    columns: list[str] = []
    spread: float | None = None
    within = False
    for number, line in lines_of(file):
        where = f"line {number}"
        if found := _COUNT.search(line):
            spread = _variation(file, where, found)
        if "Run Order" in line:
            names, means, columns, within = [], [], [], True
        elif within and "[node type]" in line.lower():
            columns = [each.lower() for each in _COLUMN.findall(line)]
        elif within and line.lstrip().startswith("==="):
            within = False
        elif within and columns and line.strip():
            name, mean_s = _operator(file, where, line, columns)
            names.append(name)
            means.append(mean_s)
            if len(names) > MOST_OPERATORS:
                raise FileFault(file, where, f"more than {MOST_OPERATORS} operators")
        elif within and columns:
            within = False
    if not names:
        detail = "has no table in run order: run benchmark_model with --enable_op_profiling=true"
        raise FileFault(file, "the log", detail)
    source = "TFLite's benchmark_model, means of operators"
    return OperatorTimes(tuple(names), np.array([means]), source, spread)


def _variation(file: Path, where: str, found: "re.Match[str]") -> float | None:
    mean = number_of(file, where, "avg", found[2])
    if found[3] is None or mean == 0.0:
        return None
    return number_of(file, where, "std", found[3]) / mean


def _operator(file: Path, where: str, line: str, columns: list[str]) -> tuple[str, float]:
    cells = [each.strip() for each in re.split(r"\t+", line.strip())]
    if len(cells) != len(columns):
        detail = f"has {len(cells)} cells under {len(columns)} columns: is the log whole?"
        raise FileFault(file, where, detail)
    row = dict(zip(columns, cells, strict=True))
    for column in ("avg ms", "name"):
        if column not in row:
            raise FileFault(file, where, f"the table has no column [{column}]")
    mean_s = number_of(file, where, "avg ms", row["avg ms"]) / 1e3
    if number_of(file, where, "times called", row.get("times called", "1")) > 1.0:
        detail = "is called several times a run, of which the log does not say the sum"
        raise FileFault(file, where, detail)
    return row["name"], mean_s


def ends_of_cuts(model: Model, operators: OperatorTimes, told: dict[str, str]) -> list[int]:
    """How many operators had run when a cut's last tensor was there, for every cut.

    An operator belongs to a tensor that it is named for, or that `told` (cut: operator) gives it.

    Raises
    ------
    ConfigurationError : a cut that no operator makes, or cuts that are made in another order.
    """
    places = _Places(operators.names)
    ends, lost = [0], []
    for cut in model.cuts[1:-1]:
        tensors: Iterable[str] = cut.tensors or (cut.name,)
        if cut.name in told:
            tensors = (told[cut.name],)
        found = [places.of(tensor) for tensor in tensors]
        if None in found:
            lost.append(cut.name)
            continue
        ends.append(max(place for place in found if place is not None))
        if ends[-1] < ends[-2]:
            raise ConfigurationError(
                f"cut {cut.name!r} was computed before the one before it: the profile is of another"
                " network, or its operators have other names"
            )
    if lost:
        few = ", ".join(repr(name) for name in lost[:5])
        raise ConfigurationError(
            f"no operator of the profile is named for {len(lost)} cuts of {model.name!r} ({few}):"
            f" say which ends one with --at CUT=OPERATOR, of {', '.join(operators.names[:8])}, ..."
        )
    return [*ends, len(operators.names)]


class _Places:
    """Where in the order of a run the tensors were there, by what operators and tensors are
    called.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.place: dict[str, int] = {}
        self.modules: dict[str, set[str]] = {}
        for number, name in enumerate(names, start=1):
            # A tensor that is kept in blocks of channels is there once it is put in order again.
            reordered = number < len(names) and names[number].startswith("ReorderOutput")
            for alias in _called(name):
                self.place[alias] = number + reordered
                if "/" in alias and alias[0] != "[":
                    module = alias.rpartition("/")[0]
                    self.modules.setdefault(module.rpartition("/")[2], set()).add(module)
                    self.place[module] = number + reordered

    def of(self, tensor: str) -> int | None:
        """By its name or its node's; else by its module: the whole path, or, where it has no path,
        the one module of that name.
        """
        for alias in _called(tensor):
            if alias in self.place:
                return self.place[alias]
        module = tensor.rpartition("/")[0]
        if not module and len(only := self.modules.get(tensor, set())) == 1:
            (module,) = only
        return self.place.get(module) if module else None


def _called(name: str) -> tuple[str, ...]:
    """What a tensor or an operator may be called: TFLite lists all that was fused, onnxruntime and
    the exporters put words before and behind the name of a node.
    """
    listed = re.sub(r"^\[(.*?)\](?::\d+)?$", r"\1", name.strip())
    found = [name.strip()]
    for each in re.split(r"[;,]\s*", listed):
        bare = each.removeprefix("fused ").removesuffix("_nchwc")
        found += [each, bare, re.sub(r"(_output_\d+|:\d+)$", "", bare)]
    return tuple(each for each in dict.fromkeys(found) if each)
