import json

import pytest
import yaml as pyyaml

from notation import yaml
from notation.yaml import MalformedYaml, parse

NESTED = """
# a request
channel: lte-10mhz
options: {seed: 3, explain: true}
users:
  - id: "12"
    deadline_s: 1e-1   # a number, and not a text
  - id: |-
      door
    risk: .02
"""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("12", 12),
        ("-0", 0),
        ("+3", 3),
        ("0.15", 0.15),
        ("5.", 5.0),
        (".5", 0.5),
        ("1e6", 1e6),
        ("1E-3", 1e-3),
        ("1e999", float("inf")),
        ("null", None),
        ("~", None),
        ("true", True),
        ("FALSE", False),
        # What YAML 1.1 takes for something else, and what no number of JSON looks like.
        ("no", "no"),
        ("On", "On"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2026-11-28", "2026-11-28"),
        ("2026-11-28T07:00:00Z", "2026-11-28T07:00:00Z"),
        ("007", "007"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("0,15", "0,15"),
        ("1.2.3", "1.2.3"),
        ("jetson@3", "jetson@3"),
        ("=", "="),
        # In quotes, or called one, everything is a text.
        ('"12"', "12"),
        ("'null'", "null"),
        ("!!str 12", "12"),
        ("! 12", "12"),
    ],
)
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_numbers_are_numbers_and_names_stay_names(
    said: str, meant: object, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml, "_LOADER", getattr(pyyaml, loader))
    (value,) = parse(f"- {said}")
    assert value == meant
    assert type(value) is type(meant)


def test_a_key_is_the_text_it_is_written_as() -> None:
    assert parse("no: 1\n12: 2\nnull: 3\n'a b': 4\n") == {"no": 1, "12": 2, "null": 3, "a b": 4}


def test_lists_and_objects_in_either_style() -> None:
    assert parse(NESTED) == {
        "channel": "lte-10mhz",
        "options": {"seed": 3, "explain": True},
        "users": [{"id": "12", "deadline_s": 0.1}, {"id": "door", "risk": 0.02}],
    }
    body = {"a": [1, 2.5, "x", None, True, {"b": []}], "c": {}}
    assert parse(json.dumps(body)) == body


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nothing in it"),
        ("# only this", "nothing in it"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: 'a' is given twice"),
        ("a: &a [x, x]\nb: *a", "line 2, column 4: is an alias"),
        ("a: {<<: {b: 1}}", "merge key"),
        ("a: .nan", ".nan is not a JSON number"),
        ("a: -.inf", "-.inf is not a JSON number"),
        ("a: !!float 1", "tags are not read"),
        ("a: !!python/object:os.system x", "tags are not read"),
        ("a: !!set {b}", "tags are not read"),
        ("[1]: 2", "is no key"),
        ("a: 1\n---\na: 2", "second document"),
        ("%YAML 1.1\n---\na: no", "another version"),
        ("a: [1,", "line"),
        ("a: 'x", "line 1, column"),
        ("\ta: 1", "line 1, column 1"),
        ("a: \x00", "control characters"),
        ("- " * 101, "nested more than 100 deep"),
        ("[" * 100_000, "nested more than 100 deep"),
        ("a: " + "9" * 5000, "more than 4300 digits"),
    ],
)
def test_what_has_two_meanings_or_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(MalformedYaml, match=told.replace("[", r"\[")):
        parse(text)


def test_a_bomb_is_not_lit() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with pytest.raises(MalformedYaml, match="is an alias"):
        parse("\n".join(lines))
