"""Server-sent events (WHATWG HTML, 9.2), read from bytes as they come."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event, with the id and the reconnection time that are in force after it."""

    name: str
    data: str
    id: str | None
    retry_s: float | None


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events of a stream; one that is cut short is none."""
    last_id: str | None = None
    retry_s: float | None = None
    name, data = "", list[str]()
    for line in _lines(chunks):
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data), last_id, retry_s)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id" if "\0" not in value:
                last_id = value
            case "retry" if value.isascii() and value.isdecimal():
                retry_s = int(value) / 1000.0


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Complete lines; a line may end in CR, LF or both, and CR and LF may come in different
    chunks.
    """
    rest, begun, cr = b"", False, False
    for chunk in chunks:
        if cr and chunk:
            chunk, cr = chunk.removeprefix(b"\n"), False
        rest += chunk
        if not begun:
            if len(rest) < len(_BOM) and _BOM.startswith(rest):
                continue
            rest, begun = rest.removeprefix(_BOM), True
        cr = cr or rest.endswith(b"\r")
        *lines, rest = _LINE_END.split(rest)
        for line in lines:
            yield line.decode("utf-8", "replace")
