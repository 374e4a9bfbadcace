"""Processes of their own for what strangers sent: a library that trusts its input may end there and
takes nobody along.

A child is a module that calls `answer_all`. It reads one body at a time and stays for the next, so
that a small body costs a fraction of a millisecond; memory is limited before it reads anything, and
nothing that it answers is ever unpickled.
"""

import json
import os
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from typing_extensions import Buffer

# Both parts of what goes to and fro: what is said, and bytes.
_LENGTHS = struct.Struct("<QQ")
# Only what Python itself needs: no settings, no passwords.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG")
_TASKS = 1000
# What a large body leaves behind in a child goes back to the system with it.
_LARGE_BYTE = 8 * 2**20


class Broken(Exception):
    """The child ended over what it was sent."""


class Late(Exception):
    """The child took too long, and was ended."""


class Busy(Exception):
    """All children are at work."""


@dataclass
class _Child:
    process: "subprocess.Popen[bytes]"
    tasks: int = 0

    def end(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()


@dataclass
class Apart:
    """Children of one kind, started when they are first needed."""

    module: str
    memory_byte: int
    """Of a child's address space, libraries included."""
    time_s: float
    at_once: int = 2
    _idle: list[_Child] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._turns = threading.BoundedSemaphore(self.at_once)

    def ask(self, told: dict[str, Any], body: Buffer) -> tuple[dict[str, Any], bytes]:
        """What a child makes of a body. Raises Broken, Late, Busy."""
        if not self._turns.acquire(timeout=self.time_s):
            raise Busy
        try:
            return self._ask(self._taken(), told, memoryview(body))
        finally:
            self._turns.release()

    def close(self) -> None:
        """End the children that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _taken(self) -> _Child:
        """A child that waits and still lives, or a new one."""
        while True:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child is None:
                return self._started()
            if child.process.poll() is None:
                return child
            child.end()

    def _started(self) -> _Child:
        known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", self.module, str(self.memory_byte)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=known | {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
        return _Child(process)

    def _ask(
        self, child: _Child, told: dict[str, Any], body: memoryview
    ) -> tuple[dict[str, Any], bytes]:
        late = threading.Event()

        def end() -> None:
            late.set()
            child.process.kill()

        watch = threading.Timer(self.time_s, end)
        watch.daemon = True
        watch.start()
        try:
            assert child.process.stdin is not None
            assert child.process.stdout is not None
            _write(child.process.stdin, told, [body])
            answer = _read(child.process.stdout)
        except OSError:
            answer = None
        finally:
            watch.cancel()
        if answer is None:
            child.end()
            raise Late if late.is_set() else Broken
        child.tasks += 1
        if child.tasks >= _TASKS or max(len(body), len(answer[1])) > _LARGE_BYTE:
            child.end()
        else:
            with self._lock:
                self._idle.append(child)
        return answer


def answer_all(
    answer: Callable[[dict[str, Any], memoryview], tuple[dict[str, Any], Sequence[Buffer]]],
) -> None:
    """Be a child: answer what comes on standard input until nothing more does."""
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    into = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    while (asked := _read(sys.stdin.buffer)) is not None:
        told, parts = answer(asked[0], memoryview(asked[1]))
        _write(into, told, [memoryview(part).cast("B") for part in parts])
        del asked, parts


def _write(pipe: IO[bytes], told: dict[str, Any], parts: Sequence[memoryview]) -> None:
    said = json.dumps(told).encode()
    pipe.write(_LENGTHS.pack(len(said), sum(map(len, parts))) + said)
    for part in parts:
        pipe.write(part)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """What was said and the bytes with it; None where the other side has ended."""
    lengths = pipe.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    said, size = _LENGTHS.unpack(lengths)
    text, content = pipe.read(said), pipe.read(size)
    return None if len(text) < said or len(content) < size else (json.loads(text), content)
