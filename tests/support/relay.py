"""A TCP relay between a client and the service: it loses answers, breaks connections, and moves to
another service.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Trouble:
    """What becomes of the answer to the next request that contains `request`, after so many
    bytes.
    """

    request: bytes
    after_byte: int
    then: Literal["cut", "mute"] = "cut"


class Relay:
    """Listens at `url` and passes bytes on to the service at `upstream`; `requests` keeps what
    clients sent.
    """

    def __init__(self, upstream: str, *troubles: Trouble) -> None:
        self.upstream = upstream
        self.troubles = list(troubles)
        self.requests: list[bytes] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Relay":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=10.0)

    def move(self, upstream: str) -> None:
        """Pass new connections on to another service."""
        self.upstream = upstream

    def cut(self) -> None:
        """Break every connection."""
        for end in list(self._open):
            _close(end)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            address = urlsplit(self.upstream)
            try:
                far = socket.create_connection((address.hostname, address.port))
            except OSError:
                _close(near)
                continue
            self._open |= {near, far}
            pair = _Pair(self, near, far)
            self._start(pair.there)
            self._start(pair.back)


class _Pair:
    def __init__(self, relay: Relay, near: socket.socket, far: socket.socket) -> None:
        self._relay, self._near, self._far = relay, near, far
        self._trouble: Trouble | None = None
        self._passed_byte = 0

    def there(self) -> None:
        try:
            while data := self._near.recv(2**16):
                self._relay.requests.append(data)
                if b" HTTP/1.1\r\n" in data:  # else it is more of the same request
                    self._trouble = next(
                        (one for one in self._relay.troubles if one.request in data), None
                    )
                    self._passed_byte = 0
                if self._trouble in self._relay.troubles:
                    self._relay.troubles.remove(self._trouble)
                self._far.sendall(data)
        except OSError:
            pass  # cut
        self._close()

    def back(self) -> None:
        try:
            while data := self._far.recv(2**16):
                if (trouble := self._trouble) is not None:
                    data = data[: max(0, trouble.after_byte - self._passed_byte)]
                    self._passed_byte += len(data)
                self._near.sendall(data)
                if (
                    trouble is not None
                    and self._passed_byte >= trouble.after_byte
                    and trouble.then == "cut"
                ):
                    break
        except OSError:
            pass  # cut
        self._close()

    def _close(self) -> None:
        _close(self._near)
        _close(self._far)


def _close(end: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        end.shutdown(socket.SHUT_RDWR)
    end.close()
