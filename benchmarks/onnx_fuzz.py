"""Damaged model files and what the reader makes of each:
`python -m benchmarks.onnx_fuzz [files] [seed]`.

Every file is read in a fork of its own, under the limits of the service's reader, so that a crash
or a hang is seen and counted. What may happen: a network, or `Unreadable` with a sentence.
"""

import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from benchmarks.machine import describe
from solvers.onnx_reader import Options, Unreadable, read
from solvers.onnx_reader.__main__ import limit
from tests.support.onnx.graphs import SMALL, light
from tests.support.onnx.mutations import damaged

FILES = 10_000
SEED = 20261121
LIGHT = ("bvlc_alexnet", "squeezenet", "shufflenet", "resnet50", "inception_v1")
HANG_S = 20
READ, REFUSED, TOO_LARGE, UNEXPECTED = 0, 10, 11, 12
ENDS = {
    READ: "read",
    REFUSED: "refused",
    TOO_LARGE: "too large for the limits",
    UNEXPECTED: "unexpected exception",
}


def attempt(content: bytes, options: Options, shapes: dict[str, tuple[int, ...]]) -> str:
    """How reading it ends: "read", "refused", or what must not be."""
    child = os.fork()
    if child == 0:
        status = UNEXPECTED
        try:
            limit(2 * 2**30, HANG_S)
            read(content, shapes, options)
            status = READ
        except Unreadable:
            status = REFUSED
        except (RecursionError, MemoryError):
            status = TOO_LARGE
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    # It waits for nothing, so the limit of its processor time ends it.
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"died of {signal.Signals(os.WTERMSIG(status)).name}"
    return ENDS[os.WEXITSTATUS(status)]


def fuzz(files: int, seed: int, keep: Path | None = None) -> Counter[str]:
    """Read that many damaged files; those that end badly are kept in the folder."""
    small = [maker().SerializeToString() for maker in SMALL.values()]
    seeds = small * 3 + [light(name) for name in LIGHT]
    ends: Counter[str] = Counter()
    for number in range(files):
        rng = random.Random(seed + number)
        content = damaged(seeds, rng)
        options = Options(
            max_tensors=rng.choice((1, 1, 2, 3)), fusion_boundaries=rng.random() < 0.3
        )
        end = attempt(content, options, {"x": (2, 8, 4, 4)} if b"batch" in content else {})
        ends[end] += 1
        if number % 1000 == 999:
            print(f"{number + 1}: {dict(ends)}", file=sys.stderr, flush=True)
        if keep is not None and end not in (ENDS[READ], ENDS[REFUSED]):
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{seed + number}.onnx").write_bytes(content)
    return ends


def main(files: int = FILES, seed: int = SEED) -> None:
    """Print how many ended in which way."""
    start = time.perf_counter()
    ends = fuzz(files, seed, Path(tempfile.gettempdir(), "onnx-fuzz"))
    print(
        f"{files} damaged files from seed {seed}, {time.perf_counter() - start:.0f} s on"
        f" {describe()}\n"
    )
    for end, count in ends.most_common():
        print(f"- {end}: {count}")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"- largest process: {largest:.0f} MiB\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
