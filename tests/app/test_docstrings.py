"""What stands below attributes in the source."""

from app.docstrings import said_of


class Plain:
    """A class with attributes."""

    told: int
    """What it is, in
    two lines."""
    silent: int
    given: int = 3
    """A number."""

    def method(self) -> None:
        """No attribute."""

    class Within:
        """A class of its own."""

        told: str
        """Another one."""


class Heir(Plain):
    """One that declares two of them again."""

    told: int
    """Something else."""
    given: int = 4


def test_what_stands_below_an_attribute_is_said_of_it() -> None:
    assert said_of(Plain, "told") == "What it is, in\ntwo lines."
    assert said_of(Plain, "given") == "A number."
    assert said_of(Plain.Within, "told") == "Another one."
    assert said_of(Plain, "silent") is None
    assert said_of(Plain, "method") is None


def test_the_class_that_declared_it_last_has_the_word() -> None:
    assert said_of(Heir, "told") == "Something else."
    assert said_of(Heir, "given") is None
    assert said_of(Heir, "silent") is None


def test_a_class_in_a_function_is_found_by_its_name() -> None:
    class Local:
        told: int
        """Here."""

    assert said_of(Local, "told") == "Here."
