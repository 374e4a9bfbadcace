"""The kernel's self-check."""

import pytest

from app.doctor import kernel
from app.settings import Settings
from solvers.compiled import library
from solvers.compiled.library import Kernel, described
from tests.support.doctor import faults

SETTINGS = Settings(database_url="sqlite:///x.db")


@pytest.mark.slow
def test_both_find_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(kernel.look(SETTINGS))
    if described() == "numpy":
        assert "large plans take some ten times as long" in faults(found)
        return
    assert faults(found) == ""
    real = kernel._told
    answers = iter([(1.0, 1.0, [0]), (1.5, 1.5, [0])])
    monkeypatch.setattr(kernel, "_told", lambda _: next(answers))
    assert "do not agree on a small cell: 1.5 and 1 J" in faults(kernel.look(SETTINGS))
    monkeypatch.setattr(kernel, "_told", real)


@pytest.mark.slow
def test_a_kernel_that_was_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_loaded", lambda: "it was not built")
    assert "kernel warning: numpy alone" in faults(kernel.look(SETTINGS))
    asked = SETTINGS.model_copy(update={"kernel": Kernel.COMPILED})
    assert "kernel wrong: SPLITPLAN_KERNEL=compiled: no compiled" in faults(kernel.look(asked))
