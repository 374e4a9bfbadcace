"""Examples that are short, and the same whenever they are recorded."""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

_LONGEST = 4  # entries of a list
_DIGITS = 6
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_THEN = "2026-01-15T12:00:00.250000Z"
_ID = re.compile(r"[0-9a-f]{32,64}")
_LONG_NUMBER = re.compile(r"(?<![\d:.])-?\d+\.\d{5,}(e-?\d+)?")
# What a run, a machine, a release or a migration has of its own, and what is said instead.
_OWN: dict[str, Any] = {
    "solve_s": 0.02,
    "age_s": 86400.0,
    "solver_version": "0.1.0",
    "kernel": "numpy",
    "schema_version": "0011",  # of the database; a file's is a number, and stays
    "versions": {
        "splitplan": "0.1.0",
        "numpy": "2.4.6",
        "scipy": "1.17.1",
        "cvxpy": "1.9.3",
        "clarabel": "0.11.1",
        "python": "3.11.7",
        "machine": "x86_64",
    },
}
_OWN_IN_TEXT = re.compile(r'"(solve_s|age_s|solver_version)":[^,}]+')
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)")
# What the last digits of one machine's arithmetic may be on another.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-6


class Plain:
    """Ids and digests in the order in which they came, one instant for all, numbers in a few
    digits.
    """

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._sent: set[str] = set()  # instants that somebody chose

    def request(self, value: Any) -> Any:
        """What was sent, whole."""
        self._sent |= {found[0] for found in _INSTANT.finditer(str(value))}
        return _mapped(value, self._text, longest=None)

    def answer(self, value: Any) -> Any:
        """What was answered, of each list the beginning."""
        return _mapped(value, self._text, longest=_LONGEST)

    def _text(self, text: str) -> str:
        text = _OWN_IN_TEXT.sub(lambda at: f'"{at[1]}":{json.dumps(_OWN[at[1]])}', text)
        text = _LONG_NUMBER.sub(lambda at: str(_rounded(float(at[0]))), text)
        text = _INSTANT.sub(lambda at: at[0] if at[0] in self._sent else _THEN, text)
        return _ID.sub(lambda at: self._id(at[0]), text)

    def _id(self, found: str) -> str:
        return self._ids.setdefault(found, f"{len(self._ids) + 1:0{len(found)}x}")


def _mapped(value: Any, of_text: Callable[[str], str], longest: int | None) -> Any:
    match value:
        case dict():
            return {
                name: _OWN[name] if _is_own(name, each) else _mapped(each, of_text, longest)
                for name, each in value.items()
            }
        case list():
            return [_mapped(each, of_text, longest) for each in value[:longest]]
        case float():
            return _rounded(value)
        case str():
            return of_text(value)
        case _:
            return value


def _is_own(name: str, value: Any) -> bool:
    return name in _OWN and isinstance(value, type(_OWN[name]))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def differences(kept: Any, told: Any, where: str = "") -> Iterator[str]:
    """Where two sets of examples differ by more than the last digits."""
    match kept, told:
        case dict(), dict():
            for name in sorted(kept.keys() | told.keys()):
                if name in kept and name in told:
                    yield from differences(kept[name], told[name], f"{where}/{name}")
                else:
                    yield f"{where}/{name}: only in the {'kept' if name in kept else 'new'} one"
        case list(), list() if len(kept) == len(told):
            for n, pair in enumerate(zip(kept, told, strict=True)):
                yield from differences(*pair, f"{where}/{n}")
        case str(), str():
            pieces = (_NUMBER.split(kept), _NUMBER.split(told))
            if not _alike_texts(*pieces):
                yield f"{where}: {kept!r} is now {told!r}"
        case _:
            if not _alike(kept, told):
                yield f"{where}: {kept!r} is now {told!r}"


def _alike_texts(kept: list[str], told: list[str]) -> bool:
    """Texts between numbers and numbers, by turns."""
    return (
        len(kept) == len(told)
        and kept[::2] == told[::2]
        and all(_alike(float(a), float(b)) for a, b in zip(kept[1::2], told[1::2], strict=True))
    )


def _alike(kept: Any, told: Any) -> bool:
    if isinstance(kept, bool) or not isinstance(kept, int | float):
        return bool(kept == told) and type(kept) is type(told)
    return isinstance(told, int | float) and math.isclose(
        kept, told, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE
    )
