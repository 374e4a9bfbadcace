"""The workers that `serve` keeps beside itself: started again when one dies, and gone when it
is.
"""

import logging
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

_COMMAND = (sys.executable, "-m", "app.command", "worker", "--with-parent")
# A worker that dies at once is not started again at once.
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LOOK_S = 0.2
# Beyond the workers' own grace: to hand their plans back and to log it.
_HAND_BACK_S = 15.0


class WorkerPool:
    """A number of worker processes."""

    def __init__(self, size: int, grace_s: float) -> None:
        self._grace_s = grace_s
        self._ending = threading.Event()
        self._supervisors = [
            threading.Thread(target=self._supervise, name=f"worker-{n}") for n in range(size)
        ]

    def __enter__(self) -> Self:
        for supervisor in self._supervisors:
            supervisor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self._ending.set()
        for supervisor in self._supervisors:
            supervisor.join()

    def _supervise(self) -> None:
        pause_s = _PAUSE_S
        while not self._ending.is_set():
            begun = time.monotonic()
            # The pipe ends with this process, however that ends, and the worker with the pipe.
            with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE) as worker:  # noqa: S603 (our own command)
                while worker.poll() is None and not self._ending.wait(_LOOK_S):
                    pass
                if self._ending.is_set():
                    self._stop(worker)
                    return
            lived_s = time.monotonic() - begun
            pause_s = (
                _PAUSE_S if lived_s > _LONGEST_PAUSE_S else min(2.0 * pause_s, _LONGEST_PAUSE_S)
            )
            log.error(
                "a worker ended with code %s: another one starts in %.1f s",
                worker.returncode,
                pause_s,
            )
            self._ending.wait(pause_s)

    def _stop(self, worker: "subprocess.Popen[bytes]") -> None:
        worker.terminate()
        try:
            worker.wait(self._grace_s + _HAND_BACK_S)
        except subprocess.TimeoutExpired:
            log.error(
                "a worker did not stop in time and is killed: its plans go on with the next start"
            )
            worker.kill()
