"""What survives a kill."""

from pathlib import Path

import pytest

from profiler.journal import Journal, JournalConflict, Reading, Sitting, Visit

HEADER = {"model": "net", "clocks_hz": (None,)}
VISIT = Visit(0, 0, 0, 0, 3, 0, 1.19e9, 1.19e9, 1.18e9, Reading(0.25, 0.2, 1), None)


def a_journal(path: Path, visits: int = 3) -> Path:
    with Journal(path, HEADER) as journal:
        journal.sit(Sitting(0, "2026-11-20T09:00:00+00:00"))
        for order in range(visits):
            journal.add(VISIT._replace(order=order))
        journal.sync()
    return path


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    with Journal(a_journal(tmp_path / "j"), HEADER, resume=True) as journal:
        assert journal.sittings == [Sitting(0, "2026-11-20T09:00:00+00:00")]
        assert journal.visits == [VISIT._replace(order=order) for order in range(3)]


def test_the_limits_of_the_first_sitting_are_those_to_give_back(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", HEADER) as journal:
        assert journal.first_limits(("422400", "1907200")) == ("422400", "1907200")
    with Journal(tmp_path / "j", HEADER, resume=True) as journal:
        assert journal.first_limits(("729600", "729600")) == ("422400", "1907200")


def test_a_line_that_a_kill_cut_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = a_journal(tmp_path / "j")
    whole = path.read_bytes()
    for cut in range(1, 60, 7):
        path.write_bytes(whole[:-cut])
        with Journal(path, HEADER, resume=True) as journal:
            assert len(journal.visits) == 2
            journal.add(VISIT._replace(order=2))
        assert path.read_bytes() == whole


def test_a_journal_that_was_killed_before_its_header(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"schema')
    with Journal(path, HEADER, resume=True) as journal:
        journal.sit(Sitting(0, "now"))
    with Journal(path, HEADER, resume=True) as journal:
        assert journal.sittings == [Sitting(0, "now")]


def test_samples_in_the_way_are_not_thrown_away(tmp_path: Path) -> None:
    path = a_journal(tmp_path / "j")
    with pytest.raises(JournalConflict, match="go on with --resume"):
        Journal(path, HEADER)
    assert path.exists()


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    path = a_journal(tmp_path / "j")
    with pytest.raises(JournalConflict, match="its model is 'net', not 'other'"):
        Journal(path, HEADER | {"model": "other"}, resume=True)


@pytest.mark.parametrize("line", [b"[1]\n", b'{"visit": [1, 2]}\n', b"\x00\xff\n", b"{}\n"])
def test_a_broken_line_is_told(tmp_path: Path, line: bytes) -> None:
    path = a_journal(tmp_path / "j")
    with path.open("ab") as file:
        file.write(line)
    with pytest.raises(JournalConflict, match="line 6, is no line of a journal"):
        Journal(path, HEADER, resume=True)
