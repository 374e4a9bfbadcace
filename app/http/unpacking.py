"""Bodies that were compressed on their way (RFC 9110, 8.4.1.3), unpacked piece by piece."""

import zlib
from collections.abc import Iterator

from app.errors import MalformedEncoding

CODINGS = ("gzip", "x-gzip")
PIECE_BYTE = 2**19
"""No more is unpacked at a time, however little it was packed into."""
# Tools that work on blocks write a member for each 64 KiB; one costs some microseconds.
_MOST_MEMBERS = 20_000
_GZIP = 16 + zlib.MAX_WBITS


class Unpacking:
    """One gzip stream, of however many members (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What more of the stream comes to, in pieces. Raises MalformedEncoding."""
        while packed:
            if self._member.eof:
                self._next_member()
            try:
                piece = self._member.decompress(packed, PIECE_BYTE)
            except zlib.error as error:
                raise MalformedEncoding(f"The body is not gzip: {_said(error)}.") from None
            packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece

    def end(self) -> None:
        """Nothing more comes. Raises MalformedEncoding where something is missing."""
        if not self._member.eof:
            raise MalformedEncoding("The body ends before its gzip stream does.")

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise MalformedEncoding(f"The body has more than {_MOST_MEMBERS} gzip members.")
        self._member = zlib.decompressobj(_GZIP)


def _said(error: zlib.error) -> str:
    return str(error).rpartition(": ")[2]
