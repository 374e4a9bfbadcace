"""Compressed bodies, piece by piece."""

import gzip
import zlib

import pytest

from app.errors import MalformedEncoding
from app.http import unpacking
from app.http.unpacking import PIECE_BYTE, Unpacking


@pytest.mark.parametrize("at_a_time", [1, 7, 1_000_000])
def test_nothing_is_lost_however_it_comes(at_a_time: int) -> None:
    content = bytes(range(256)) * 8000
    packed = gzip.compress(content[:5]) + gzip.compress(content[5:])
    stream = Unpacking()
    pieces: list[bytes] = []
    for at in range(0, len(packed), at_a_time):
        pieces += stream.pieces(packed[at : at + at_a_time])
    stream.end()
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTE


def test_little_that_becomes_much_comes_in_pieces_that_are_asked_for() -> None:
    packed = gzip.compress(b"\0" * 20 * PIECE_BYTE)
    pieces = Unpacking().pieces(packed)
    assert len(next(pieces)) == PIECE_BYTE


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"{}",
        zlib.compress(b"{}"),
        gzip.compress(b"{}", mtime=0)[:-1],
        gzip.compress(b"{}", mtime=0) + b"{}",
        gzip.compress(b"{}", mtime=0)[:-8] + b"\0" * 8,
        gzip.compress(b"{}", mtime=0) * (unpacking._MOST_MEMBERS + 1),
    ],
)
def test_what_is_no_gzip_is_refused(packed: bytes) -> None:
    def unpack() -> None:
        stream = Unpacking()
        list(stream.pieces(packed))
        stream.end()

    with pytest.raises(MalformedEncoding):
        unpack()
