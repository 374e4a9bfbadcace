"""Entity tags: which answer a caller holds, and which it wants to change."""

import pytest
from starlette.datastructures import Headers

from app.errors import InvalidRequest
from app.http.etags import held, to_change


def sent(name: str, *lines: str) -> Headers:
    return Headers(raw=[(name.lower().encode(), line.encode("latin-1")) for line in lines])


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        ([], False),
        (['"3"'], True),
        (['W/"3"'], True),
        (['"1","3"'], True),
        (['"1"', '"3"'], True),
        (["*"], True),
        (['"1,"3""'], False),
        (['"a,\\"3\\""'], False),
        (["3"], False),
        (['"33"'], False),
        (['w/"3"'], False),
        ([""], False),
    ],
)
def test_a_held_answer_is_one_of_the_list(lines: list[str], known: bool) -> None:
    assert held(sent("If-None-Match", *lines), '"3"') == known


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        (["*"], None),
        (['"3"'], ['"3"']),
        (['"1", W/"2"', '"3"'], ['"1"', '"3"']),
        (['W/"2"'], []),
        (['"a,b"'], ['"a,b"']),
    ],
)
def test_only_strong_tags_change_anything(lines: list[str], tags: list[str] | None) -> None:
    assert to_change(sent("If-Match", *lines)) == tags


@pytest.mark.parametrize("line", ["", ",", "3", '"3', 'w/"3"', '"3" "4"', '*, "3"'])
def test_what_is_no_tag_is_refused(line: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_change(sent("If-Match", line))
    assert refused.value.errors[0].parameter == "If-Match"
