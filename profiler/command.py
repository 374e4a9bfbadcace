"""The command line: `run` measures times, `quantization` what fewer bits cost."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NoReturn

from profiler import measurement, quantization
from profiler.arguments import argument_parser
from profiler.board import Beside, chosen_clock
from profiler.clocks import Clock, ClockUnavailable
from profiler.journal import Journal, JournalConflict
from profiler.measure import Plan, measure
from profiler.network import Network, WrongProfile, load_feeds, open_network
from profiler.runtime import default_cores, describe, pin
from profiler.split import NotACut, UnknownTensor
from profiler.upload import Service, UploadRefused
from solvers.onnx_reader import Options, Unreadable, parse_shape, parse_size, parse_value

_UNSTEADY = 3
_INTERRUPTED = 130


_REFUSALS = (
    ClockUnavailable,
    JournalConflict,
    NotACut,
    UnknownTensor,
    WrongProfile,
    UploadRefused,
    OSError,
    ValueError,
)


def program() -> NoReturn:
    """What a zipapp and the installed script start."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0, 1 for a refusal, 2 for wrong use, 3 for a clock that
    was not steady.
    """
    asked = argument_parser(__doc__, measuring=_run, quantizing=_quantize).parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(asked.command(asked))
    except Unreadable as error:
        return _refuse(error.detail)
    except _REFUSALS as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept: go on with --resume", file=sys.stderr)
        return _INTERRUPTED


def _run(asked: argparse.Namespace) -> int:
    # Beside the result: what is in /tmp may be in memory.
    with TemporaryDirectory(prefix=asked.out.name + ".", dir=asked.out.parent) as folder:
        return _measured(asked, _network(asked, Path(folder)))


def _measured(asked: argparse.Namespace, network: Network) -> int:
    cores = asked.cores or default_cores(asked.threads)
    pin(cores)
    with _clock(asked, cores) as clock:
        plan = _plan(asked, clock)
        service = None if asked.upload is None else _service(asked, network, plan)
        runtime = describe(plan.threads, plan.provider) | {
            "cores": " ".join(map(str, cores)),
            "clock": clock.source,
            "input": "noise" if asked.input is None else asked.input.name,
        }
        header = _header(network, asked.processor, runtime, plan)
        kept = asked.out.with_name(asked.out.name + ".journal")
        with Journal(kept, header, asked.resume) as journal:
            if asked.clocks:
                clock.give_back(journal.first_limits(clock.limits()))
            measure(network, plan, clock, journal, _progress(sys.stderr.isatty()))
            runtime |= _watched(clock)
    content = measurement.document(journal, network.name, network.sha256, asked.processor, runtime)
    measurement.write(content, asked.out)
    kept.unlink()
    _summarise(network, journal)
    found = measurement.steadiness(journal.visits)
    print(found.told(), file=sys.stderr)
    if not found.steady and not asked.accept_unsteady:
        print(
            f"{asked.out} is written, but not sent: --accept-unsteady takes it as it is",
            file=sys.stderr,
        )
        return _UNSTEADY
    if service is not None:
        # A service would have to guess at what clock a sample was taken that has none.
        sent = measurement.document(
            journal, network.name, network.sha256, asked.processor, runtime, moved=False
        )
        _upload(service, sent, asked)
    return 0


def _plan(asked: argparse.Namespace, clock: Clock) -> Plan:
    """What to run how often."""
    return Plan(
        repetitions=asked.repetitions,
        sessions=asked.sessions,
        warm_up=asked.warm_up,
        gap_s=asked.gap_s,
        parts=measurement.PARTS if asked.parts == "both" else (asked.parts,),
        clocks_hz=_clocks(asked, clock),
        threads=asked.threads,
        provider=asked.provider,
        seed=asked.seed,
        memory_byte=None if asked.memory_mb is None else asked.memory_mb * 10**6,
    )


def _header(
    network: Network, processor: str, runtime: dict[str, Any], plan: Plan
) -> dict[str, Any]:
    """What a run that goes on must agree with."""
    return {
        "model": network.name,
        "model_sha256": network.sha256,
        "cuts": [list(cut.tensors) for cut in network.cuts],
        "processor": processor,
        "runtime": runtime,
        "parts": plan.parts,
        "clocks_hz": plan.clocks_hz,
        "seed": plan.seed,
    }


def _network(asked: argparse.Namespace, folder: Path) -> Network:
    return open_network(
        asked.model,
        name=asked.name,
        shapes=dict(map(parse_shape, asked.shape)),
        values=dict(map(parse_value, asked.value)),
        sizes=dict(map(parse_size, asked.size)),
        options=Options(max_tensors=asked.max_tensors, fusion_boundaries=asked.fusion_boundaries),
        profile=_profile(asked),
        feeds=None if getattr(asked, "input", None) is None else load_feeds(asked.input),
        seed=asked.seed,
        folder=folder,
    )


def _profile(asked: argparse.Namespace) -> Mapping[str, Any] | None:
    if asked.profile is None:
        return None
    profile: Mapping[str, Any] = json.loads(asked.profile.read_text(encoding="utf-8"))
    return profile


def _clock(asked: argparse.Namespace, cores: Sequence[int]) -> Clock:
    return chosen_clock(
        cores,
        asked.sysfs,
        declared_hz=asked.frequency_hz,
        devfreq=asked.devfreq,
        cpu_hz=asked.cpu_clock,
        setting=bool(asked.clocks),
        tell=lambda words: print(words, file=sys.stderr),
    )


def _clocks(asked: argparse.Namespace, clock: Clock) -> tuple[float | None, ...]:
    if not asked.clocks:
        return (None,)
    if asked.clocks == "all":
        return clock.levels_hz()
    return tuple(float(word) for word in asked.clocks.split(","))


def _quantize(asked: argparse.Namespace) -> int:
    with TemporaryDirectory(prefix=asked.out.name + ".", dir=asked.out.parent) as folder:
        network = _network(asked, Path(folder))
        inputs = quantization.load_inputs(asked.calibration, network)
        labels = None if asked.labels is None else quantization.load_labels(asked.labels)
        show = _progress(sys.stderr.isatty())
        losses = list(
            quantization.measure_losses(
                network, inputs, asked.bits, labels, asked.measure, asked.threads, show
            )
        )
    profile = _profile(asked) or network.profile()
    how = (
        "accuracy lost against labels"
        if labels is not None
        else "against the network without quantization"
    )
    told = (
        f"losses measured on {len(inputs)} inputs, {how}; each tensor in equal steps from its least"
        " to its largest"
    )
    measurement.write(quantization.with_losses(profile, losses, told), asked.out)
    print(f"{'cut':>4} " + " ".join(f"{bits:>3} bit" for bits in asked.bits) + "  name")
    for cut, by_bits in losses:
        columns = " ".join(f"{by_bits[bits]:7.4f}" for bits in asked.bits)
        print(f"{cut:>4} {columns}  {network.cuts[cut].name}")
    return 0


def _service(asked: argparse.Namespace, network: Network, plan: Plan) -> Service:
    """Where the file will go; an hour of measuring is not begun for one that would be refused."""
    service = Service(asked.upload, os.environ.get("SPLITPLAN_API_KEY"))
    service.require(network.name, network.sha256, asked.processor, plan.parts)
    return service


def _watched(clock: Clock) -> dict[str, str]:
    """What a run saw of its clock beside the readings themselves."""
    for doubt in clock.doubts():
        print(f"doubt: {doubt}", file=sys.stderr)
    told = "; ".join(clock.doubts())
    beside = {"cpu_clock": clock.beside} if isinstance(clock, Beside) else {}
    return beside | ({"clock_doubt": told} if told else {})


def _upload(service: Service, content: dict[str, Any], asked: argparse.Namespace) -> None:
    timing = asked.timing or f"{content['processor']}.{content['model']}"
    answer = service.send(content, timing)
    print(f"revision {answer.get('revision')} of the timing {timing}", file=sys.stderr)
    for finding in answer.get("quality", ()):
        place = " ".join(
            f"{name} {finding[name]}" for name in ("cut", "part") if finding.get(name) is not None
        )
        print(
            f"  {finding['severity']}: {place} {finding['check']}: {finding['detail']}",
            file=sys.stderr,
        )


def _summarise(network: Network, journal: Journal) -> None:
    print(
        f"{'cut':>4} {'clock':>9} {'device ms':>10} {'cv':>6} {'server ms':>10} {'cv':>6}"
        f" {'corr':>5}  name"
    )
    for each in measurement.times(journal.visits):
        clock = "-" if each.requested_hz is None else f"{each.requested_hz:.3g}"
        correlation = each.correlation()
        columns = [f"{each.cut:>4} {clock:>9}"]
        for samples in (each.device_s, each.server_s):
            told = (
                (f"{1e3 * samples.mean():.3f}", f"{samples.std() / samples.mean():.3f}")
                if len(samples)
                else ("-", "-")
            )
            columns.append(f"{told[0]:>10} {told[1]:>6}")
        columns.append(
            f"{'-' if correlation is None else f'{correlation:.2f}':>5} "
            f" {network.cuts[each.cut].name}"
        )
        print(" ".join(columns))


def _progress(terminal: bool) -> Callable[[int, int], None]:
    """A line that is written over on a terminal, and a line each tenth elsewhere."""
    began, first, told = time.monotonic(), None, -1.0

    def show(done: int, total: int) -> None:
        nonlocal first, told
        now = time.monotonic()
        first = done - 1 if first is None else first
        step, due = (0.2, now) if terminal else (total / 10.0, float(done))
        if due < told + step and done < total:
            return
        told = due
        left_s = (now - began) / (done - first) * (total - done)
        filled = 30 * done // total
        bar = f"[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} visits, {left_s:.0f} s left"
        print(
            f"\r{bar} " if terminal else bar,
            end="" if terminal and done < total else "\n",
            file=sys.stderr,
            flush=True,
        )

    return show


def _refuse(detail: str) -> int:
    print(f"error: {detail}", file=sys.stderr)
    return 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
