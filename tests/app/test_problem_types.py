"""The table of problem types."""

from typing import Any

from app.errors import ConfigurationError, LimitMet, SplitplanError
from app.problem_types import PROBLEMS, problem_type


def test_slugs_are_one_to_a_type() -> None:
    slugs = [kind.slug for kind in PROBLEMS.values()]
    assert len(slugs) == len(set(slugs))


def test_every_failure_told_over_http_has_a_row() -> None:
    def all_below(kind: type[Any]) -> set[type[Any]]:
        return {kind}.union(*(all_below(below) for below in kind.__subclasses__()))

    # What commands tell an operator has none.
    without = {kind for kind in all_below(SplitplanError) if problem_type(kind) is None}
    assert without == {SplitplanError, LimitMet, *all_below(ConfigurationError)}
