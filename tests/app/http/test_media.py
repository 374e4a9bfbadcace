"""What a body is declared to be, and which answer its caller would rather read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from app.http.media import ARROW, CSV, JSON, PARQUET, MediaType, content_type, elements, preferred

OFFERED = (JSON, CSV, ARROW, PARQUET)


def accepting(*lines: str) -> Headers:
    return Headers(raw=[(b"accept", line.encode("latin-1")) for line in lines])


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        # Excluded by a weight of 0, however it is written.
        (f"{JSON}, {CSV};q=0", JSON),
        (f"{CSV};q=0.000", JSON),
        (f"*/*, {JSON};q=0", CSV),
        (f"application/*, {JSON};q=0, {ARROW};q=0", PARQUET),
        (f"text/*;q=0, {CSV}", CSV),
        (f"{CSV};q=0, text/*", JSON),
        # The most specific range counts, wherever it stands.
        ("text/*;q=0.1, */*;q=0.9", JSON),
        (f"*/*;q=0.9, {PARQUET}", PARQUET),
        ("application/*;q=0.3, text/csv;q=0.2", JSON),
        (f"{CSV};charset=utf-8;q=0.2, {CSV};q=0.9, {JSON};q=0.5", JSON),
        (f"{CSV};header=present, {JSON};q=0.5", CSV),
        (f"{CSV};header=absent, {JSON};q=0.5", JSON),
        (f"{CSV};header=absent, {CSV};q=0.4, {JSON};q=0.5", JSON),
        (f'{CSV};charset="UTF-8", {JSON};q=0.5', CSV),
        # Of equals the first that is offered.
        ("*/*", JSON),
        (f"{CSV}, {JSON}", JSON),
        (f"{PARQUET};q=0.5, {CSV};q=0.5", CSV),
        # Names in any case, blanks, empty elements, quotes with commas in them.
        ("TEXT/CSV", CSV),
        (f" {CSV} ;\tQ=1.0 , {JSON};q=0.999", CSV),
        (f",, {CSV},", CSV),
        (f'{JSON};x="a, {CSV}";q=0.5, {PARQUET};q=0.6', PARQUET),
        # What is malformed is not there.
        (f"{CSV};q=2, {PARQUET};q=0.1", PARQUET),
        (f"{CSV};q=-1, {PARQUET};q=0.1", PARQUET),
        (f"{CSV};q=nan, {PARQUET};q=0.1", PARQUET),
        (f"{CSV};q=0.1234, {PARQUET};q=0.1", PARQUET),
        (f"csv, {PARQUET};q=0.1", PARQUET),
        # Nothing acceptable: the first.
        ("image/png", JSON),
        (f"{JSON};q=0", JSON),
        ("*/*;q=0", JSON),
        ("", JSON),
        (f"{CSV};header=absent", CSV),
    ],
)
def test_the_most_specific_range_gives_the_weight(accept: str, answered: str) -> None:
    assert preferred(accepting(accept), OFFERED) == answered


def test_without_a_preference_the_first_is_answered() -> None:
    assert preferred(accepting(), OFFERED) == JSON


def test_a_header_may_be_spread_over_lines() -> None:
    assert preferred(accepting(f"{JSON};q=0.1", f"{CSV};q=0.2"), OFFERED) == CSV


@pytest.mark.slow
@given(
    st.permutations([f"{JSON};q=0.3", f"{CSV};q=0.5", "application/*;q=0.4", "*/*;q=0.6"]),
    st.permutations(OFFERED),
)
def test_the_order_of_a_header_says_nothing(ranges: list[str], offered: list[str]) -> None:
    assert preferred(accepting(", ".join(ranges)), offered) == CSV


@given(st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60))
def test_any_header_is_answered(accept: str) -> None:
    assert preferred(accepting(accept), OFFERED) in OFFERED


@pytest.mark.parametrize("piece", ['"', "\\", ";", ",", " ", "a/b;", 'a/b;c="', ";q=0"])
def test_a_long_header_takes_no_longer_than_its_length(piece: str) -> None:
    long = piece * (200_000 // len(piece))  # in quadratic time it would end by the suite's timeout
    assert preferred(accepting(long), OFFERED) == JSON
    declared = content_type(Headers({"content-type": "a/b" + long}))
    assert declared is None or declared.essence == "a/b"


@pytest.mark.parametrize(
    ("declared", "essence", "parameters"),
    [
        ("application/json", "application/json", {}),
        ("Application/JSON ; Charset=UTF-8", "application/json", {"charset": "UTF-8"}),
        ('text/csv;charset="utf-8";header=present', CSV, {"charset": "utf-8", "header": "present"}),
        (r'a/b;c="x\"y;z=1, \\"', "a/b", {"c": 'x"y;z=1, \\'}),
        ("a/b;", "a/b", {}),
        ("a/b;;c=d", "a/b", {"c": "d"}),
        ("a/b;c=d;C=e", "a/b", {"c": "d"}),
    ],
)
def test_a_media_type_is_read_with_its_parameters(
    declared: str, essence: str, parameters: dict[str, str]
) -> None:
    found = content_type(Headers({"Content-Type": declared}))
    assert found == MediaType(essence, parameters)


@pytest.mark.parametrize(
    "declared", ["", "json", "a/", "/b", "a /b", "a/b c", "a/b;c", "a/b;c=", 'a/b;c="', "a/b,c/d"]
)
def test_what_is_no_media_type_is_not_guessed(declared: str) -> None:
    assert content_type(Headers({"Content-Type": declared})) is None


@pytest.mark.parametrize(
    ("essence", "is_json"),
    [
        (JSON, True),
        ("application/merge-patch+json", True),
        ("application/x+jsonl", False),
        ("text/json", False),
        ("model/x+json", False),
    ],
)
def test_json_has_formats_written_in_it(essence: str, is_json: bool) -> None:
    assert MediaType(essence).is_json == is_json


def test_a_list_keeps_its_quoted_commas() -> None:
    assert elements(accepting('"a,b" , c,, "d'), "accept") == ['"a,b"', "c", '"d']
