"""How far a plan has come, on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from client.present.quantities import Json, number


def reached(progress: Json) -> str:
    """The best plan so far, and how far from the bound it is, in the objective's unit."""
    words = [
        f"{label} {number(progress[field])}"
        for label, field in (("best", "objective"), ("at least", "bound"))
        if progress[field] is not None
    ]
    words += [] if progress["gap"] is None else [f"gap {progress['gap']:.1e}"]
    return ", ".join(words)


class Bar:
    """A bar on a terminal that shows how far a plan has come, gone when it is left."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[reached]}", markup=False),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("sent", total=None, reached="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tell(self, plan: Json) -> None:
        """Move to where a plan is."""
        progress = plan.get("progress")
        if plan["status"] != "running" or progress is None:
            self._progress.update(self._task, description=plan["status"], total=None)
            return
        self._progress.update(
            self._task,
            description=progress["stage"],
            total=1.0,
            completed=progress["fraction"],
            reached=reached(progress),
        )
        self._progress.refresh()
