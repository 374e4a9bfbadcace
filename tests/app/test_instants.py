"""One form for every instant."""

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from app import instants

INSTANT = datetime(2026, 11, 20, 9, 30, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "kept",
    [
        INSTANT,
        INSTANT.astimezone(timezone(timedelta(hours=2))),
        "2026-11-20T09:30:00.250000+00:00",
        "2026-11-20T09:30:00.250000Z",
        "2026-11-20T10:30:00.250000+01:00",
    ],
)
def test_whatever_was_kept_is_told_in_utc(kept: datetime | str) -> None:
    assert instants.text(kept) == "2026-11-20T09:30:00.250000Z"
    assert instants.texts([None, kept]) == [None, "2026-11-20T09:30:00.250000Z"]
    told = instants.in_text({"at": kept, "plan": "2026-11-20T09:30:00+00:00", "since": None}, "at")
    assert told == {
        "at": "2026-11-20T09:30:00.250000Z",
        "plan": "2026-11-20T09:30:00+00:00",
        "since": None,
    }


def test_json_and_text_say_the_same() -> None:
    for instant in (INSTANT, INSTANT.replace(microsecond=0)):
        assert orjson.loads(instants.json([instant])) == [instants.text(instant)]
