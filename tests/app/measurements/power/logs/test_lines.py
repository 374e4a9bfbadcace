"""Marks in files of lines."""

import pytest

from app.measurements.power.logs.lines import How, stretches
from tests.support.power import refused_at


def test_marks_begin_stretches() -> None:
    body = b"a\n#comment\n# idle\nb\n#run fast frequency_hz=1e9\nc\n# running on\nd\n# run\ne\n"
    found = [
        (number, line, stretch.name, stretch.idle, stretch.frequency_hz)
        for number, line, stretch in stretches(body, How(frequency_hz=5e8))
    ]
    assert found == [
        (1, "a", "1", False, 5e8),
        (4, "b", "2", True, 5e8),
        (6, "c", "fast", False, 1e9),
        (8, "d", "fast", False, 1e9),
        (10, "e", "4", False, 5e8),
    ]


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("# run a b", "'b' says nothing here: a `# run` takes frequency_hz=…, time_s=…"),
        ("# run speed=3", "'speed=3' says nothing"),
        ("# idle time_s=3", "a `# idle` takes frequency_hz=…"),
        ("# run frequency_hz=fast", "frequency_hz must be a number"),
        ("# run frequency_hz=1", "frequency_hz must be from 1000"),
        ("# run time_s=0", "time_s must be from"),
        ("# run workload=", "says nothing"),
    ],
)
def test_a_mark_that_is_not_understood_is_refused(mark: str, words: str) -> None:
    pointer, detail = refused_at(lambda: list(stretches(f"a\n{mark}\nb".encode(), How())))
    assert pointer == "/lines/2"
    assert words in detail
