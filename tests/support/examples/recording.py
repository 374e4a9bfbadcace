"""What a service was asked and what it answered, by operation."""

import json
import re
from typing import Any

import httpx

from app.http.media import CSV, EVENTS, JSON
from app.problems import MEDIA_TYPE as PROBLEM
from tests.support.examples.plain import Plain

_PARAMETER = re.compile(r"\{\w+\}")
_READABLE = (JSON, CSV, EVENTS, "text/plain")


class Recorder:
    """Keeps the first of each: what was sent by operation and media type, what was answered also by
    status, and problems by their type.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        """Operations are told apart by their addresses in an OpenAPI document."""
        self._templates = [
            (re.compile(_PARAMETER.sub("[^/]+", path)), document["paths"][path])
            for path in sorted(document["paths"], key=lambda path: path.count("{"))
        ]
        self._plain = Plain()
        self.kept: dict[str, Any] = {}
        self.heard: list[str] = []
        """Everything, whatever it was: address, headers and content."""

    def listen(self, answer: httpx.Response) -> None:
        """Keep an exchange: a hook of a client. Events, which may have no end, are for `keep`."""
        if _essence(answer.headers) != EVENTS:
            self.keep(answer, answer.read())

    def keep(self, answer: httpx.Response, content: bytes) -> None:
        """Keep what was asked, and so much of the answer."""
        said = content.decode(errors="replace")
        self.heard.append(f"{answer.request.url.path} {answer.headers} {said}")
        media_type, sent = _essence(answer.headers), _essence(answer.request.headers)
        if media_type == PROBLEM:
            told = json.loads(content)
            self._keep(f"problem {told['type'].rpartition('/')[2]}", self._plain.answer, told)
        operation = self._operation(answer.request)
        if not answer.is_success or operation is None:
            return
        if sent in _READABLE and (asked := answer.request.content):
            self._keep(f"{operation} request {sent}", self._plain.request, _read(sent, asked))
        if media_type in _READABLE and content:
            key = f"{operation} {answer.status_code} {media_type}"
            self._keep(key, self._plain.answer, _read(media_type, content))

    def _keep(self, key: str, plain: Any, value: Any) -> None:
        if key not in self.kept:
            self.kept[key] = plain(value)

    def _operation(self, request: httpx.Request) -> str | None:
        for template, operations in self._templates:
            operation = operations.get(request.method.lower())
            if operation is not None and template.fullmatch(request.url.path):
                return str(operation["operationId"])
        return None


def _essence(headers: httpx.Headers) -> str:
    return headers.get("content-type", "").partition(";")[0]


def _read(media_type: str, content: bytes) -> Any:
    return json.loads(content) if media_type == JSON else content.decode()


def written(kept: dict[str, Any]) -> str:
    """A line for each example, so that another answer is another line."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(kept[key], ensure_ascii=False)}" for key in sorted(kept)
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"
