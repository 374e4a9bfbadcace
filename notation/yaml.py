"""YAML for the values that JSON has, by the rules of YAML 1.2: what a file says and nothing that
it could be taken for.

Numbers are what JSON calls numbers, with `+5`, `.5`, `5.` and `1e6` beside them. `no`, `on`,
`1:30`, `2026-11-28`, `1_000`, `007` and `0x1F` are texts. What has two meanings, or none in JSON,
is refused: a key given twice, aliases, tags, merge keys, `.nan`, several documents.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

# The parser in C gives the same events twenty times as fast; not every platform's wheel has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_DEEPEST = 100
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# A zero before other digits is octal in YAML 1.1 and not in 1.2, and begins the ids of cameras.
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_STANDARD = "tag:yaml.org,2002:"
_ABSENT = object()


class MalformedYaml(ValueError):
    """A text that is no YAML, or YAML with something that JSON has not."""


def parse(text: str) -> Any:
    """The value of the one document in a text. Raises MalformedYaml, saying where."""
    try:
        return _value(iter(yaml.parse(text, Loader=_LOADER)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise MalformedYaml(f"{error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:  # a character that YAML has not
        raise MalformedYaml(" ".join(str(error).split())) from None


class _Open:
    """A list or an object that is being read."""

    def __init__(self, into: list[Any] | dict[str, Any]) -> None:
        self.into = into
        self.key: Any = _ABSENT


def _value(events: Iterator[Any]) -> Any:
    document: Any = _ABSENT
    above: list[_Open] = []
    for event in events:
        match event:
            case yaml.ScalarEvent():
                inside = above[-1] if above else None
                if inside is not None and type(inside.into) is dict and inside.key is _ABSENT:
                    inside.key = _key(event, inside.into)
                    continue
                value = _scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                mapping = type(event) is yaml.MappingStartEvent
                _begin(event, above, "map" if mapping else "seq")
                above.append(_Open({} if mapping else []))
                continue
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                value = above.pop().into
            case yaml.AliasEvent():
                raise _fault(event, "is an alias, which is not read: write out what it stands for")
            case yaml.DocumentStartEvent():
                if document is not _ABSENT:
                    raise _fault(event, "begins a second document: send one")
                if event.version not in (None, (1, 2)):
                    raise _fault(event, "is a directive of another version: YAML 1.2 is read")
                continue
            case _:
                continue
        if not above:
            document = value
            continue
        inside = above[-1]
        if isinstance(inside.into, list):
            inside.into.append(value)
        else:
            inside.into[inside.key] = value
            inside.key = _ABSENT
    if document is _ABSENT:
        raise MalformedYaml("there is nothing in it")
    return document


def _begin(event: Any, above: list[_Open], kind: str) -> None:
    """Refuse a list or an object where none can be."""
    if event.tag not in (None, "!", _STANDARD + kind):
        raise _tagged(event)
    if len(above) == _DEEPEST:
        raise _fault(event, f"is nested more than {_DEEPEST} deep")
    if above and type(above[-1].into) is dict and above[-1].key is _ABSENT:
        raise _fault(event, "is no key: keys are texts")


def _key(event: Any, members: dict[str, Any]) -> str:
    """A key as it is written: `no:` and `12:` are texts as all keys are."""
    key: str = event.value
    if event.tag not in (None, "!", _STANDARD + "str"):
        raise _tagged(event)
    if key == "<<" and event.implicit[0]:
        raise _fault(event, "is a merge key, which is not read: write out what it stands for")
    if key in members:
        raise _fault(event, f"{key[:100]!r} is given twice in one object")
    return key


def _scalar(event: Any) -> Any:
    text: str = event.value
    if not event.implicit[0] or event.tag == "!":  # in quotes, a block, or with a tag
        if event.tag not in (None, "!", _STANDARD + "str"):
            raise _tagged(event)
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        try:
            return int(text)
        except ValueError:  # the interpreter's limit
            raise _fault(event, "is an integer of more than 4300 digits") from None
    if _NUMBER.fullmatch(text):
        return float(text)
    if _NO_NUMBER.fullmatch(text):
        raise _fault(event, f"{text} is not a JSON number")
    return text


def _tagged(event: Any) -> MalformedYaml:
    return _fault(event, f"has the tag {event.tag[:100]!r}: tags are not read, leave it out")


def _fault(event: Any, said: str) -> MalformedYaml:
    mark = event.start_mark
    return MalformedYaml(f"line {mark.line + 1}, column {mark.column + 1}: {said}")
