"""Media types (RFC 9110): what a body is declared to be, and what its caller would rather read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.datastructures import Headers

JSON = "application/json"
YAML = "application/yaml"
CSV = "text/csv"
HTML = "text/html"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
EVENTS = "text/event-stream"

# What YAML was called before it had a name (RFC 9512).
_YAML_TOO = frozenset({"application/x-yaml", "text/yaml", "text/x-yaml"})

_BINARY = frozenset({ARROW, PARQUET, "application/octet-stream"})

# Of an answer that was chosen by Accept: a cache may not give it to who asks for another type.
VARY = {"Vary": "Accept"}

# The parameters that our answers have, whether or not they are told.
_HAS = {JSON: {"charset": "utf-8"}, CSV: {"charset": "utf-8", "header": "present"}}

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_SPACE = r"[ \t]*+"
# Nothing is read twice (`*+`): a long header takes no longer than its length.
_TYPE = re.compile(rf"{_SPACE}({_NAME}/{_NAME}){_SPACE}")
_PARAMETER = re.compile(rf";{_SPACE}(?:({_NAME})=({_NAME}|{_QUOTED}){_SPACE})?")
# An element of a list goes to the next comma outside quotes; a quote without an end is plain text.
_ELEMENT = re.compile(rf'(?:[^",]|{_QUOTED}|")++')
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


# A stream of events (HTML, 9.2.6): a text, and to who reads it one object after the other.
EVENT: dict[str, Any] = {
    "type": ["string", "object"],
    "title": "Server-sent events",
    "description": "Events, as a text that goes on; each has these members.",
    "properties": {
        "id": {"type": "string", "description": "To come back with, as `Last-Event-ID`."},
        "event": {"type": "string", "description": "What kind of event it is."},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "description": "What it says, as JSON.",
        },
        "retry": {
            "type": "integer",
            "description": "Milliseconds to wait before the connection is made again [ms].",
        },
    },
}


def contents(*media_types: str, description: str | None = None) -> dict[str, Any]:
    """What the documentation says of bodies that are no JSON: text, or bytes."""
    told = {} if description is None else {"description": description}
    return {
        each: {
            "schema": {
                "type": "string",
                **({"format": "binary"} if each in _BINARY else {}),
                **told,
            }
        }
        for each in media_types
    }


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or a range of them: type and subtype in lower case, and what follows them."""

    essence: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What a text says (8.3.1): names in any case, values tokens or quoted; None if it is
        none.
        """
        found = _TYPE.match(text)
        if found is None:
            return None
        parameters: dict[str, str] = {}
        at = found.end()
        while at < len(text):
            given = _PARAMETER.match(text, at)
            if given is None:
                return None
            if given[1] is not None:
                parameters.setdefault(given[1].lower(), _unquoted(given[2]))
            at = given.end()
        return cls(found[1].lower(), parameters)

    @property
    def charset(self) -> str:
        """The encoding of its text in lower case, UTF-8 unless declared otherwise."""
        return self.parameters.get("charset", "utf-8").lower()

    @property
    def is_json(self) -> bool:
        """Whether it is JSON, or a format written in it (RFC 6839)."""
        kind, _, name = self.essence.partition("/")
        return self.essence == JSON or (kind == "application" and name.endswith("+json"))

    @property
    def is_yaml(self) -> bool:
        """Whether it is YAML, by its name (RFC 9512) or an earlier one, or written in it."""
        kind, _, name = self.essence.partition("/")
        suffixed = kind == "application" and name.endswith("+yaml")
        return self.essence == YAML or self.essence in _YAML_TOO or suffixed


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def content_type(headers: Headers) -> MediaType | None:
    """What a body is declared to be; None where nothing readable is declared."""
    declared = headers.get("content-type")
    return None if declared is None else MediaType.parse(declared)


def elements(headers: Headers, name: str) -> list[str]:
    """The elements of a header that is a list (5.6.1), over however many lines it is spread."""
    found = (_ELEMENT.findall(line) for line in headers.getlist(name))
    return [element.strip(" \t") for line in found for element in line if element.strip(" \t")]


def preferred(headers: Headers, offered: Sequence[str]) -> str:
    """Which of the offered media types the caller would rather read (12.5.1), the first of equals.

    The most specific range that matches a type gives its weight, and 0 excludes it. Where nothing
    is acceptable, what is asked for in a form that we do not have is nearest, else the first of
    all: the RFC allows an answer, and it says more than a refusal.
    """
    ranges = [found for part in elements(headers, "accept") if (found := _weighted(part))]
    for read in (ranges, [(MediaType(asked.essence), weight) for asked, weight in ranges]):
        weights = [_weight(media_type, read) for media_type in offered]
        if any(weights):
            return offered[weights.index(max(weights))]
    return offered[0]


def _weight(offered: str, ranges: Sequence[tuple[MediaType, float]]) -> float:
    matched = [(_specificity(asked, offered), weight) for asked, weight in ranges]
    closest, weight = max(matched, default=(0, 0.0))
    return weight if closest else 0.0


def _specificity(asked: MediaType, offered: str) -> int:
    """How closely a range describes an offer; 0 if not at all."""
    if asked.essence == "*/*":
        return 1
    if asked.essence == offered.partition("/")[0] + "/*":
        return 2
    has = _HAS.get(offered, {})
    wanted = {name: value for name, value in asked.parameters.items() if name != "q"}
    met = all(has.get(name) == value.lower() for name, value in wanted.items())
    return 3 + len(wanted) if met and asked.essence == offered else 0


def _weighted(part: str) -> tuple[MediaType, float] | None:
    """A range of an Accept header with its weight, None if it is malformed."""
    found = MediaType.parse(part)
    if found is None:
        return None
    weight = found.parameters.get("q", "1")
    return (found, float(weight)) if _WEIGHT.fullmatch(weight) else None
