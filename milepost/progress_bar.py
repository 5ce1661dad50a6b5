"""How far a long command has come, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

console = Console(stderr=True)
Told = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is."""


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[tuple[Progress, TaskID]]:
    """A bar with its first task, which counts `count` of these."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[count]:>10,} " + unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield bar, bar.add_task(label, count=0)


@contextmanager
def progress_told() -> Iterator[Told]:
    """A bar that shows what it is told, one thing after the other; where nobody looks there is none."""
    if not console.is_terminal:
        yield _nobody
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, total=1, completed=1)
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], total=max(total, 1), completed=done)

        yield told


def _nobody(_what: str, _done: int, _total: int) -> None:
    pass
