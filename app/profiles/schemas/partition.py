"""The name of a cut that does not change with its profile's name or place in the list."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# 128 bits: nobody finds two cuts of one name, and a device can put it into a file's name.
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Partition:
    """A network, split at one of its cuts."""

    id: str
    tensors: tuple[str, ...] | None
    """What crosses, as the model names it; None where it does not say."""


def partition_id(source: str, crossing: Sequence[str] | str) -> str:
    """The name of a cut, which a device can compute by itself (docs/verification.md).

    Parameters
    ----------
    source : digest of the network
    crossing : the tensors that cross, in any order; or the name of the cut, where nobody says
        which they are
    """
    named = crossing if isinstance(crossing, str) else sorted(crossing)
    return _sha256([source, named])[:_DIGITS]


def tensors_of(partitions: Iterable[Partition]) -> dict[str, tuple[str, ...] | None]:
    """What crosses at each of some partitions, by their ids."""
    return {one.id: one.tensors for one in partitions}


def source_of_cuts(cuts: Sequence[Sequence[Any]]) -> str:
    """Digest of a network of which there is no file: name, FLOP, bytes of what crosses and of
    parameters, and the tensors (or None) of each of its cuts.
    """
    return _sha256(cuts)


def _sha256(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
