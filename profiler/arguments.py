"""What the command line may say."""

import argparse
from collections.abc import Callable
from pathlib import Path

from profiler import measurement, quantization

Command = Callable[[argparse.Namespace], int]


def argument_parser(
    description: str | None, *, measuring: Command, quantizing: Command
) -> argparse.ArgumentParser:
    """Of the commands `run` and `quantize`, each with what carries it out as `command`."""
    parser = argparse.ArgumentParser(prog="splitplan-profiler", description=description)
    commands = parser.add_subparsers(required=True)
    network = _network()
    run = commands.add_parser(
        "run", parents=[network], help="measure how long each side of each cut takes"
    )
    _add_run(run)
    run.set_defaults(command=measuring)
    quantize = commands.add_parser(
        "quantization",
        parents=[network],
        help="measure what each cut loses when its feature is sent with fewer bits",
    )
    _add_quantization(quantize)
    quantize.set_defaults(command=quantizing)
    return parser


def _network() -> argparse.ArgumentParser:
    """Which network, and which of its cuts."""
    network = argparse.ArgumentParser(add_help=False)
    network.add_argument("model", type=Path, help="the ONNX file")
    network.add_argument("--name", help="name of the model profile (default: from the file's name)")
    network.add_argument(
        "--shape",
        action="append",
        default=[],
        help="dimensions of an input, as in data:1,3,224,224",
    )
    network.add_argument(
        "--value",
        action="append",
        default=[],
        help="what an input is wherever the network runs, as in sr:16000",
    )
    network.add_argument(
        "--size",
        action="append",
        default=[],
        help="what depends on the data, as it usually is: boxes:100",
    )
    network.add_argument(
        "--profile",
        type=Path,
        help="model profile (JSON) whose cuts to use, as the service gives it",
    )
    network.add_argument(
        "--max-tensors", type=int, default=1, help="without a profile: how many tensors may cross"
    )
    network.add_argument(
        "--fusion-boundaries",
        action="store_true",
        help="without a profile: no cuts inside a kernel",
    )
    network.add_argument("--seed", type=int, default=0, help="of noise and order")
    return network


def _add_run(run: argparse.ArgumentParser) -> None:
    """How often to measure what, at which clocks, and where it goes."""
    run.add_argument(
        "--processor", required=True, help="name of the device or server profile this machine is"
    )
    run.add_argument("--out", type=Path, required=True, help="measurement file to write")
    run.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    run.add_argument(
        "--repetitions", type=_count, default=50, help="of each cut, clock and session (default 50)"
    )
    run.add_argument("--sessions", type=_count, default=2, help="default 2")
    run.add_argument(
        "--gap-s", type=float, default=30.0, help="seconds between sessions (default 30)"
    )
    run.add_argument("--warm-up", type=int, default=10, help="runs that do not count (default 10)")
    run.add_argument(
        "--parts",
        choices=["both", *measurement.PARTS],
        default="both",
        help="sides to run (default both)",
    )
    run.add_argument("--threads", type=_count, default=1, help="default 1")
    run.add_argument(
        "--cores", type=_cores, help="cores to stay on, as in 2,3 (default: the last ones)"
    )
    run.add_argument(
        "--provider", default="CPUExecutionProvider", help="onnxruntime's execution provider"
    )
    run.add_argument("--input", type=Path, help=".npz with the inputs by name (default: noise)")
    run.add_argument(
        "--clocks",
        help="clocks to set in Hz, as in 7.3e8,1.19e9, or all (default: leave the clock alone)",
    )
    run.add_argument(
        "--devfreq",
        help="name of the devfreq device whose clock it is, a GPU say (default: the cores')",
    )
    run.add_argument(
        "--cpu-clock",
        type=float,
        help="with --devfreq: clock in Hz at which to hold the cores (default: recorded only)",
    )
    run.add_argument(
        "--frequency-hz", type=float, help="declare the clock of a machine that does not tell it"
    )
    run.add_argument(
        "--accept-unsteady", action="store_true", help="succeed although the clock changed"
    )
    run.add_argument(
        "--memory-mb", type=_count, help="for loaded cuts (default: half of what is free)"
    )
    run.add_argument("--upload", metavar="URL", help="send the file to the service there")
    run.add_argument(
        "--timing", help="timing profile that the file goes to (default: PROCESSOR.MODEL)"
    )
    run.add_argument("--sysfs", type=Path, default=Path("/sys"), help=argparse.SUPPRESS)


def _add_quantization(quantize: argparse.ArgumentParser) -> None:
    """On which samples to measure losses, and of how many bits."""
    quantize.add_argument(
        "--calibration",
        type=Path,
        required=True,
        help=".npz of samples, or a folder of .npz or .npy",
    )
    quantize.add_argument(
        "--labels", type=Path, help=".npy or text with the right class of each sample"
    )
    quantize.add_argument(
        "--bits", type=_bits, default=_bits("2,4,6,8,16"), help="default 2,4,6,8,16"
    )
    quantize.add_argument(
        "--measure", choices=[quantization.TOP1, quantization.RELATIVE], help="default: as it fits"
    )
    quantize.add_argument("--threads", type=_count, default=1, help="default 1")
    quantize.add_argument(
        "--out", type=Path, required=True, help="model profile to write, with its losses"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _bits(text: str) -> tuple[int, ...]:
    bits = sorted({int(word) for word in text.split(",")})
    if not 1 <= bits[0] <= bits[-1] <= 32:
        raise argparse.ArgumentTypeError("must lie between 1 and 32")
    return tuple(bits)


def _cores(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))
