"""Ids of users that are perhaps misspelt ones of users that are there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# An edit in a shorter word, or in a number, is another place in a numbering: `door-b`, `camera-13`.
_WORD = re.compile(r"[^\W\d_]{4,}")
_SEPARATORS = re.compile(r"[\W_]+")
# Letters and digits that are taken for each other.
_LOOKALIKE = str.maketrans("oil", "011")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def slip_of(key: str, known: Mapping[str, Any], folded: Mapping[str, str]) -> str | None:
    """The one known id that a new one looks like a slip of; None where it is an id of its own.

    A slip differs in case, in what separates words, in characters that look alike, or by one letter
    of a word: added, left out, changed, or swapped with its neighbour. `folded` has the known ids
    by their `fold`. Ids are looked up and not gone through, so that their number does not matter.
    """
    if (same := folded.get(fold(key))) is not None:
        return same
    near = {other for other in _one_letter_off(key) if other in known}
    return near.pop() if len(near) == 1 else None  # of several it is the next in a row


def fold(key: str) -> str:
    """An id as a hurried reader sees it."""
    return _SEPARATORS.sub("-", key.casefold()).translate(_LOOKALIKE)


def _one_letter_off(key: str) -> Iterator[str]:
    """Ids that one letter in a word of this one distinguishes from it."""
    letters = "".join(dict.fromkeys(_LETTERS + key))
    for word in _WORD.finditer(key):
        for at in range(word.start(), word.end() + 1):
            head, tail = key[:at], key[at:]
            yield from (head + letter + tail for letter in letters if letter.isalpha())
            if at < word.end():
                yield head + tail[1:]
                yield from (head + letter + tail[1:] for letter in letters if letter.isalpha())
            if at < word.end() - 1:
                yield head + tail[1] + tail[0] + tail[2:]
