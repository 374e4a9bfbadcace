"""Names near one that does not exist."""

from collections.abc import Collection, Iterable

# Of 100; below it a name is another name, not a slip.
_ALIKE = 60.0
# What the whole of a name is a part of is meant more surely than that.
_PART = 75.0
_SHORTEST_PART = 2
# Whoever is so far behind the nearest was not meant.
_BEHIND = 12.0
_SHOWN = 3
_LONGEST = 200


def nearest(name: str, names: Iterable[str], most: int = _SHOWN) -> list[str]:
    """Those of `names` that are most like `name`, or of which it is a part, the nearest first; case
    does not count.

    100,000 names take a tenth of a second.
    """
    # Only who errs needs it: 0.1 s of every process's start.
    from rapidfuzz import fuzz, process

    asked, known = name[:_LONGEST].casefold(), list(names)
    folded = [one.casefold() for one in known]
    found = process.extract(asked, folded, scorer=fuzz.ratio, limit=most, score_cutoff=_ALIKE)
    scores = {position: score for _, score, position in found}
    if len(asked) >= _SHORTEST_PART:
        parts = [n for n, one in enumerate(folded) if asked in one]
        # The shorter, the more of it was said.
        for n in sorted(parts, key=lambda n: len(folded[n]))[:most]:
            scores[n] = max(
                scores.get(n, 0.0), _PART + (100.0 - _PART) * likeness(asked, folded[n])
            )
    ranked = sorted(scores, key=lambda n: (-scores[n], known[n]))
    return [known[n] for n in ranked[:most] if scores[n] > scores[ranked[0]] - _BEHIND]


def likeness(one: str, other: str) -> float:
    """How alike two texts are as a whole, from 0 to 1."""
    from rapidfuzz import fuzz

    return float(fuzz.ratio(one, other)) / 100.0


def is_it(near: Collection[str]) -> str:
    """What to add to a sentence about a name that does not exist; nothing where none is near."""
    return f"; is it {' or '.join(map(repr, near))}?" if near else ""
