"""What was found: each in words, with the mend."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a part of an installation is."""

    OK = "ok"
    WARNING = "warning"  # it works, and will not, or not as one would think
    WRONG = "wrong"  # something does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    check: str
    state: State
    says: str
    mend: str | None = None


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, says)


def warning(check: str, says: str, mend: str) -> Finding:
    """It works, and will not, or not as one would think."""
    return Finding(check, State.WARNING, says, mend)


def wrong(check: str, says: str, mend: str) -> Finding:
    """Something does not work."""
    return Finding(check, State.WRONG, says, mend)


def or_ok(check: str, says: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """What was found, or that there was nothing."""
    findings = list(found)
    yield from findings or [ok(check, says)]


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first few of many."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


Check = Callable[[], Iterable[Finding]]
