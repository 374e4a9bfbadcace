"""What tables on a terminal say of users."""

from typing import Any

import pytest

from client.present.users import USERS


def cell(kind: str, label: str, user: dict[str, Any]) -> str:
    """What one column says of a user."""
    return str(dict(USERS[kind])[label](user))


@pytest.mark.parametrize(
    ("user", "said"), [({"bits": 8}, "8"), ({"bits": 2, "codec": "jpeg-90"}, "jpeg-90")]
)
def test_a_codec_stands_where_its_bits_would(user: dict[str, Any], said: str) -> None:
    assert cell("multi-user", "bits", user) == said


def test_a_table_names_each_way_to_cut_once() -> None:
    rows = [
        {"cut_name": None},
        {"cut_name": "fc"},
        {"cut_name": "input", "codec": "jpeg-90"},
        {"cut_name": "input"},
        {"cut_name": "input"},
    ]
    said = cell("adaptive", "cut after", {"table": {"rows": rows}})
    assert said == "-, fc, input (jpeg-90), input"


def test_what_the_radio_draws_is_told() -> None:
    energy = {"radio_j": 0.0125}
    assert cell("stopping", "radio", {"expected": {"energy": energy}}) == "12.5 mJ"
