"""What pyproject.toml cannot say: the compiled kernel is built with the package, where there is a
compiler.
"""

import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent / "solvers" / "compiled"))
import build as kernel


class BuildPy(build_py):
    """Puts the library beside the modules: of the checkout, where that is what is installed."""

    def run(self) -> None:
        """Build; without a compiler say so, and go on without."""
        super().run()
        folder = Path("." if self.editable_mode else self.build_lib) / "solvers" / "compiled"
        try:
            kernel.bring(folder / kernel.LIBRARY)
        except kernel.NotBuilt as error:
            (folder / kernel.LIBRARY).unlink(missing_ok=True)
            self.warn(f"no compiled kernel, numpy computes alone: {error}")


class Wheel(bdist_wheel):
    """Of any Python, but of one machine where it has the library."""

    def get_tag(self) -> tuple[str, str, str]:
        """py3-none-PLATFORM."""
        return ("py3", "none", super().get_tag()[2])


class OfOneMachine(Distribution):
    """The library is of one kind of machine, though it knows no Python."""

    def has_ext_modules(self) -> bool:
        """Whether the wheel depends on the machine."""
        return next(kernel.compilers(), None) is not None


setup(cmdclass={"build_py": BuildPy, "bdist_wheel": Wheel}, distclass=OfOneMachine)
