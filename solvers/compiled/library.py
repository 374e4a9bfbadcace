"""The library as Python calls it, and the one setting that says whether it does."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from solvers.compiled import build

if TYPE_CHECKING:  # a service says who will compute before anything is computed
    from numpy.typing import NDArray

_INTERFACE = 1  # SP_INTERFACE of export.h

_byte_of: Callable[[Any], ctypes.c_char] = ctypes.c_char.from_buffer

# What a function takes and answers, in a letter each.
_KINDS: dict[str, Any] = {"a": ctypes.c_void_p, "i": ctypes.c_int64, "n": ctypes.c_double, "": None}


class Kernel(StrEnum):
    """Who computes where both can."""

    AUTO = "auto"  # compiled where it was built, numpy elsewhere
    COMPILED = "compiled"
    NUMPY = "numpy"


class KernelMissing(Exception):
    """The compiled kernel was asked for, and is not there or not to be used."""


class OutOfMemory(MemoryError):
    """The kernel found no room for its buffers."""


class Library:
    """What was built, loaded once for all threads.

    Calls let other threads run; nothing in it is shared between them but tables that never change.
    """

    def __init__(self, handle: ctypes.CDLL, sources: str) -> None:
        self._handle, self.sources = handle, sources
        self._found: dict[str, Callable[..., Any]] = {}

    def function(self, name: str, arguments: str, answer: str = "i") -> Callable[..., Any]:
        """A function by its name in C, with the kinds of its arguments and of what it answers:
        `a`n address, an `i`nteger, a `n`umber, or nothing.
        """
        known = self._found.get(name)
        if known is None:
            found = self._handle[name]
            found.argtypes = [_KINDS[letter] for letter in arguments]
            found.restype = _KINDS[answer]
            known = self._found[name] = found
        return known


def address(array: "NDArray[Any] | None") -> int | None:
    """Where the values of an array are, as long as someone holds it; None for none."""
    if array is None:
        return None
    # A third of what `ctypes.data` takes; not for what is empty or may not be written.
    if array.flags.writeable and array.size:
        return ctypes.addressof(_byte_of(array))
    return int(array.ctypes.data)


def required(answer: int) -> int:
    """What a call answered. Raises OutOfMemory."""
    if answer < 0:
        raise OutOfMemory("the kernel has no room for what it computes")
    return answer


@cache
def _loaded() -> Library | str:
    """The library; or why there is none."""
    path = build.SOURCES.parent / build.LIBRARY
    if not path.exists():
        return "it was not built: there was no C compiler when splitplan was installed"
    try:
        handle = ctypes.CDLL(str(path))
    except OSError as error:
        return f"it does not load: {error}"
    handle.sp_sources.restype = ctypes.c_char_p
    sources = handle.sp_sources().decode()
    if handle.sp_interface() != _INTERFACE or sources != build.digest():
        return "it was built from other sources: install splitplan again"
    handle.sp_begin()
    return Library(handle, sources)


_chosen = Kernel.AUTO


def use(kernel: Kernel) -> None:
    """Say for the whole process who computes.

    Raises
    ------
    KernelMissing : where the compiled kernel is asked for by name and is not there.
    """
    global _chosen
    found = _loaded() if kernel is Kernel.COMPILED else None
    if isinstance(found, str):
        raise KernelMissing(f"no compiled kernel: {found}")
    _chosen = kernel


@contextmanager
def using(kernel: Kernel) -> Iterator[None]:
    """As `use`, for a while; not where several threads solve."""
    before = _chosen
    use(kernel)
    try:
        yield
    finally:
        use(before)


def library() -> Library | None:
    """The library, where it computes."""
    found = _loaded() if _chosen is not Kernel.NUMPY else None
    return found if isinstance(found, Library) else None


def described() -> str:
    """Who computes, as answers name it: `compiled` with what it was built from, or `numpy`."""
    found = library()
    return "numpy" if found is None else f"compiled {found.sources}"


def missing() -> str | None:
    """Why numpy computes though the compiled kernel would be welcome; None if it does not."""
    found = _loaded() if _chosen is Kernel.AUTO else None
    return found if isinstance(found, str) else None
