"""Server-sent events as the standard has them, however the bytes are cut."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.events import Event, events

STREAM = (
    b"\xef\xbb\xbf: a comment\n\nretry: 1500\nid: 7\nevent: progress\ndata: {\"a\":\n"
    b"data: 1}\r\n\r\ndata\r\rid\nevent: end\ndata:  two\ndata:\nx: y\n\nid: 1\x002\nretry: 1s\n"
    b"data: \xe2\x80\xa8\xff\n\nevent: alone\n\ndata: cut short\n"
)  # fmt: skip
READ = [
    Event("progress", '{"a":\n1}', "7", 1.5),
    Event("message", "", "7", 1.5),
    Event("end", " two\n", "", 1.5),
    Event("message", "\u2028\ufffd", "", 1.5),
]


def test_a_stream_is_read_by_the_standard() -> None:
    assert list(events([STREAM])) == READ


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    assert list(events(STREAM[a:b] for a, b in pairwise(ends))) == READ


def test_nor_that_they_come_one_by_one() -> None:
    assert list(events(STREAM[n : n + 1] for n in range(len(STREAM)))) == READ


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_any_line_end_will_do(line_end: bytes) -> None:
    stream = line_end.join([b"id: 3", b"data: x", b"", b"data: y", b"", b""])
    assert list(events([stream])) == [
        Event("message", "x", "3", None),
        Event("message", "y", "3", None),
    ]


def test_an_event_is_told_as_soon_as_it_is_complete() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"data: x\r\n\r"
        pytest.fail("more was asked for before the event was told")

    assert next(events(chunks())).data == "x"
