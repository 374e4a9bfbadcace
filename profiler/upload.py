"""The service that a measurement goes to: asked before whether it knows what is measured."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_TIMEOUT_S = 300.0
_PROCESSORS = {"device": "devices", "server": "servers"}


class UploadRefused(Exception):
    """The service did not take the measurement, or would not; the message is its answer."""


class _NotThere(UploadRefused):
    """The service has no such thing."""


class Service:
    """A planning service.

    Parameters
    ----------
    url : its address
    key : to be let in, if it asks for one
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise UploadRefused(f"{url} is no address of a service")
        self._url = url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def require(self, model: str, sha256: str, processor: str, parts: tuple[str, ...]) -> None:
        """Refuse a measurement that would be refused at its end: of a network or processor that is
        not known, or of another file than the known network's. Raises UploadRefused.
        """
        known = self._get("models", model)
        said = None if known is None else known.get("source_sha256")
        if known is None:
            raise UploadRefused(f"{self._url} has no model {model!r}: import the file there first")
        if said is not None and said != sha256:
            raise UploadRefused(
                f"the model {model!r} at {self._url} was read from another file: {said}, not"
                f" {sha256}"
            )
        kinds = [_PROCESSORS[part] for part in parts]
        if all(self._get(kind, processor) is None for kind in kinds):
            raise UploadRefused(
                f"{self._url} has no {processor!r} among its {' or '.join(kinds)}: POST it there"
                " first, or correct --processor"
            )

    def send(self, content: Mapping[str, Any], timing: str) -> dict[str, Any]:
        """Send a measurement; returns what was found in it. Raises UploadRefused."""
        return self._ask(f"timings/{quote(timing, safe='')}/measurements", content)

    def _get(self, kind: str, name: str) -> dict[str, Any] | None:
        try:
            return self._ask(f"{kind}/{quote(name, safe='')}")
        except _NotThere:
            return None

    def _ask(self, path: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self._url}/v1/{path}",
            data=None if content is None else json.dumps(content).encode(),
            headers=self._headers | {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                told: dict[str, Any] = json.load(answer)
                return told
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            refused = _NotThere if error.code == 404 else UploadRefused
            raise refused(f"{error.code} {error.reason}: {text[:2000]}") from error
        except (OSError, ValueError) as error:
            raise UploadRefused(
                f"{self._url} did not answer as a service of this kind: {error}"
            ) from error
