"""The kernel as it is built: by what there is, whole or not at all."""

import ctypes
import sys
from pathlib import Path

import pytest

from solvers.compiled import build


@pytest.mark.slow
def test_any_compiler_of_the_machine_makes_a_library_of_these_sources(tmp_path: Path) -> None:
    if next(build.compilers(), None) is None:
        pytest.skip("no C compiler")
    target = tmp_path / build.LIBRARY
    build.build(target)
    assert list(tmp_path.iterdir()) == [target]
    made = ctypes.CDLL(str(target))
    made.sp_sources.restype = ctypes.c_char_p
    assert made.sp_sources().decode() == build.digest()


def test_without_a_compiler_it_says_what_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "compilers", lambda: iter(()))
    with pytest.raises(build.NotBuilt, match="neither CC, cc, gcc, clang nor ziglang"):
        build.build(tmp_path / build.LIBRARY)


def test_what_a_compiler_said_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [sys.executable, "-c", "raise SystemExit('cannot compile that')"]
    monkeypatch.setattr(build, "compilers", lambda: iter([broken]))
    with pytest.raises(build.NotBuilt, match="cannot compile that"):
        build.build(tmp_path / build.LIBRARY)
    assert list(tmp_path.iterdir()) == []


def test_a_library_of_these_sources_is_brought_and_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "here" / "sources"
    sources.mkdir(parents=True)
    (sources / "one.c").write_text("int one;")
    monkeypatch.setattr(build, "SOURCES", sources)
    monkeypatch.setattr(build, "compilers", lambda: iter(()))
    (sources.parent / build.LIBRARY).write_bytes(b"\x7fELF " + build.digest().encode())
    target = tmp_path / build.LIBRARY
    build.bring(target)
    assert target.read_bytes() == (sources.parent / build.LIBRARY).read_bytes()
    (sources / "one.c").write_text("int two;")
    with pytest.raises(build.NotBuilt):
        build.bring(target)
