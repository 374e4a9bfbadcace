"""The Prefer header, well formed and not."""

import pytest

from app.http.preferences import Preferences, preferences

MOST_S = 60.0


@pytest.mark.parametrize(
    ("header", "respond_async", "wait_s"),
    [
        (None, False, None),
        ("", False, None),
        ("respond-async", True, None),
        ("Respond-Async", True, None),
        ("respond-async; foo=bar", True, None),
        ("wait=2", False, 2.0),
        ("WAIT=2", False, 2.0),
        ("wait = 2", False, 2.0),
        ('wait="2"', False, 2.0),
        ("wait=0", False, 0.0),
        ("wait=1.5", False, 1.5),
        ("respond-async, wait=10", True, 10.0),
        ("wait=10,respond-async", True, 10.0),
        ("wait=3600", False, MOST_S),
        ("wait=2, wait=9", False, 2.0),
        ("handling=lenient; x, wait=2", False, 2.0),
        (",,, ;;==, wait=2,", False, 2.0),
        # Not a number of seconds: as if it had not been said.
        ("wait", False, None),
        ("wait=", False, None),
        ("wait=soon", False, None),
        ("wait=-1", False, None),
        ("wait=nan", False, None),
        ("wait=inf", False, None),
        ("wait=1e3", False, None),
        ("wait=1_0", False, None),
        ("wait=\u00b2", False, None),
        ("wait=" + "9" * 5000, False, None),
        ('wait="2', False, None),
        ("\u00ff", False, None),
    ],
)
def test_preferences_are_read(
    header: str | None, respond_async: bool, wait_s: float | None
) -> None:
    assert preferences(header, MOST_S) == Preferences(respond_async, wait_s)


def test_what_was_honoured_is_told() -> None:
    assert Preferences().applied == {}
    assert Preferences(respond_async=True).applied == {"Preference-Applied": "respond-async"}
    assert Preferences(wait_s=1.5).applied == {"Preference-Applied": "wait=1.5"}
    assert Preferences(respond_async=True, wait_s=2.0).applied == {
        "Preference-Applied": "respond-async, wait=2"
    }


@pytest.mark.parametrize(
    "header", ["wait=" + " " * 60_000 + '"x"y', "wait" + " " * 60_000 + "x", "wait;" * 12_000]
)
def test_a_long_header_is_read_in_no_time(header: str) -> None:
    # A pattern that goes back over blanks would take hours here.
    assert preferences(header, MOST_S).wait_s is None
