"""What a caller would rather have (RFC 7240): an answer later, or after so many seconds at most."""

import re
from dataclasses import dataclass

# Nothing is read twice (`*+`): a long header takes no longer than its length.
_PREFERENCE = re.compile(
    r"([\w-]++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|([^\s\";]*+))\s*+)?(?:;.*)?", re.ASCII
)
_SECONDS = re.compile(r"\d{1,9}(\.\d{0,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a request; those that are not known are left out, as the RFC asks."""

    respond_async: bool = False
    wait_s: float | None = None

    @property
    def applied(self) -> dict[str, str]:
        """The header that says what was honoured."""
        given = ["respond-async"] * self.respond_async
        given += [] if self.wait_s is None else [f"wait={self.wait_s:g}"]
        return {"Preference-Applied": ", ".join(given)} if given else {}


def preferences(header: str | None, most_s: float) -> Preferences:
    """Read a Prefer header; waits are cut to `most_s`.

    Of a preference given twice the first counts.
    """
    respond_async, wait_s = False, None
    for part in (header or "").split(","):
        found = _PREFERENCE.fullmatch(part.strip())
        if found is None:
            continue
        name, value = found[1].lower(), found[2] or found[3]
        if name == "respond-async":
            respond_async = True
        elif name == "wait" and wait_s is None and value:
            wait_s = _seconds(value, most_s)
    return Preferences(respond_async, wait_s)


def _seconds(value: str, most_s: float) -> float | None:
    return min(float(value), most_s) if _SECONDS.fullmatch(value) else None
