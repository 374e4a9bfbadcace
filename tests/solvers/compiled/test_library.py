"""Which kernel computes, and why it is not the other one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from solvers.compiled import build, library
from solvers.compiled.library import Kernel, KernelMissing, described, missing, use, using
from tests.support.robust.kernel import the_library


@pytest.fixture
def forgotten() -> None:
    library._loaded.cache_clear()


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    library._loaded.cache_clear()


def test_one_setting_says_who_computes() -> None:
    found = the_library()
    assert described() == f"compiled {build.digest()}"
    with using(Kernel.NUMPY):
        assert described() == "numpy"
        assert library.library() is None
        assert missing() is None  # nobody misses what was not asked for
    with using(Kernel.COMPILED):
        assert library.library() is found


@pytest.mark.parametrize(
    ("left", "why"), [("nothing", "was not built"), ("a text", "does not load")]
)
def test_without_it_numpy_computes_and_says_why(
    left: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    monkeypatch.setattr(build, "SOURCES", tmp_path / "sources")
    if left == "a text":
        (tmp_path / build.LIBRARY).write_text("no library")
    assert described() == "numpy"
    assert why in str(missing())
    with pytest.raises(KernelMissing, match=why):
        use(Kernel.COMPILED)
    assert described() == "numpy"


def test_a_library_of_other_sources_is_not_used(
    monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    the_library()
    library._loaded.cache_clear()
    monkeypatch.setattr(build, "digest", lambda: "of another day")
    assert described() == "numpy"
    assert "other sources" in str(missing())
