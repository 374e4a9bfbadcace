"""Which of the media types that an answer can have its caller would rather read (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type with the highest weight, the first of equals; the first of all where none is accepted."""
    ranges = [_range(part) for part in (accept or "*/*").split(",")]

    def weight(media_type: str) -> float:
        kind = media_type.partition("/")[0]
        for specific in (media_type, f"{kind}/*", "*/*"):
            weights = [q for name, q in ranges if name == specific]
            if weights:
                return max(weights)
        return 0.0

    return max(offered, key=weight)


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0
