"""CSV as Excel, LibreOffice, editors and programs write it."""

from typing import Any

import pytest

from app.columns_apart import Limits
from app.errors import InvalidRequest, MalformedColumns
from app.plans.robust.schemas import RobustUser
from app.plans.sheets import columns, fields_of, opened

FIELDS = fields_of(RobustUser)
ROWS = [
    {"id": "door", "distance_m": 40.5, "risk": 0.02},
    {"id": "lobby, left", "distance_m": 1500.0, "risk": None},
]
POINTS = 'id,distance_m,risk\ndoor,40.5,0.02\n"lobby, left",1500,\n'
COMMAS = "id;distance_m;risk\ndoor;40,5;2e-2\nlobby, left;1500;\n"
LIMITS = Limits(1000, 2**20)


def read(text: str | bytes) -> list[dict[str, Any]]:
    sheet = opened(text if isinstance(text, bytes) else text.encode(), FIELDS)
    try:
        rows: list[dict[str, Any]] = columns(sheet, FIELDS, LIMITS).to_pylist()
    except InvalidRequest as refused:
        raise InvalidRequest(sheet.located(refused.errors)) from None
    return rows


@pytest.mark.parametrize(
    "text",
    [
        POINTS,
        COMMAS,
        POINTS.encode("utf-8-sig"),
        POINTS.replace("\n", "\r\n"),
        POINTS.replace("\n", "\r"),
        POINTS.rstrip("\n"),
        "sep=;\r\n" + COMMAS,
        "\n  \n" + POINTS,
        COMMAS.replace(";", "\t"),
        COMMAS.replace("2e-2", ",02").replace("1500", "+1500,"),
        COMMAS.replace("40,5", "40.5").replace("1500", "1.5E3"),
        'id, distance_m ,risk\n door ,40.5, 0.02\n"lobby, left",1500," "\n',
        # Excel keeps the width of what was deleted, and rows too.
        "id;distance_m;risk;;\ndoor;40,5;0,02;;\n;;;;\n\n;; ;;\nlobby, left;1500;;;\n;;;;\n",
    ],
)
def test_one_fleet_however_it_was_saved(text: str | bytes) -> None:
    assert read(text) == ROWS


def test_numbers_texts_lists_and_nothing() -> None:
    (row,) = read('id,servers,cell,rate_hz,max_loss\n007,"[""a"", ""b""]",NaN,.5,\n')
    assert row == {
        "id": "007",
        "servers": ["a", "b"],
        "cell": "NaN",
        "rate_hz": 0.5,
        "max_loss": None,
    }
    assert read("id,risk\n") == read("id,risk") == []
    assert read("id,risk\na,1e999\n") == [{"id": "a", "risk": float("inf")}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,risk\na,0.1\n\nb,x\n", "line 4, column risk: must be a number, not 'x'"),
        ("id,risk\na,nan\n", "line 2, column risk: must be a number, not 'nan'"),
        ("id,risk\na,1_0\n", "must be a number"),
        ("id,deadline_s\na,150 ms\n", "not '150 ms': leave a unit out"),
        ('id,risk\na,"0,1"\n', "not '0,1': write 0.1, or separate columns by semicolons"),
        ("id;risk\na;1.234.567\n", "line 2, column risk: must be a number"),
        ("id;risk;rate_hz\na;0,1;\nb;;0.1\n", "line 3, column rate_hz: has a point, and other"),
        ("id;distance_m\na;1.500\n", "is 1.500, which may be 1500 or 1.500: write 1500, or 1.5"),
        ("id\tdistance_m\na\t1,500\n", "may be 1500 or 1.500: write 1500, or 1,5"),
        ("id,servers\na,nvidia-t4\n", 'line 2, column servers: must be a list as in ["one"'),
        ("id,servers\na,[1]\n", "must be a list as in"),
        ("id,,risk\na,,\nb,?,\n", "line 3: has a cell in column 2, which the header does not name"),
        ("id,deadline_ms\n", "column deadline_ms is not a field here: call it deadline_s, and say"),
        ("id,Distance_km\n", "call it distance_m, and say it in metres"),
        ("id,deadline\n", "call it deadline_s, and say it in seconds"),
        ("id,rsik\n", "check its spelling; is it 'risk'?"),
        ("id,risk, id \n", "columns 1 and 3 are both called id"),
        ("", "the first line must name the columns"),
        (",,\n1,2,3\n", "the first line must name the columns"),
        ("door,jetson,40\n", "column door is not a field here"),
    ],
)
def test_what_could_be_meant_otherwise_is_refused_where_it_stands(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(text)
    assert told in refused.value.errors[0].detail


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "id,risk\na,0,1\n",
            "Line 2 has 3 cells and the header 2: put a cell with one of",
        ),
        ('id,risk\n"a\nb",1\nc\n', "Line 4 has 1 cells and the header 2"),
        ('id,risk\na,"1\n', "The body is not CSV: unexpected end of data"),
        ("id;risk,device\n", "The header has commas and semicolons between its names"),
        ('id,"ri\nsk"\n', "The header is not CSV"),
        ("," * 1000, "more than 1000 columns"),
        ("id\nä".encode("latin-1"), 'Line 2 is not UTF-8: save it as "CSV UTF-8"'),
        (POINTS.encode("utf-16"), "not UTF-8"),
        (POINTS.encode("utf-16-le"), "NULs"),
        (b"PK\x03\x04\xff\xff", "not UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(body: str | bytes, told: str) -> None:
    with pytest.raises(MalformedColumns, match=told):
        read(body)


def test_only_the_first_faults_are_listed_in_the_order_of_rows() -> None:
    text = "id,risk,rate_hz\n" + "".join(f"c{n},x,y\n" for n in range(300))
    with pytest.raises(InvalidRequest) as refused:
        read(text)
    assert len(refused.value.errors) == 100
    assert [fault.pointer for fault in refused.value.errors[:3]] == [
        "/users/0/risk",
        "/users/0/rate_hz",
        "/users/1/risk",
    ]
