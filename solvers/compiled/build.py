"""Compiles the sources into one shared library that knows no Python.

Standard library only: a build runs this file before anything of the project is installed.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parent / "sources"
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}
LIBRARY = "libsplitplan" + _SUFFIX.get(sys.platform, ".so")
# Portable, and the same digits wherever it runs: no instructions of this machine alone, none fused.
FLAGS = [
    "-std=c11",
    "-O3",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
]


class NotBuilt(Exception):
    """No compiler, or none that compiles this."""


def digest() -> str:
    """What the sources say: a library tells from which it was built."""
    content = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.[ch]")):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()[:16]


def compilers() -> Iterator[list[str]]:
    """Commands to try: the one that `CC` names, the machine's own, the one of a package."""
    for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")):
        command = name.split()
        if shutil.which(command[0]):
            yield command
    if importlib.util.find_spec("ziglang") is not None:
        yield [sys.executable, "-m", "ziglang", "cc", *_any_machine()]


def _any_machine() -> list[str]:
    """Zig compiles for the machine that it runs on, unless it is told of a kind."""
    if sys.platform != "linux":
        return ["-mcpu=baseline"]
    libc = "gnu.2.17" if platform.libc_ver()[0] == "glibc" else "musl"
    return ["-target", f"{platform.machine()}-linux-{libc}"]


def build(target: Path) -> None:
    """Write the library to `target`, whole or not at all.

    Raises
    ------
    NotBuilt : with what every compiler said.
    """
    files = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    partial = target.with_name(f".{os.getpid()}-{target.name}")
    said = []
    try:
        for command in compilers():
            done = subprocess.run(  # noqa: S603
                [*command, *FLAGS, f'-DSP_SOURCES="{digest()}"', *files, "-o", str(partial), "-lm"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                partial.replace(target)
                return
            said.append(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    finally:
        partial.unlink(missing_ok=True)
    raise NotBuilt("\n".join(said) or "no C compiler: neither CC, cc, gcc, clang nor ziglang")


def bring(target: Path) -> None:
    """Have the library of these sources at `target`: the one beside this file, if it is theirs.

    Raises
    ------
    NotBuilt : with what every compiler said.
    """
    here = SOURCES.parent / LIBRARY
    if not (here.is_file() and digest().encode() in here.read_bytes()):
        build(target)
    elif here.resolve() != target.resolve():
        shutil.copy2(here, target)


if __name__ == "__main__":
    try:
        bring(SOURCES.parent / LIBRARY)
    except NotBuilt as error:
        sys.exit(f"the kernel is not compiled: {error}")
